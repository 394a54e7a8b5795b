"""Steps: where values of a quantized model lie one scale apart, and where CPUs round to another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import numpy_helper

from bundle.builder.graph import constants, load_graph


def output_steps(path: Path) -> dict[str, float]:
    """Return the scale of each graph output that a DequantizeLinear with one scale feeds directly.

    Other outputs, and those with a scale for each channel or one that is computed, are not in it.

    Errors: ``model_unreadable``.
    """
    model = load_graph(path)
    known = constants(model)
    makers = {name: node for node in model.graph.node for name in node.output}
    steps = {}
    for value in model.graph.output:
        node = makers.get(value.name)
        if node is None or node.op_type != "DequantizeLinear" or node.input[1] not in known:
            continue
        scale = np.asarray(numpy_helper.to_array(known[node.input[1]]), np.float64)
        if scale.size == 1:
            steps[value.name] = float(scale.reshape(()))
    return steps


def int8_sums(path: Path) -> int:
    """Return how many sums ONNX Runtime takes in int8: between two DequantizeLinear and a QuantizeLinear.

    The static quantizer leaves sums alone, but it quantizes what the products around them give and take, and
    that is enough: residual connections without an activation behind the sum end up so.

    Errors: ``model_unreadable``.
    """
    nodes = load_graph(path).graph.node
    makers = {name: node.op_type for node in nodes for name in node.output}
    readers: dict[str, set[str]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, set()).add(node.op_type)
    return sum(
        node.op_type == "Add"
        and all(makers.get(name) == "DequantizeLinear" for name in node.input)
        and readers.get(node.output[0]) == {"QuantizeLinear"}
        for node in nodes
    )
