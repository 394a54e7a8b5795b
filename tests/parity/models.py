"""The models whose answers are compared: those of the builder's tests, and what they lack."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, TensorProto, helper

from tests.build import make_models as make
from tests.build.make_models import BOOL, FLOAT, INT64, model_of, value, weights


def reductions() -> ModelProto:
    """x [batch, 3, 7] -> sums, means and normalized: kernels whose last bits depend on the address of x."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "last"], ["sum"], keepdims=0),
        helper.make_node("ReduceMean", ["x", "last"], ["mean"], keepdims=0),
        helper.make_node("InstanceNormalization", ["x", "one", "zero"], ["normal"]),
    ]
    initializers = {
        "last": np.array([2], np.int64),
        "one": np.ones(3, np.float32),
        "zero": np.zeros(3, np.float32),
    }
    outputs = [
        value("sum", ["batch", 3]),
        value("mean", ["batch", 3]),
        value("normal", ["batch", 3, 7]),
    ]
    return model_of(nodes, [value("x", ["batch", 3, 7])], outputs, initializers)


def normalized_convolution() -> ModelProto:
    """image [batch, 3, 9, 9] -> scores [batch, 4]: optimizing fuses and reorders, so levels differ."""
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["c0"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c0", "scale", "shift", "mean", "var"], ["n0"]),
        helper.make_node("Sigmoid", ["n0"], ["s0"]),
        helper.make_node("Mul", ["n0", "s0"], ["m0"]),
        helper.make_node("Conv", ["m0", "w1"], ["c1"]),
        helper.make_node("GlobalAveragePool", ["c1"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["scores"]),
    ]
    initializers = {
        "w0": weights(16, 3, 3, 3, seed=1),
        "w1": weights(4, 16, 3, 3, seed=2),
        "scale": weights(16, seed=3),
        "shift": weights(16, seed=4),
        "mean": weights(16, seed=5),
        "var": np.abs(weights(16, seed=6)) + np.float32(0.1),
    }
    return model_of(
        nodes, [value("image", ["batch", 3, 9, 9])], [value("scores", ["batch", 4])], initializers
    )


def int8() -> ModelProto:
    """x [batch, 16] -> y [batch, 6]: a layer in eight bits, as quantizing tools write it."""
    generator = np.random.Generator(np.random.PCG64(11))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]),
        helper.make_node("MatMul", ["xd", "wd"], ["z"]),
        helper.make_node("QuantizeLinear", ["z", "zs", "zz"], ["zq"]),
        helper.make_node("DequantizeLinear", ["zq", "zs", "zz"], ["y"]),
    ]
    initializers = {
        "xs": np.array(0.03, np.float32),
        "xz": np.array(121, np.uint8),
        "w": generator.integers(-64, 64, (16, 6)).astype(np.int8),
        "ws": np.array(0.02, np.float32),
        "wz": np.array(0, np.int8),
        "zs": np.array(0.11, np.float32),
        "zz": np.array(130, np.uint8),
    }
    return model_of(nodes, [value("x", ["batch", 16])], [value("y", ["batch", 6])], initializers)


def loop() -> ModelProto:
    """x [batch, 5] and times [] -> y: times the same step, in a Loop."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["before", "w"], ["product"]),
            helper.make_node("Tanh", ["product"], ["after"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [value("index", [], INT64), value("go", [], BOOL), value("before", ["batch", 5])],
        [value("go_on", [], BOOL), value("after", ["batch", 5])],
    )
    nodes = [
        helper.make_node("Abs", ["times"], ["count"]),
        helper.make_node("Loop", ["count", "", "x"], ["y"], body=body),
    ]
    inputs = [value("x", ["batch", 5]), value("times", [], INT64)]
    return model_of(nodes, inputs, [value("y", ["batch", 5])], {"w": weights(5, 5)})


def half() -> ModelProto:
    """x [batch, 7] -> y [batch, 3], in float16."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    inputs = [value("x", ["batch", 7], TensorProto.FLOAT16)]
    outputs = [value("y", ["batch", 3], TensorProto.FLOAT16)]
    return model_of([node], inputs, outputs, {"w": weights(7, 3).astype(np.float16)})


def integers() -> ModelProto:
    """a int64, b int32, c uint8, all [batch, 5] -> total int64, larger bool."""
    nodes = [
        helper.make_node("Cast", ["b"], ["b64"], to=INT64),
        helper.make_node("Cast", ["c"], ["c64"], to=INT64),
        helper.make_node("Mul", ["a", "b64"], ["product"]),
        helper.make_node("Add", ["product", "c64"], ["total"]),
        helper.make_node("Greater", ["a", "c64"], ["larger"]),
    ]
    inputs = [
        value("a", ["batch", 5], INT64),
        value("b", ["batch", 5], TensorProto.INT32),
        value("c", ["batch", 5], TensorProto.UINT8),
    ]
    return model_of(nodes, inputs, [value("total", ["batch", 5], INT64), value("larger", ["batch", 5], BOOL)])


def many_outputs() -> ModelProto:
    """x [batch, 3, 4] -> itself turned, its rows' sums, and a constant beside them: three shapes."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("ReduceSum", ["x", "last"], ["sums"], keepdims=0),
        helper.make_node("Softmax", ["sums"], ["share"], axis=-1),
    ]
    outputs = [
        value("turned", ["batch", 4, 3]),
        value("sums", ["batch", 3]),
        value("share", ["batch", 3], FLOAT),
    ]
    initializers = {"last": np.array([2], np.int64)}
    return model_of(nodes, [value("x", ["batch", 3, 4])], outputs, initializers)


MODELS: dict[str, Callable[[], ModelProto]] = {
    "boolean": make.boolean,
    "cnn": make.cnn,
    "double": make.double,
    "gather_table": make.gather_table,
    "half": half,
    "if_branches": make.if_branches,
    "int8": int8,
    "integers": integers,
    "loop": loop,
    "lstm": make.lstm,
    "many_outputs": many_outputs,
    "mlp": make.mlp,
    "normalized_convolution": normalized_convolution,
    "quantized": make.quantized,
    "reductions": reductions,
    "scalar_input": make.scalar_input,
    "strings": make.strings,
    "trees": make.trees,
    "two_inputs": make.two_inputs,
}
"""By name; each has a `batch` in its inputs."""
