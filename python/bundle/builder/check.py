"""Check: a model that is valid, that the pinned runtime opens, and whose edge a bundle can describe."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto

from bundle.builder.advice import Advice, advise
from bundle.builder.domains import refuse_unknown_operators
from bundle.builder.edges import refuse_ports, settle_ports, settle_shapes
from bundle.builder.external import bring_data, onnx_model
from bundle.builder.graph import load_graph, save_graph, walk_nodes
from bundle.builder.model import Model, StageSkipped
from bundle.builder.opset import OLDEST_OPSET, convert_opset, fit_versions, merge_imports, opset_of
from bundle.builder.signature import open_session, read_signature
from bundle.builder.synthetic import batch_symbol, follow_batch, synthesize
from bundle.error import BundleError

#: Operators whose output has as many entries as the values happen to ask for: in one trial that can look
#: like the batch.
_SIZED_BY_DATA = {"Compress", "NonMaxSuppression", "NonZero", "StringSplit", "Unique"}


def check(model: Model, work: Path) -> tuple[Model, list[Advice]]:
    """Check an ingested ``.onnx`` and mend what can be mended without changing an answer.

    The result has one import per operator set, versions that the runtime accepts, inputs that are all
    required, outputs of distinct names, and a size or a name for every dimension.

    Errors: ``model_unreadable``, ``model_invalid``, ``model_rejected``, ``domain_unknown``,
    ``operator_unknown``, ``host_specific_model``, ``opset_unsupported``, ``name_invalid``,
    ``dtype_unsupported``, ``tensor_unsupported``.
    """
    graph = load_graph(model.path)
    merge_imports(graph)
    refuse_unknown_operators(graph)
    graph, advice = fit_versions(graph)
    advice += settle_ports(graph)
    refuse_ports(graph)
    advice += settle_shapes(graph)
    path = work / "checked.onnx"
    bring_data(graph, model.path.parent, work)
    save_graph(graph, path)
    advice += _validate(path)
    checked, raised = _make_loadable(onnx_model(path), graph, work)
    if raised:
        graph = load_graph(checked.path)
    _bind_batch(checked, graph)
    return checked, advice + raised + advise(graph)


def _validate(path: Path) -> list[Advice]:
    """Run ONNX's checker, by path because a message with its weights may be too large."""
    try:
        onnx.checker.check_model(path, full_check=True)
    except onnx.shape_inference.InferenceError as error:
        # ONNX Runtime runs many a model whose recorded shapes contradict each other.
        text = f"shape inference finds a contradiction, so some stages may be skipped: {_line(error)}"
        return [Advice("shapes_inconsistent", ".", text)]
    except Exception as error:  # ValidationError, and protobuf's own
        raise BundleError("model_invalid", path.name, "a valid ONNX model", _line(error)) from error
    return []


def _make_loadable(model: Model, graph: ModelProto, work: Path) -> tuple[Model, list[Advice]]:
    """Return the model, or, where its operator set has lost its kernels, one that the runtime opens."""
    version = opset_of(graph)
    try:
        open_session(model)
    except BundleError as refusal:
        if version >= OLDEST_OPSET:
            raise
        try:
            raised = convert_opset(model, work, OLDEST_OPSET)
        except StageSkipped:
            raise refusal from None
        open_session(raised)
        text = f"the runtime has no kernels for opset {version}: raised to {OLDEST_OPSET}"
        return raised, [Advice("opset_changed", ".", text)]
    return model, []


def _bind_batch(model: Model, graph: ModelProto) -> None:
    """Give output axes that grow with the batch its symbol, where shape inference could not tell.

    Operators of ai.onnx.ml and reshapes hide it; without the name, calls could not be cut in pieces.
    """
    signature = read_signature(model)
    batch = batch_symbol(signature)
    known = {size for port in signature.inputs for size in port.shape}
    loose = {
        (port.name, axis)
        for port in signature.outputs
        for axis, size in enumerate(port.shape)
        if isinstance(size, str) and size not in known
    }
    if batch is None or not loose or any(node.op_type in _SIZED_BY_DATA for node in walk_nodes(graph)):
        return
    try:
        case = synthesize(model, signature, count=1)[0]
    except BundleError:
        return  # a model that needs real inputs keeps the names that it has
    bound = loose & follow_batch(open_session(model), signature, case)
    for port in graph.graph.output:
        for axis, dim in enumerate(port.type.tensor_type.shape.dim):
            if (port.name, axis) in bound:
                dim.dim_param = batch
    save_graph(graph, model.path)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
