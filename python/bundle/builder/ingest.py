"""Ingest: bring the user's model into the work folder as one self-contained ONNX file."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onnx import ModelProto

from bundle.builder.advice import Advice
from bundle.builder.estimator import FORMAT, convert_estimator, is_estimator, refuse
from bundle.builder.external import append_region, external_tensors, locate, make_inline, onnx_model
from bundle.builder.graph import load_graph, save_graph, walk_graphs, walk_nodes, walk_tensors
from bundle.builder.kinds import looks_like
from bundle.builder.model import Model
from bundle.builder.worker import Worker
from bundle.error import BundleError

#: A protobuf message ends at 2 GiB; the margin is room for everything but the weights.
INLINE_LIMIT = 2**31 - 2**26

#: Under this name the data file lies beside ``source.onnx`` in the bundle, and the graph points to it.
DATA_FILE = "source.onnx.data"
#: Bytes up to which a tensor always goes into the model's file: shapes and axes are read by every tool.
_SMALL = 128

_ABSOLUTE_PATH = re.compile(r"""(?:^|[\s"'=(:])(?:/[^\s/"']+/|[A-Za-z]:[\\/]|\\\\)""")


@dataclass(frozen=True)
class Ingested:
    """What was brought in.

    Attributes:
        model: one self-contained ONNX file, but for weights above the limit.
        format: of the user's file, as the manifest's `model.source.format` has it.
        advice: sentences for the user.
        decisions: for each output, what it decides, where the user's file tells.
        labels: for an output, what its indices mean, where the user's file tells.
    """

    model: Model
    format: str
    advice: list[Advice] = field(default_factory=list)
    decisions: dict[str, str] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)


def ingest_any(
    source: Path, work: Path, worker: Worker, trust_pickle: bool = False, inline_limit: int = INLINE_LIMIT
) -> Ingested:
    """Bring a model of any known kind, a saved estimator included, into the folder ``work``.

    Args:
        source: the user's file.
        work: where the result goes.
        worker: unpickles and converts estimators.
        trust_pickle: whether the user said that a pickle may run code.
        inline_limit: as for ``ingest``.

    Errors: those of ``ingest``; ``pickle_untrusted``, ``estimator_unsupported``, ``extra_missing``.
    """
    if not is_estimator(source):
        return Ingested(ingest(source, work, inline_limit), "onnx")
    made = convert_estimator(source, work, worker, trust_pickle)
    model = ingest(made.path, work, inline_limit)
    return Ingested(model, FORMAT, made.advice, made.decisions, made.labels)


def ingest(source: Path, work: Path, inline_limit: int = INLINE_LIMIT) -> Model:
    """Bring an ONNX model into the folder ``work``.

    The result is one file; only weights above ``inline_limit`` bytes in all stay in one data file
    beside it.

    Errors: ``model_format_unknown``, ``model_unreadable``, ``external_data_outside``,
    ``external_data_missing``, ``pickle_untrusted``.
    """
    if is_estimator(source):
        refuse(source)
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        known = ", ".join(f"`{suffix}`" for suffix in sorted(_READERS))
        kind = looks_like(source)
        found = f"`{source.suffix}`" if source.suffix else "no ending"
        found += f": {kind.found}" if kind.found else ""
        expected = f"a model file ending in {known}"
        raise BundleError("model_format_unknown", source.name or str(source), expected, found, kind.hint)
    return reader(source, work, inline_limit)


def source_digest(source: Path) -> str:
    """Return the SHA-256 (hex) over the model file and then each external data file, ordered by path bytes.

    Errors: those of ``ingest``.
    """
    digest = hashlib.sha256()
    # An estimator is one file, whose bytes are its identity: nothing in it is opened for that.
    tensors = () if is_estimator(source) else external_tensors(load_graph(source))
    regions = (locate(tensor, source.parent) for tensor in tensors)
    files = {region.location: region.path for region in regions}
    for path in [source, *(files[name] for name in sorted(files, key=str.encode))]:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _from_onnx(source: Path, work: Path, inline_limit: int) -> Model:
    model = load_graph(source)
    path = work / "ingested.onnx"
    stripped, tensors = _strip_traces(model), external_tensors(model)
    if not stripped and not tensors:
        shutil.copyfile(source, path)
        return onnx_model(path)
    # Every region is checked before the first byte is copied: a refusal leaves nothing half done.
    regions = [locate(tensor, source.parent) for tensor in tensors]
    if sum(region.length for region in regions) + model.ByteSize() < inline_limit:
        for tensor, region in zip(tensors, regions, strict=True):
            make_inline(tensor, region)
    else:
        with (work / DATA_FILE).open("wb") as file:
            for tensor, region in zip(tensors, regions, strict=True):
                if region.length <= _SMALL:
                    make_inline(tensor, region)
                else:
                    append_region(tensor, region, file, DATA_FILE)
    save_graph(model, path)
    return onnx_model(path)


def _strip_traces(model: ModelProto) -> bool:
    """Remove what tells about the machine that exported the model and changes nothing it computes.

    The metadata of the model itself stays: that is where authors put licenses and labels.

    Returns whether there was anything to remove.
    """
    found = False
    parts: list[Any] = [model, *walk_nodes(model), *walk_tensors(model), *model.functions]
    for graph in walk_graphs(model):
        parts += [graph, *graph.input, *graph.output, *graph.value_info]
    for function in model.functions:
        parts += function.value_info
    parts += [attribute for node in walk_nodes(model) for attribute in node.attribute]
    for part in parts:
        found |= part.HasField("doc_string")
        part.ClearField("doc_string")
        if part is not model and "metadata_props" in part.DESCRIPTOR.fields_by_name:
            found |= _strip_paths(part)
    return found


def _strip_paths(part: Any) -> bool:
    """Drop the metadata entries that hold an absolute path, such as the stack traces of PyTorch."""
    kept = [entry for entry in part.metadata_props if not _ABSOLUTE_PATH.search(entry.value)]
    if len(kept) == len(part.metadata_props):
        return False
    entries = [(entry.key, entry.value) for entry in kept]
    part.ClearField("metadata_props")
    for key, value in entries:
        part.metadata_props.add(key=key, value=value)
    return True


_READERS: dict[str, Callable[[Path, Path, int], Model]] = {".onnx": _from_onnx}
