"""What another number format did to a tensor: steps, ranges that are cut off, types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto, TensorProto

from bundle.bisect.graph import Graph, is_coarse
from bundle.bisect.rules import range_of
from bundle.bisect.search import Hit
from bundle.tolerance import Array

_QUANTIZE = "QuantizeLinear"
#: The codes of a quantizer without a zero point.
_DEFAULT = np.dtype(np.uint8)
#: Inputs of QuantizeLinear.
_SCALE, _ZERO = 1, 2


def read_by_quantizers(graph: Graph, nodes: Sequence[int]) -> list[str]:
    """Return the tensors that the quantizers among some nodes read."""
    return [graph.nodes[at].input[0] for at in nodes if graph.nodes[at].op_type == _QUANTIZE]


def moved(
    a: Sequence[NodeProto],
    b: Sequence[NodeProto],
    graphs: tuple[Graph, Graph],
    hit: Hit,
    inner: Mapping[str, Array],
) -> str:
    """Return in one sentence how precision differs between two parts; empty where it does not.

    Args:
        a: the nodes of the first part.
        b: the nodes of the second part.
        graphs: where they are from.
        hit: the tensor that differs.
        inner: what the quantizers of the second part read.
    """
    told = _quantizers(b, graphs[1], inner) if _formats(b, graphs[1]) != _formats(a, graphs[0]) else ""
    if told:
        return told
    kinds = [value.dtype.name for value in hit.values]
    if kinds[0] != kinds[1]:
        return f"it is {kinds[0]} in A and {kinds[1]} in B"
    lists = [_inexact(nodes, graph) for nodes, graph in ((a, graphs[0]), (b, graphs[1]))]
    if lists[0] != lists[1]:
        words = [", ".join(sorted(each)) or "no conversion" for each in lists]
        return f"A computes it with {words[0]}, B with {words[1]}"
    return ""


def _formats(nodes: Sequence[NodeProto], graph: Graph) -> list[tuple[object, ...]]:
    """Return scale and zero point of each quantizer."""
    found: list[tuple[object, ...]] = []
    for node in nodes:
        if node.op_type == _QUANTIZE:
            arrays = [graph.array(name) for name in node.input[_SCALE:]]
            found.append(
                tuple(None if array is None else (array.dtype.str, array.tobytes()) for array in arrays)
            )
    return found


def _inexact(nodes: Sequence[NodeProto], graph: Graph) -> set[str]:
    """Return the operators and weights' types that make numbers coarser or finer."""
    found = {node.op_type for node in nodes if node.op_type == "Cast" or is_coarse(node.op_type)}
    for node in nodes:
        for name in node.input:
            maker = graph.makers.get(name)
            # A weight that is dequantized stands before its reader, and depends on no input.
            if maker is not None and name not in graph.dynamic:
                kind = graph.nodes[maker].op_type
                found |= {f"{kind} of weights"} if kind == "DequantizeLinear" else set()
            if name in graph.weights and graph.weights[name].data_type == TensorProto.FLOAT16:
                found.add("float16 weights")
    return found


def _quantizers(nodes: Sequence[NodeProto], graph: Graph, inner: Mapping[str, Array]) -> str:
    """Tell of the quantizer that cuts off the most; if none does, of the coarsest."""
    worst, sentence = -1.0, ""
    for node in nodes:
        if node.op_type != _QUANTIZE or node.input[0] not in inner:
            continue
        scale = graph.array(node.input[_SCALE])
        zero = graph.array(node.input[_ZERO]) if len(node.input) > _ZERO and node.input[_ZERO] else None
        if scale is None or scale.size != 1:
            continue
        weight, told = _judge(node, float(scale.reshape(-1)[0]), zero, inner[node.input[0]])
        if weight > worst:
            worst, sentence = weight, told
    return sentence


def _judge(node: NodeProto, scale: float, zero: Array | None, values: Array) -> tuple[float, str]:
    """Return how bad a quantizer is, more than 1 where it cuts off, and what to say of it."""
    codes = np.iinfo(_DEFAULT if zero is None else zero.dtype)
    point = 0 if zero is None else int(zero.reshape(-1)[0])
    low, high = (codes.min - point) * scale, (codes.max - point) * scale
    finite = values[np.isfinite(values)].astype(np.float64)
    cut = float(((finite < low - scale / 2) | (finite > high + scale / 2)).mean()) if finite.size else 0.0
    spread = range_of([values])
    name = node.name or f"{_QUANTIZE}:{node.output[0]}"
    about = f"`{name}` (scale {scale:.6g}, zero point {point})"
    if cut:
        return 1 + cut, f"{about} cuts off {cut:.1%} of `{node.input[0]}` outside of [{low:.4g}, {high:.4g}]"
    steps = spread / scale if scale else 0.0
    return 1 / (
        1 + steps
    ), f"{about} leaves {steps:.3g} steps for the range {spread:.4g} of `{node.input[0]}`"
