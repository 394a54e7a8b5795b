"""Walks over an ONNX model that miss nothing: subgraphs, local functions, tensors in attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto

from bundle.error import BundleError


def load_graph(path: Path) -> ModelProto:
    """Parse an ``.onnx`` file without reading its external data.

    Errors: ``model_unreadable`` where the file is missing, truncated, or no ONNX model.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own classes differ between its implementations
        found = "no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise BundleError("model_unreadable", path.name, "an ONNX model", found) from error
    # An empty file, and many a random one, is a valid protobuf message.
    if model.ir_version < 1 or not model.HasField("graph") or not model.graph.output:
        raise BundleError("model_unreadable", path.name, "an ONNX model", "a file without a graph")
    return model


def save_graph(model: ModelProto, path: Path) -> None:
    """Write a model's message so that equal models give equal bytes; external data stays as it is."""
    path.write_bytes(model.SerializeToString(deterministic=True))


def walk_graphs(model: ModelProto) -> Iterator[GraphProto]:
    """Yield the main graph and every subgraph, those inside local functions included."""
    pending: list[GraphProto] = [model.graph]
    for function in model.functions:
        pending.extend(_subgraphs(function.node))
    while pending:
        graph = pending.pop(0)
        yield graph
        pending.extend(_subgraphs(graph.node))


def walk_nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Yield every node of every graph and local function."""
    for graph in walk_graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


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


def scopes(model: ModelProto) -> Iterator[ModelProto | FunctionProto]:
    """Yield everything that has operator set imports of its own."""
    yield model
    yield from model.functions


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
