"""The nodes between tensors that agree and one that differs, and models that hold only these."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import ModelProto, NodeProto

from bundle.bisect.graph import Graph, reads, typed
from bundle.tolerance import Array


@dataclass(frozen=True)
class Region:
    """A part of a graph.

    Attributes:
        target: the tensor that it makes.
        nodes: indices of its nodes that depend on an input, in order.
        inputs: the tensors that it takes, in the order in which they are met.
        constant: indices of the nodes that make constants for it.
    """

    target: str
    nodes: tuple[int, ...]
    inputs: tuple[str, ...]
    constant: tuple[int, ...] = ()


def region(graph: Graph, target: str, stops: Collection[str]) -> Region:
    """Return the nodes that make a tensor out of others; where it is itself one of them, none."""
    if target in stops or target not in graph.makers:
        return Region(target, (), (target,) if target in graph.dynamic else ())
    pending, inputs = [target], dict[str, None]()
    inside, constant = set[int](), set[int]()
    while pending:
        name = pending.pop()
        at = graph.makers.get(name)
        if name in stops or name in graph.inputs:
            inputs[name] = None
        elif at is not None and at not in inside | constant:
            (inside if name in graph.dynamic else constant).add(at)
            pending += reads(graph.nodes[at])
    return Region(target, tuple(sorted(inside)), tuple(inputs), tuple(sorted(constant)))


def extract(
    graph: Graph,
    part: Region,
    inputs: Mapping[str, tuple[str, Array]],
    output: str,
    given: Mapping[str, Array],
) -> ModelProto:
    """Return a model that holds only a region, with everything at its edge typed.

    Args:
        graph: where it is a part of.
        part: the region.
        inputs: for each tensor that it takes, what the model calls it and its value in this graph.
        output: what the model calls the tensor that it makes.
        given: all inputs of the model by name, which may be more, and of another float type.
    """
    edge = (_renamed_edge(name, called, value, given[called]) for name, (called, value) in inputs.items())
    nodes = [node for node in edge if node is not None]
    chosen = sorted({*part.nodes, *part.constant})
    nodes += [NodeProto.FromString(graph.nodes[at].SerializeToString()) for at in chosen]
    if part.target != output:
        nodes.append(onnx.helper.make_node("Identity", [part.target], [output]))
    used = {name for node in nodes for name in reads(node)}
    model = _frame(graph.model)
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(
        tensor for tensor in graph.model.graph.initializer if tensor.name in used and tensor.name not in given
    )
    model.graph.sparse_initializer.extend(
        each for each in graph.model.graph.sparse_initializer if each.values.name in used
    )
    model.graph.input.extend(typed(name, value) for name, value in given.items())
    model.graph.output.append(onnx.ValueInfoProto(name=output))
    if not any(entry.domain == "" for entry in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", onnx.defs.onnx_opset_version()))
    return model


def _frame(model: ModelProto) -> ModelProto:
    """Return a model of the same kind without a graph's content."""
    frame = ModelProto(ir_version=model.ir_version, producer_name="edgebundle")
    frame.opset_import.extend(model.opset_import)
    frame.functions.extend(model.functions)
    frame.graph.name = "part"
    return frame


def _renamed_edge(name: str, called: str, value: Array, given: Array) -> NodeProto | None:
    """Return the node that makes an inner tensor of what comes in under another name or type."""
    if value.dtype != given.dtype and value.dtype.kind == "f":
        kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
        return onnx.helper.make_node("Cast", [called], [name], to=kind)
    return None if name == called else onnx.helper.make_node("Identity", [called], [name])


def edge_names(parts: Sequence[Region], agreed: Mapping[str, str], made: Collection[str]) -> dict[str, str]:
    """Return for each tensor that a part takes what both models call it: the first graph's name where free.

    Args:
        parts: the regions of the first and of the second graph.
        agreed: the second graph's names -> the first graph's.
        made: every name that a node of either region makes or reads inside.
    """
    origins = dict.fromkeys([*parts[0].inputs, *(agreed[name] for name in parts[1].inputs)])
    return {name: name if name not in made else f"{name}/in" for name in origins}
