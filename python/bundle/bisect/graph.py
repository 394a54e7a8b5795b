"""A model's main graph with what makes and reads each tensor; copies with other outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from bundle.builder.surgery import inputs_of, subgraphs
from bundle.tolerance import Array

#: Operators whose output stands for their first input, up to rounding.
_STANDS_FOR = frozenset({"Cast", "DequantizeLinear", "Identity", "QuantizeLinear"})


def is_coarse(operator: str) -> bool:
    """Tell whether an operator goes to or from numbers of fewer steps, or computes in them."""
    ends = ("QuantizeLinear", "DequantizeLinear", "Integer", "IntegerToFloat")
    return operator.endswith(ends) or operator.startswith(("QLinear", "QGemm", "DynamicQuantize"))


class Graph:
    """The nodes of a model's main graph, in topological order as a valid model has them."""

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.makers = {name: at for at, node in enumerate(self.nodes) for name in node.output if name}
        self.inputs = tuple(inputs_of(model))

    @cached_property
    def weights(self) -> dict[str, TensorProto]:
        """The tensors that never change, by name."""
        found = {tensor.name: tensor for tensor in self.model.graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant":
                found.update((node.output[0], each.t) for each in node.attribute if each.name == "value")
        return found

    @cached_property
    def dynamic(self) -> set[str]:
        """The tensors that depend on an input, the inputs among them."""
        found = set(self.inputs)
        for node in self.nodes:
            if any(name in found for name in reads(node)):
                found |= {name for name in node.output if name}
        return found

    @cached_property
    def stands_for(self) -> dict[str, str]:
        """For each rounded or converted tensor, the one that it was before."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if node.op_type in _STANDS_FOR and node.input[0] in self.dynamic:
                found[node.output[0]] = found.get(node.input[0], node.input[0])
        return found

    @cached_property
    def only_quantized(self) -> set[str]:
        """The tensors that nothing but quantizers read."""
        readers: dict[str, set[str]] = {}
        for node in self.nodes:
            for name in reads(node):
                readers.setdefault(name, set()).add(node.op_type)
        return {name for name, kinds in readers.items() if kinds == {"QuantizeLinear"}}

    def array(self, name: str) -> Array | None:
        """Return a constant's values; None where the name is none."""
        return numpy_helper.to_array(self.weights[name]) if name in self.weights else None

    def ancestors(self, names: Iterable[str]) -> list[int]:
        """Return the indices of the nodes that some tensors depend on, in order."""
        pending, found = list(names), set()
        while pending:
            at = self.makers.get(pending.pop())
            if at is not None and at not in found:
                found.add(at)
                pending += reads(self.nodes[at])
        return sorted(found)

    def label(self, at: int) -> str:
        """Return what a node is called: its name, or where it has none its operator and first output."""
        node = self.nodes[at]
        return node.name or f"{node.op_type}:{next(filter(None, node.output))}"


def reads(node: NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, those inside its subgraphs too."""
    yield from filter(None, node.input)
    for inner in subgraphs(node):
        yield from (port.name for port in inner.output)
        for each in inner.node:
            yield from reads(each)


def with_outputs(model: ModelProto, names: Iterable[str]) -> ModelProto:
    """Return a copy whose outputs are these tensors, untyped: ONNX Runtime finds their types itself."""
    copy = _copied(model)
    known = {port.name: port for port in model.graph.output}
    del copy.graph.output[:]
    copy.graph.output.extend(known.get(name) or ValueInfoProto(name=name) for name in names)
    return copy


def typed(name: str, array: Array) -> ValueInfoProto:
    """Return an input or output that has the dtype and shape of an array."""
    kind = (
        TensorProto.STRING if array.dtype.kind in "OU" else onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    )
    return onnx.helper.make_tensor_value_info(name, kind, list(array.shape))


def with_types(model: ModelProto, tensors: Mapping[str, Array]) -> ModelProto:
    """Return a copy whose outputs are these tensors, of these types and ranks; sizes are left open."""
    copy = _copied(model)
    del copy.graph.output[:]
    for name, array in tensors.items():
        port = typed(name, np.asarray(array))
        for axis, dim in enumerate(port.type.tensor_type.shape.dim):
            dim.dim_param = f"{name}/{axis}"
        copy.graph.output.append(port)
    return copy


def _copied(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy
