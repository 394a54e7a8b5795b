"""What another number format did to a tensor: steps, ranges that are cut off, types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    quantizer = worst(b, graphs[1], inner)
    if quantizer is not None and _formats(b, graphs[1]) != _formats(a, graphs[0]):
        return quantizer.text
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


@dataclass(frozen=True)
class Quantizer:
    """How a quantizer with one scale suits what it reads.

    Attributes:
        name: the node's.
        cut: the share of the elements outside of its range, 0 to 1.
        steps: how many of its steps the values spread over.
        text: all this in one sentence without a final period.
    """

    name: str
    cut: float
    steps: float
    text: str

    @property
    def badness(self) -> float:
        """A number that is larger for a worse one: what cuts off is worse than what is coarse."""
        return 1 + self.cut if self.cut else 1 / (1 + self.steps)


def worst(nodes: Sequence[NodeProto], graph: Graph, inner: Mapping[str, Array]) -> Quantizer | None:
    """Return the quantizer that cuts off the most; if none does, the coarsest.

    Args:
        nodes: some nodes, quantizers among them.
        graph: where they are from.
        inner: what the quantizers read; those whose tensor is not there are left out.
    """
    known = [
        _judge(node, graph, inner[node.input[0]])
        for node in nodes
        if node.op_type == _QUANTIZE and node.input[0] in inner
    ]
    return max((each for each in known if each is not None), key=lambda each: each.badness, default=None)


def _judge(node: NodeProto, graph: Graph, values: Array) -> Quantizer | None:
    steps = graph.array(node.input[_SCALE])
    if steps is None or steps.size != 1:
        return None
    scale = float(steps.reshape(-1)[0])
    zero = graph.array(node.input[_ZERO]) if len(node.input) > _ZERO else None
    codes = np.iinfo(_DEFAULT if zero is None else zero.dtype)
    point = 0 if zero is None else int(zero.reshape(-1)[0])
    low, high = (codes.min - point) * scale, (codes.max - point) * scale
    finite = values[np.isfinite(values)].astype(np.float64)
    cut = float(((finite < low - scale / 2) | (finite > high + scale / 2)).mean()) if finite.size else 0.0
    spread = range_of([values])
    count = spread / scale if scale else 0.0
    name, reads = node.name or f"{_QUANTIZE}:{node.output[0]}", node.input[0]
    about = f"`{name}` (scale {scale:.6g}, zero point {point})"
    if cut:
        text = f"{about} cuts off {cut:.1%} of `{reads}` outside of [{low:.4g}, {high:.4g}]"
    else:
        text = f"{about} leaves {count:.3g} steps for the range {spread:.4g} of `{reads}`"
    return Quantizer(name, cut, count, text)
