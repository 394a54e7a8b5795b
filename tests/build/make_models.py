"""Small ONNX models for the tests of the builder, one function each.

Opset 18 and IR 10, which every tool reads, unless a model is about something else. Weights come from
one seeded generator, so that a model has the same bytes wherever it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT, INT64, STRING, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL
OPSET, IR = 18, 10


def model_of(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    initializers: dict[str, np.ndarray] | None = None,
    *,
    opsets: dict[str, int] | None = None,
    ir: int = IR,
) -> ModelProto:
    """Put a model together; ``opsets`` adds to or replaces the default operator set's import."""
    tensors = [numpy_helper.from_array(array, name) for name, array in (initializers or {}).items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, tensors)
    versions = {"": OPSET, **(opsets or {})}
    imports = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    model = helper.make_model(graph, opset_imports=imports)
    model.ir_version = ir
    return model


def value(name: str, shape: Sequence[int | str | None] | None, dtype: int = FLOAT) -> ValueInfoProto:
    """Return one input or output; a None in the shape is an unnamed dimension."""
    return helper.make_tensor_value_info(name, dtype, shape)


def weights(*shape: int, seed: int = 7) -> np.ndarray:
    """Return float32 values of about unit size."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return generator.standard_normal(shape, dtype=np.float32)


def save(model: ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """Write a model and return its path."""
    path = folder / name
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def mlp(batch: int | str | None = "batch") -> ModelProto:
    """x [batch, 8] -> probabilities [batch, 4], two layers."""
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["z"]),
        helper.make_node("Softmax", ["z"], ["probabilities"], axis=-1),
    ]
    initializers = {"w1": weights(8, 16), "b1": weights(16), "w2": weights(16, 4), "b2": weights(4)}
    return model_of(nodes, [value("x", [batch, 8])], [value("probabilities", [batch, 4])], initializers)


def cnn() -> ModelProto:
    """image [batch, 1, H, W] -> scores [batch, 3]; three strided layers need a side of at least 12."""
    nodes: list[NodeProto] = []
    initializers: dict[str, np.ndarray] = {}
    previous, channels = "image", 1
    for layer, width in enumerate((4, 8, 3)):
        initializers[f"w{layer}"] = weights(width, channels, 3, 3, seed=layer)
        nodes.append(helper.make_node("Conv", [previous, f"w{layer}"], [f"c{layer}"], strides=[2, 2]))
        nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]))
        previous, channels = f"r{layer}", width
    nodes.append(helper.make_node("GlobalAveragePool", [previous], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["scores"]))
    return model_of(
        nodes, [value("image", ["batch", 1, "H", "W"])], [value("scores", ["batch", 3])], initializers
    )


def two_inputs() -> ModelProto:
    """a [batch, 3] + b [batch, 3] -> sum [batch, 3]."""
    node = helper.make_node("Add", ["a", "b"], ["sum"])
    inputs = [value("a", ["batch", 3]), value("b", ["batch", 3])]
    return model_of([node], inputs, [value("sum", ["batch", 3])])


def scalar_input() -> ModelProto:
    """x [batch, 3] * factor [] -> y [batch, 3]."""
    node = helper.make_node("Mul", ["x", "factor"], ["y"])
    return model_of([node], [value("x", ["batch", 3]), value("factor", [])], [value("y", ["batch", 3])])


def strings() -> ModelProto:
    """words [batch] of strings -> same [batch] of strings, number [batch] of int64."""
    nodes = [
        helper.make_node("Identity", ["words"], ["same"]),
        helper.make_node(
            "LabelEncoder",
            ["words"],
            ["number"],
            domain="ai.onnx.ml",
            keys_strings=["no", "yes"],
            values_int64s=[0, 1],
            default_int64=-1,
        ),
    ]
    outputs = [value("same", ["batch"], STRING), value("number", ["batch"], INT64)]
    return model_of(nodes, [value("words", ["batch"], STRING)], outputs, opsets={"ai.onnx.ml": 3})


def if_branches() -> ModelProto:
    """x [batch, n], rate [] of int64: x where the rate is 16000; at any other rate rows must be of 5."""
    same = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["kept"])], "same", [], [value("kept", None)]
    )
    other = helper.make_graph(
        [helper.make_node("Add", ["x", "five"], ["moved"])], "other", [], [value("moved", None)]
    )
    nodes = [
        helper.make_node("Equal", ["rate", "known"], ["is_known"]),
        helper.make_node("If", ["is_known"], ["y"], then_branch=same, else_branch=other),
    ]
    initializers = {"known": np.array(16000, np.int64), "five": weights(1, 5)}
    inputs = [value("x", ["batch", "n"]), value("rate", [], INT64)]
    return model_of(nodes, inputs, [value("y", ["batch", "n"])], initializers)


def lstm() -> ModelProto:
    """x [steps, batch, 4] and a state [1, batch, 5] -> out [steps, 1, batch, 5], last [1, batch, 5]."""
    node = helper.make_node(
        "LSTM", ["x", "w", "r", "", "", "state", "cell"], ["out", "last", "last_cell"], hidden_size=5
    )
    initializers = {"w": weights(1, 20, 4), "r": weights(1, 20, 5)}
    state: list[int | str | None] = [1, "batch", 5]
    inputs = [value("x", ["steps", "batch", 4]), value("state", state), value("cell", state)]
    outputs = [value("out", ["steps", 1, "batch", 5]), value("last", state), value("last_cell", state)]
    return model_of([node], inputs, outputs, initializers)


def gather_table(rows: int = 7) -> ModelProto:
    """ids [batch, n] of int32 through a Cast into a table of ``rows`` -> vectors [batch, n, 4]."""
    nodes = [
        helper.make_node("Cast", ["ids"], ["wide"], to=INT64),
        helper.make_node("Gather", ["table", "wide"], ["vectors"]),
    ]
    ids = value("ids", ["batch", "n"], TensorProto.INT32)
    return model_of(nodes, [ids], [value("vectors", ["batch", "n", 4])], {"table": weights(rows, 4)})


def random_normal() -> ModelProto:
    """x [batch, 3] plus noise that differs from call to call."""
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["noise"]),
        helper.make_node("Add", ["x", "noise"], ["y"]),
    ]
    return model_of(nodes, [value("x", ["batch", 3])], [value("y", ["batch", 3])])


def dropout_training() -> ModelProto:
    """x [batch, 64] through a Dropout that was exported in training mode."""
    node = helper.make_node("Dropout", ["x", "ratio", "training"], ["y"])
    initializers = {"ratio": np.array(0.5, np.float32), "training": np.array(True)}
    return model_of([node], [value("x", ["batch", 64])], [value("y", ["batch", 64])], initializers)


def batchnorm_training() -> ModelProto:
    """x [batch, 2, 4] through a BatchNormalization that was exported in training mode."""
    node = helper.make_node(
        "BatchNormalization", ["x", "one", "zero", "zero", "one"], ["y", "mean", "var"], training_mode=1
    )
    initializers = {"one": np.ones(2, np.float32), "zero": np.zeros(2, np.float32)}
    shape: list[int | str | None] = ["batch", 2, 4]
    return model_of([node], [value("x", shape)], [value("y", shape)], initializers)


def external_data(folder: Path, location: str = "weights.bin") -> Path:
    """Write the ``mlp`` with its two matrices in a data file, the second one at an offset."""
    model, data = mlp(), b""
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 2:
            raw = numpy_helper.to_array(tensor).tobytes()
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, text in (("location", location), ("offset", str(len(data))), ("length", str(len(raw)))):
                tensor.external_data.add(key=key, value=text)
            data += raw
    target = folder / location
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return save(model, folder)


def initializer_inputs() -> ModelProto:
    """The ``mlp`` as IR 3 wrote it: every initializer is also a graph input."""
    model = mlp()
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(value(tensor.name, list(tensor.dims), tensor.data_type))
    return model


def data_dependent() -> ModelProto:
    """x [batch] -> where [1, ?]: as many columns as x has values that are not zero."""
    node = helper.make_node("NonZero", ["x"], ["where"])
    return model_of([node], [value("x", ["batch"])], [value("where", [1, None], INT64)])


def unknown_operator() -> ModelProto:
    """An operator that no version of ONNX has, in the default domain."""
    node = helper.make_node("Polish", ["x"], ["y"])
    return model_of([node], [value("x", ["batch", 3])], [value("y", ["batch", 3])])


def identity(dtype: int, shape: Sequence[int | str | None] | None = ("batch", 3)) -> ModelProto:
    """x -> y, the same values of any element type."""
    node = helper.make_node("Identity", ["x"], ["y"])
    return model_of([node], [value("x", shape, dtype)], [value("y", shape, dtype)])


def fp16() -> ModelProto:
    """x [batch, 3] -> y, float16."""
    return identity(TensorProto.FLOAT16)


def double() -> ModelProto:
    """x [batch, 3] -> y [batch, 2], float64 with float64 weights."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    inputs = [value("x", ["batch", 3], TensorProto.DOUBLE)]
    outputs = [value("y", ["batch", 2], TensorProto.DOUBLE)]
    return model_of([node], inputs, outputs, {"w": weights(3, 2).astype(np.float64)})


def boolean() -> ModelProto:
    """x [batch, 3] of bool -> y, negated."""
    node = helper.make_node("Not", ["x"], ["y"])
    return model_of([node], [value("x", ["batch", 3], BOOL)], [value("y", ["batch", 3], BOOL)])


def quantized() -> ModelProto:
    """x [batch, 3] -> quantized and back."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    initializers = {"scale": np.array(0.1, np.float32), "zero": np.array(128, np.uint8)}
    return model_of(nodes, [value("x", ["batch", 3])], [value("y", ["batch", 3])], initializers)


def trees() -> ModelProto:
    """x [batch, 2] -> label [batch] of int64, scores [batch, 2]: one decision on the first column."""
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_values=[0.5, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        nodes_missing_value_tracks_true=[0, 0, 0],
        nodes_hitrates=[1.0, 1.0, 1.0],
        class_treeids=[0, 0],
        class_nodeids=[1, 2],
        class_ids=[0, 1],
        class_weights=[1.0, 1.0],
        classlabels_int64s=[0, 1],
        post_transform="NONE",
    )
    outputs = [value("label", ["batch"], INT64), value("scores", ["batch", 2])]
    return model_of([node], [value("x", ["batch", 2])], outputs, opsets={"ai.onnx.ml": 3})
