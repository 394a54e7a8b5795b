"""Small ONNX models that quantizers fell over, or must leave alone; one function each."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.build.make_models import BOOL, FLOAT, mlp, model_of, value, weights

FLOAT16 = TensorProto.FLOAT16


def wide_mlp() -> ModelProto:
    """The ``mlp`` with layers large enough to become smaller: x [batch, 8] -> probabilities [batch, 4]."""
    model = mlp()
    for tensor in model.graph.initializer:
        shape = [256 if size == 16 else size for size in tensor.dims]
        scaled = weights(*shape, seed=len(tensor.name)) / np.float32(4)
        tensor.CopyFrom(numpy_helper.from_array(scaled, tensor.name))
    return model


def weights_behind_nodes() -> ModelProto:
    """x [batch, 8] -> y [batch, 4] by two matrices, one behind two Identity nodes, one in a Constant."""
    nodes = [
        helper.make_node("Identity", ["w"], ["w_once"]),
        helper.make_node("Identity", ["w_once"], ["w_twice"]),
        helper.make_node("Constant", [], ["v"], value=numpy_helper.from_array(weights(16, 4))),
        helper.make_node("MatMul", ["x", "w_twice"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["y"]),
    ]
    return model_of(nodes, [value("x", ["batch", 8])], [value("y", ["batch", 4])], {"w": weights(8, 16)})


def half_weights() -> ModelProto:
    """x [batch, 8] -> y [batch, 4] in float16."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    inputs, outputs = [value("x", ["batch", 8], FLOAT16)], [value("y", ["batch", 4], FLOAT16)]
    return model_of([node], inputs, outputs, {"w": weights(8, 4).astype(np.float16)})


def int8_behind_cast() -> ModelProto:
    """x [batch, 8] -> y [batch, 4] by weights that are int8, with a Cast and a Mul behind them."""
    nodes = [
        helper.make_node("Cast", ["w"], ["w_float"], to=FLOAT),
        helper.make_node("Mul", ["w_float", "scale"], ["w_scaled"]),
        helper.make_node("MatMul", ["x", "w_scaled"], ["y"]),
    ]
    stored = {"w": np.arange(-16, 16, dtype=np.int8).reshape(8, 4), "scale": np.array(0.1, np.float32)}
    return model_of(nodes, [value("x", ["batch", 8])], [value("y", ["batch", 4])], stored)


def old_softmax() -> ModelProto:
    """x [batch, 8] -> y [batch, 4], opset 11: no DequantizeLinear there has an axis."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Softmax", ["h"], ["y"], axis=1),
    ]
    inputs, outputs = [value("x", ["batch", 8])], [value("y", ["batch", 4])]
    return model_of(nodes, inputs, outputs, {"w": weights(8, 4)}, opsets={"": 11}, ir=6)


def bias_of_two_axes() -> ModelProto:
    """x [batch, 8] -> y [batch, 4] by Gemm with a bias [1, 4], as skl2onnx writes it."""
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"])
    stored = {"w": weights(8, 4), "b": weights(1, 4, seed=2)}
    return model_of([node], [value("x", ["batch", 8])], [value("y", ["batch", 4])], stored)


def shared_bias() -> ModelProto:
    """image [batch, 2, 6, 6] -> y: two convolutions share the bias `c`, and another tensor is called `c0`."""
    nodes = [
        helper.make_node("Conv", ["image", "w", "c"], ["first"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["first", "w", "c"], ["c0"], pads=[1, 1, 1, 1]),
        helper.make_node("Neg", ["c0"], ["minus"]),
        helper.make_node("Transpose", ["minus"], ["y"], perm=[0, 2, 3, 1]),
    ]
    stored = {"w": weights(2, 2, 3, 3) / np.float32(4), "c": weights(2)}
    shapes = [value("image", ["batch", 2, 6, 6])], [value("y", ["batch", 6, 6, 2])]
    return model_of(nodes, *shapes, stored)


def branches(outer: bool) -> ModelProto:
    """x [batch, 8], rate [] of bool -> y [batch, 4]: each branch multiplies by a matrix.

    Where ``outer``, the matrix is a weight of the main graph, which multiplies by another one first.
    """
    matrix, square = weights(8, 4), weights(8, 8) / np.float32(4)
    inner = [] if outer else [numpy_helper.from_array(matrix, "w")]
    graphs = []
    for name, change in (("then", "Relu"), ("else", "Neg")):
        nodes = [
            helper.make_node("MatMul", ["h" if outer else "x", "w"], [f"{name}_product"]),
            helper.make_node(change, [f"{name}_product"], [f"{name}_y"]),
        ]
        graphs.append(helper.make_graph(nodes, name, [], [value(f"{name}_y", ["batch", 4])], inner))
    nodes = [helper.make_node("If", ["rate"], ["y"], then_branch=graphs[0], else_branch=graphs[1])]
    if outer:
        nodes.insert(0, helper.make_node("MatMul", ["x", "square"], ["h"]))
    inputs = [value("x", ["batch", 8]), value("rate", [], BOOL)]
    stored = {"w": matrix, "square": square} if outer else {}
    return model_of(nodes, inputs, [value("y", ["batch", 4])], stored)


def contradicting_export() -> ModelProto:
    """The ``wide_mlp`` with wrong shapes for values inside, and with a stack trace at each node."""
    model = wide_mlp()
    model.graph.value_info.append(value("h", ["batch", 99]))
    model.graph.value_info.append(value("z", [7, 7, 7]))
    for node in model.graph.node:
        node.doc_string = 'File "/models/train.py", line 3'
    return model


def unknown_shape() -> ModelProto:
    """x [batch, 8] -> y [?, ?] by an operator whose shape ONNX Runtime's own inference does not know."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("CDist", ["h", "h"], ["d"], domain="com.microsoft", metric="euclidean"),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    shapes = [value("x", ["batch", 8])], [value("y", [None, None])]
    return model_of(nodes, *shapes, {"w": weights(8, 4)}, opsets={"com.microsoft": 1})


def tiny_matmul() -> ModelProto:
    """x [batch, 2] -> y [batch, 2]: what int8 adds to the file is more than it saves."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return model_of([node], [value("x", ["batch", 2])], [value("y", ["batch", 2])], {"w": weights(2, 2)})


def small_cnn() -> ModelProto:
    """image [batch, 1, 8, 8] -> scores [batch, 3]: a convolution and nothing else with weights."""
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["scores"]),
    ]
    stored = {"w": weights(3, 1, 3, 3), "b": weights(3)}
    return model_of(nodes, [value("image", ["batch", 1, 8, 8])], [value("scores", ["batch", 3])], stored)
