"""Slim: fold constants, merge and drop nodes, without changing what the model computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

from bundle.builder import session
from bundle.builder.external import external_tensors
from bundle.builder.graph import load_graph, save_graph, walk_nodes, walk_tensors
from bundle.builder.ingest import INLINE_LIMIT
from bundle.builder.model import Model, StageSkipped
from bundle.builder.worker import Worker, WorkerError

ONNXSLIM, ORT_BASIC = "onnxslim", "ort-basic"
#: The optimizers in the order in which to try them: the second fails less often and finds less.
CANDIDATES = (ONNXSLIM, ORT_BASIC)

# The oldest IR version in which a weight needs no entry among the graph's inputs.
_WEIGHTS_ARE_NO_INPUTS = 4


def slim(model: Model, work: Path, worker: Worker, optimizer: str = ONNXSLIM) -> Model:
    """Write a slimmer ``model`` as ``work/OPTIMIZER.onnx``; ``optimizer`` is one of ``CANDIDATES``.

    Raises:
        StageSkipped: ``not_applicable`` for a model with external data, ``tool_failed``, ``unchanged``.
    """
    # Weights stay outside only where they exceed one protobuf message; the optimizers need one.
    if model.size >= INLINE_LIMIT or external_tensors(load_graph(model.path)):
        raise StageSkipped("not_applicable", "the weights are too large for one file")
    run = {ONNXSLIM: run_onnxslim, ORT_BASIC: run_ort_basic}[optimizer]
    target = work / f"{optimizer}.onnx"
    try:
        worker.call(run, model.path, target)
        changed = worker.call(restore, model.path, target)
    except WorkerError as error:
        raise StageSkipped("tool_failed", f"{optimizer}: {error.detail}") from error
    if not changed:
        raise StageSkipped("unchanged", f"{optimizer} found nothing to do")
    return Model(target, "onnx")


def run_onnxslim(source: Path, target: Path) -> None:
    """Run onnxslim in this process, which is the worker."""
    import onnxslim

    slimmed = onnxslim.slim(onnx.load(source))
    if slimmed is None:
        raise ValueError("no result")
    save_graph(slimmed, target)


def run_ort_basic(source: Path, target: Path) -> None:
    """Run ONNX Runtime's optimizations that hold on every machine, in this process, which is the worker."""
    import onnxruntime

    options = session.session_options("BASIC")
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def restore(source: Path, target: Path) -> bool:
    """Give the optimized model at ``target`` what an optimizer may lose and must not.

    Those are the interface (unused inputs, names of dimensions, ranks of outputs), the metadata, the
    name of the producer, and a list of operator sets without those that no node uses. Shapes that it
    found for values inside the graph go: every reader infers them, and they can cost more bytes than
    the optimizer saved.

    Returns whether nodes, weights or weights among the inputs changed at all.
    """
    original, slimmed = load_graph(source), load_graph(target)
    weights = {tensor.name for tensor in original.graph.initializer}
    weights |= {tensor.values.name for tensor in original.graph.sparse_initializer}
    inputs = [value for value in original.graph.input if value.name not in weights]
    made = [value.name for value in slimmed.graph.output]
    # Only a list with the same names may be replaced: a lost output must stay lost for the gate to see.
    if made == [value.name for value in original.graph.output]:
        _replace(slimmed.graph.output, list(original.graph.output))
    _replace(slimmed.graph.input, inputs)
    _replace(slimmed.metadata_props, list(original.metadata_props))
    slimmed.ir_version = max(slimmed.ir_version, _WEIGHTS_ARE_NO_INPUTS)
    slimmed.producer_name, slimmed.producer_version = original.producer_name, original.producer_version
    slimmed.graph.name = original.graph.name
    del slimmed.graph.value_info[:]
    _restore_opsets(original, slimmed)
    save_graph(slimmed, target)
    return _content(original) != _content(slimmed)


def _content(model: ModelProto) -> tuple[Counter[tuple[str, str]], int, int]:
    """Return what slimming is about: how many nodes of which operator, bytes of weights, graph inputs."""
    nodes = Counter((node.domain, node.op_type) for node in walk_nodes(model))
    return nodes, sum(tensor.ByteSize() for tensor in walk_tensors(model)), len(model.graph.input)


def _restore_opsets(original: ModelProto, slimmed: ModelProto) -> None:
    """Keep the operator sets that the original lists or a node uses: ONNX Runtime adds all that it knows."""
    listed = {entry.domain for entry in original.opset_import}
    used = {node.domain for node in walk_nodes(slimmed)}
    kept = [entry for entry in slimmed.opset_import if entry.domain in listed | used]
    _replace(slimmed.opset_import, kept)


def _replace(field: Any, values: Iterable[Any]) -> None:
    """Make a repeated field of a protobuf message hold exactly ``values``."""
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(copies)
