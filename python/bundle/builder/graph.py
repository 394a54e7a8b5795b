"""Walks over an ONNX model that miss nothing: subgraphs, local functions, tensors in attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto

from bundle.builder.kinds import looks_like
from bundle.error import BundleError


def load_graph(path: Path) -> ModelProto:
    """Parse an ``.onnx`` file without reading its external data.

    Errors: ``model_unreadable`` where the file is missing, truncated, or no ONNX model.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own classes differ between its implementations
        raise _unreadable(path, "damaged, or another kind of file") from error
    # An empty file, and many a random one, is a valid protobuf message.
    if model.ir_version < 1 or not model.HasField("graph") or not model.graph.output:
        raise _unreadable(path, "a file without a graph")
    return model


def _unreadable(path: Path, otherwise: str) -> BundleError:
    """Return ``model_unreadable`` with what the file looks like, or where that is unknown with a phrase."""
    kind = looks_like(path)
    subject = path.name or str(path)
    return BundleError("model_unreadable", subject, "an ONNX model", kind.found or otherwise, kind.hint)


def save_graph(model: ModelProto, path: Path) -> None:
    """Write a model's message so that equal models give equal bytes; external data stays as it is."""
    path.write_bytes(model.SerializeToString(deterministic=True))


def scopes(model: ModelProto) -> list[ModelProto | FunctionProto]:
    """Return everything that has operator set imports of its own: the model and its local functions."""
    return [model, *model.functions]


def scope_nodes(scope: ModelProto | FunctionProto) -> Iterator[NodeProto]:
    """Yield the nodes of one scope, those in its subgraphs included, outer ones first."""
    pending = list(scope.graph.node if isinstance(scope, ModelProto) else scope.node)
    while pending:
        yield from pending
        pending = [node for graph in _subgraphs(pending) for node in graph.node]


def walk_nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Yield every node of every graph and local function."""
    for scope in scopes(model):
        yield from scope_nodes(scope)


def walk_graphs(model: ModelProto) -> Iterator[GraphProto]:
    """Yield the main graph and every subgraph, those inside local functions included."""
    yield model.graph
    yield from _subgraphs(walk_nodes(model))


def constants(model: ModelProto) -> dict[str, TensorProto]:
    """Return the tensors that never change, by name: initializers and the values of Constant nodes."""
    found = {tensor.name: tensor for graph in walk_graphs(model) for tensor in graph.initializer}
    for node in walk_nodes(model):
        if node.op_type == "Constant":
            found.update((node.output[0], each.t) for each in node.attribute if each.name == "value")
    return found


def walk_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every stored tensor: initializers, parts of sparse ones, and attributes of nodes."""
    for graph in walk_graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
    for node in walk_nodes(model):
        for attribute in node.attribute:
            yield from _attribute_tensors(attribute)
    for function in model.functions:
        for attribute in function.attribute_proto:
            yield from _attribute_tensors(attribute)


def function_keys(model: ModelProto) -> set[tuple[str, str]]:
    """Return (domain, name) of every function that the model carries itself."""
    return {(function.domain, function.name) for function in model.functions}


def _subgraphs(nodes: Iterable[NodeProto]) -> Iterator[GraphProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield attribute.g
            yield from attribute.graphs


def _attribute_tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
    for tensor in [*sparse, *attribute.sparse_tensors]:
        yield tensor.values
        yield tensor.indices
