"""Weights in float16 that a model reads as float32: half the bytes, and the same sums on every CPU.

A model that also computes in float16 answers one way where the CPU has such arithmetic, and another way
where ONNX Runtime puts casts around each node: a classifier of files was right on a Cortex-A72 and always
wrong, by the same file, on a Neoverse N1. A Cast behind each weight leaves the arithmetic alone, and is
folded while the model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from bundle.builder.graph import walk_graphs, walk_nodes

#: The first operator set whose Cast names types by number.
CAST_OPSET = 6
# Fewer values are parameters, such as the scales of Resize or the 8 of its roi for an image, and rounded
# ones would give another shape or another place.
_LEAST = 9


def store_halves(model: ModelProto) -> None:
    """Store the float32 weights of every graph as float16, each with a Cast to what it was.

    Left alone is what has fewer than 9 values, is an infinity or a NaN, or lies outside of float16.
    """
    taken = {name for node in walk_nodes(model) for name in (*node.input, *node.output)}
    taken |= {tensor.name for graph in walk_graphs(model) for tensor in graph.initializer}
    for graph in list(walk_graphs(model)):
        given = {value.name for value in graph.input}
        for tensor, node in list(_weights(graph)):
            name = tensor.name if node is None else node.output[0]
            if name not in given and _fits(tensor):
                half = next(new for i in count() if (new := f"{name}/float16{i or ''}") not in taken)
                taken.add(half)
                tensor.CopyFrom(
                    numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), half)
                )
                if node is not None:
                    node.output[0] = half
                graph.node.append(helper.make_node("Cast", [half], [name], half, to=TensorProto.FLOAT))


def _weights(graph: GraphProto) -> Iterator[tuple[TensorProto, NodeProto | None]]:
    """Yield the tensors that a graph stores, each with the Constant node that holds it, if one does."""
    for tensor in graph.initializer:
        yield tensor, None
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                yield attribute.t, node


def _fits(tensor: TensorProto) -> bool:
    if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims, dtype=np.int64) < _LEAST:
        return False
    # The comparison is false for a NaN, too.
    return bool((np.abs(numpy_helper.to_array(tensor)) <= np.finfo(np.float16).max).all())
