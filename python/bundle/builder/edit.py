"""Edit: another edge for the same model, proven against the model that it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from onnx import ModelProto

from bundle.builder import axes, surgery
from bundle.builder.external import bring_data, external_tensors, locate, onnx_model
from bundle.builder.graph import load_graph, save_graph
from bundle.builder.likeness import Edge, Likeness, compare, try_freed
from bundle.builder.model import Model, StageSkipped
from bundle.builder.opset import convert_opset, merge_imports
from bundle.builder.plainfile import gather_data
from bundle.builder.surgery import refused
from bundle.builder.worker import Worker
from bundle.error import BundleError

_DATA = "edited.onnx.data"


@dataclass(frozen=True)
class Edit:
    """What to change; all names are those of the model as it is.

    Attributes:
        rename_inputs: old name -> new name.
        rename_outputs: old name -> new name.
        fix: a symbol, or ``INPUT:AXIS`` -> its size.
        free: ``INPUT:AXIS`` -> its symbol.
        outputs: the tensors to become the outputs, in order, each text one name or several joined by
            commas; empty: those that there are.
        opset: the version of the default operator set; None: the one that it has.
    """

    rename_inputs: Mapping[str, str] = field(default_factory=dict)
    rename_outputs: Mapping[str, str] = field(default_factory=dict)
    fix: Mapping[str, int] = field(default_factory=dict)
    free: Mapping[str, str] = field(default_factory=dict)
    outputs: Sequence[str] = ()
    opset: int | None = None


@dataclass(frozen=True)
class Edited:
    """A model whose edge was changed.

    Attributes:
        model: the file, in the work folder.
        removed_inputs: those that no output needs any more.
        likeness: how it was compared with the original.
        notes: sentences for the user.
    """

    model: Model
    removed_inputs: tuple[str, ...]
    likeness: Likeness
    notes: tuple[str, ...]


def edit(source: Path, wanted: Edit, work: Path, worker: Worker) -> Edited:
    """Make the edited model in the folder ``work``, check it, and compare its answers with the original's.

    Outputs are chosen first; then follow axes, the operator set and names.

    Errors: ``edit_invalid`` where an edit cannot be made or changes answers; ``model_unreadable``,
    ``model_invalid``, ``model_rejected``, ``opset_unsupported``, ``external_data_outside``,
    ``external_data_missing``.
    """
    graph = load_graph(source)
    # All weights are looked at before anything is written.
    weights = [locate(tensor, source.parent) for tensor in external_tensors(graph)]
    original, removed = source, list[str]()
    if wanted.outputs:
        surgery.choose_outputs(graph, surgery.named_tensors(graph, wanted.outputs))
        original = _save_beside(graph, source, work / "original")
        removed = surgery.prune(graph)
    fixed, freed = _resize(graph, wanted)
    if weights:
        gather_data(graph, source.parent, work / _DATA)
    graph, notes = _at_opset(graph, work, wanted.opset)
    kept = [name for name in surgery.inputs_of(graph) if name not in removed]
    surgery.rename(graph, wanted.rename_inputs, wanted.rename_outputs)
    model = _save(graph, work)
    edge = Edge({name: wanted.rename_inputs.get(name, name) for name in kept}, wanted.rename_outputs, fixed)
    likeness = compare(original, model, edge, worker)
    if freed:
        try_freed(graph, model, freed, likeness, worker)
        model = _save(graph, work)
    _validate(model.path)
    return Edited(model, tuple(removed), likeness, tuple(notes))


def _save_beside(graph: ModelProto, source: Path, folder: Path) -> Path:
    """Write a graph of the folder of ``source`` to another folder, with its weights."""
    folder.mkdir()
    bring_data(graph, source.parent, folder)
    save_graph(graph, folder / "original.onnx")
    return folder / "original.onnx"


def _save(graph: ModelProto, work: Path) -> Model:
    save_graph(graph, work / "edited.onnx")
    return onnx_model(work / "edited.onnx")


def _resize(graph: ModelProto, wanted: Edit) -> tuple[dict[tuple[str, int], int], list[str]]:
    """Fix and free axes; return what was fixed, by input and axis, and the new symbols."""
    fixed: dict[tuple[str, int], int] = {}
    for text, size in wanted.fix.items():
        fixed |= dict.fromkeys(axes.fix(graph, text, size), size)
    for text, symbol in wanted.free.items():
        if axes.free(graph, text, symbol) in fixed:
            raise refused(text, "an axis that is fixed or freed", "both")
    if wanted.fix or wanted.free:
        axes.forget_inner_shapes(graph)
    if fixed:
        axes.infer_fixed_outputs(graph)
    return fixed, list(dict.fromkeys(wanted.free.values()))


def _at_opset(graph: ModelProto, work: Path, opset: int | None) -> tuple[ModelProto, list[str]]:
    """Return the graph at another operator set, and what is to be said about it."""
    if opset is None:
        return graph, []
    # The converter looks for the operator set by its short name, once.
    merge_imports(graph)
    path = work / "before.onnx"
    save_graph(graph, path)
    try:
        return load_graph(convert_opset(onnx_model(path), work, opset).path), []
    except StageSkipped as why:
        if why.reason == "unchanged":
            return graph, [why.detail]
        raise refused("--opset", f"a model that can be brought to opset {opset}", why.detail) from why


def _validate(path: Path) -> None:
    """Run ONNX's checker, by path because a model with its weights may be too large for a message."""
    try:
        onnx.checker.check_model(path)
    except Exception as error:  # ValidationError, and protobuf's own
        found = " ".join(str(error).split())[:300]
        raise BundleError("model_invalid", path.name, "a valid ONNX model", found) from error
