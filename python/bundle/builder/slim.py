"""Slim: fold constants, merge and drop nodes, without changing what the model computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

from bundle.builder import optimizers
from bundle.builder.external import external_tensors
from bundle.builder.graph import load_graph, save_graph, walk_nodes, walk_tensors
from bundle.builder.ingest import INLINE_LIMIT
from bundle.builder.model import Model, StageSkipped
from bundle.builder.worker import Worker, leaving_out
from bundle.session import bare_options

# The oldest IR version in which a weight needs no entry among the graph's inputs.
_WEIGHTS_ARE_NO_INPUTS = 4


def candidates(
    model: Model, work: Path, worker: Worker, wanted: str, options: Mapping[str, str]
) -> dict[str, Callable[[], Model]]:
    """Return what makes a slimmer model, by the name of the optimizer, in the order in which to try them.

    Args:
        model: the model to slim.
        work: the folder for the results.
        worker: runs the optimizers.
        wanted: the optimizer that was asked for.
        options: its options as text; the one that stands in for it runs without any.

    Errors: ``extra_missing`` where the wanted one is not installed, ``config_invalid`` for a wrong option.
    """
    optimizers.require(wanted)
    values = optimizers.parse_options(wanted, options)
    return {
        name: partial(slim, model, work, worker, name, values if name == wanted else {})
        for name in optimizers.chain(wanted)
    }


def slim(
    model: Model,
    work: Path,
    worker: Worker,
    optimizer: str = optimizers.ONNXSLIM,
    options: Mapping[str, Any] | None = None,
) -> Model:
    """Write a slimmer ``model`` as ``work/OPTIMIZER.onnx``.

    Args:
        model: the model to slim.
        work: the folder for the result.
        worker: runs the optimizer.
        optimizer: a name of ``optimizers.OPTIMIZERS``.
        options: its options, as ``optimizers.parse_options`` gives them.

    Raises:
        StageSkipped: ``not_applicable`` for a model with external data, ``tool_failed``, ``unchanged``.
    """
    # Weights stay outside only where they exceed one protobuf message; the optimizers need one.
    if model.size >= INLINE_LIMIT or external_tensors(load_graph(model.path)):
        raise StageSkipped("not_applicable", "the weights are too large for one file")
    target = work / f"{optimizer}.onnx"
    with leaving_out(optimizer):
        worker.call(RUNNERS[optimizer], model.path, target, dict(options or {}))
        changed = worker.call(restore, model.path, target)
    if not changed:
        raise StageSkipped("unchanged", f"{optimizer} found nothing to do")
    return Model(target, "onnx")


def run_onnxslim(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Run onnxslim in this process, which is the worker."""
    import onnxslim

    slimmed = onnxslim.slim(onnx.load(source), **options)
    if slimmed is None:
        raise ValueError("no result")
    save_graph(slimmed, target)


def run_onnxsim(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Run onnxsim in this process, which is the worker; its own random checks are left to the gate."""
    import onnxsim

    simplified, _ = onnxsim.simplify(onnx.load(source), **options)
    save_graph(simplified, target)


def run_onnxoptimizer(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Run onnxoptimizer in this process, which is the worker."""
    import onnxoptimizer

    save_graph(onnxoptimizer.optimize(onnx.load(source), **options), target)


def run_ort_basic(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Run ONNX Runtime's optimizations that hold on every machine, in this process, which is the worker."""
    import onnxruntime

    settings = bare_options("basic")
    settings.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(source), settings, providers=["CPUExecutionProvider"], **options)


def run_transformers(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Run ONNX Runtime's optimizer for transformers in this process, which is the worker.

    Unlike the library, it runs the basic optimizations before any kind of model, and by ``run_ort_basic``:
    the library's own way there asks torch what this machine has.
    """
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    fusions = FusionOptions(options.get("model_type", "bert"))
    arguments = {"opt_level": 0}
    # Which fusions to do is said in an object of its own.
    for name, value in options.items():
        if hasattr(fusions, name):
            setattr(fusions, name, value)
        elif name != "opt_level":
            arguments[name] = value
    if options.get("opt_level", 1):
        run_ort_basic(source, target, {})
        source = target
    optimized = optimize_model(str(source), optimization_options=fusions, **arguments)
    save_graph(optimized.model, target)


RUNNERS: Mapping[str, Callable[[Path, Path, Mapping[str, Any]], None]] = {
    optimizers.ONNXSLIM: run_onnxslim,
    optimizers.ONNXSIM: run_onnxsim,
    optimizers.ONNXOPTIMIZER: run_onnxoptimizer,
    optimizers.ORT_BASIC: run_ort_basic,
    optimizers.TRANSFORMERS: run_transformers,
}


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
