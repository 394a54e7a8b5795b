"""Small models, and pairs of them with one planted difference."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

from bundle.cli import tensor_file
from bundle.tolerance import Array

Weights = dict[str, Array]


def node(kind: str, name: str, inputs: str, outputs: str, **attributes: Any) -> NodeProto:
    """A node whose inputs and outputs are named in one text each."""
    return onnx.helper.make_node(kind, inputs.split(), outputs.split(), name=name, **attributes)


def model(
    nodes: list[NodeProto], shape: list[int | str], out: list[int | str] | None, weights: Weights
) -> ModelProto:
    """A model from ``x`` to ``y``, float32 both."""
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "planted",
        [onnx.helper.make_tensor_value_info("x", kind, shape)],
        [onnx.helper.make_tensor_value_info("y", kind, out or shape)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def numbers(*shape: int, seed: int = 0) -> Array:
    """Reproducible float32 numbers about 0."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def layers(**changes: Any) -> ModelProto:
    """Two square layers with a normalization between them; ``changes`` plants a difference.

    Args:
        changes: ``epsilon`` of the normalization, ``alpha`` of LeakyRelu, or weights by their names.
    """
    weights = {
        "w1": numbers(8, 8, seed=1),
        "w2": numbers(8, 8, seed=2),
        "scale": np.ones(8, np.float32),
        "shift": np.zeros(8, np.float32),
    }
    weights |= {name: changes[name] for name in weights if name in changes}
    nodes = [
        node("MatMul", "first", "x w1", "a"),
        node("LayerNormalization", "norm", "a scale shift", "b", epsilon=changes.get("epsilon", 1e-5)),
        node("LeakyRelu", "bend", "b", "c", alpha=changes.get("alpha", 0.1)),
        node("MatMul", "second", "c w2", "d"),
        node("Tanh", "last", "d", "y"),
    ]
    return model(nodes, ["batch", 8], None, weights)


def normalized(far: float = 1e4) -> tuple[ModelProto, Array]:
    """A convolution and a normalization of it, which ONNX Runtime folds into one, and inputs for it.

    Far from 0 the two lose different digits: the sum of large terms is taken before or after scaling.
    """
    filters = numbers(4, 1, 3, 3)
    ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    mean = (filters.sum((1, 2, 3)) * far).astype(np.float32)
    weights = {"w": filters, "s": ones, "b": zeros, "m": mean, "v": ones / 100}
    nodes = [
        node("Relu", "first", "x", "r"),
        node("Conv", "conv", "r w", "c"),
        node("BatchNormalization", "norm", "c s b m v", "n"),
        node("Sigmoid", "last", "n", "y"),
    ]
    made = model(nodes, [1, 1, 8, 8], [1, 4, 6, 6], weights)
    return made, numbers(1, 1, 8, 8, seed=3) + np.float32(far)


def quantized(scale: float) -> tuple[ModelProto, ModelProto]:
    """Two layers, and the same with a quantizer of that scale between them."""
    weights = {"w1": numbers(8, 8, seed=1), "w2": numbers(8, 8, seed=2)}
    first = node("MatMul", "first", "x w1", "a")
    tail = [node("Relu", "bend", "c", "d"), node("MatMul", "second", "d w2", "y")]
    plain = model([first, node("Tanh", "squash", "a", "c"), *tail], ["batch", 8], None, weights)
    steps = {"step": np.array(scale, np.float32), "zero": np.array(0, np.int8)}
    nodes = [
        first,
        node("Tanh", "squash", "a", "c"),
        node("QuantizeLinear", "to_int8", "c step zero", "c_quantized"),
        node("DequantizeLinear", "to_float", "c_quantized step zero", "c_back"),
        node("Relu", "bend", "c_back", "d"),
        tail[1],
    ]
    return plain, model(nodes, ["batch", 8], None, weights | steps)


@dataclass(frozen=True)
class Planted:
    """Files in a folder: one or two models, and inputs."""

    a: Path
    b: Path
    inputs: Path

    @classmethod
    def write(cls, folder: Path, a: ModelProto, b: ModelProto | None, inputs: Array) -> "Planted":
        paths = [folder / "one.onnx", folder / ("one.onnx" if b is None else "two.onnx")]
        for path, each in zip(paths, (a, b), strict=True):
            if each is not None:
                onnx.save(each, path)
        file = folder / "inputs.npz"
        tensor_file.write(str(file), {"x": inputs}, False)
        return cls(paths[0], paths[1], file)
