"""Check: a model that is valid, that the pinned runtime opens, and whose edge a bundle can describe."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto

from bundle.build.advice import Advice, advise
from bundle.build.domains import refuse_unknown_operators
from bundle.build.edges import refuse_ports, settle_ports, settle_shapes
from bundle.build.external import bring_data
from bundle.build.graph import load_graph, save_graph
from bundle.build.model import Model, StageSkipped
from bundle.build.opset import OLDEST_OPSET, convert_opset, fit_versions, merge_imports, opset_of
from bundle.build.signature import open_session
from bundle.error import BundleError


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
    checked, raised = _make_loadable(Model(path, "onnx"), graph, work)
    return checked, advice + raised + advise(load_graph(checked.path) if raised else graph)


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


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
