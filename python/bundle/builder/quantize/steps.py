"""Steps: where an output of a quantized model can take only values that lie one scale apart."""

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
