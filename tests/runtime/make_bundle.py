"""Small bundles for the tests of the predictor, written to a folder."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx

from tests.vectors.kit import Bundle, answer, build, given
from tests.vectors.model import node


def write(made: Bundle, folder: Path) -> Path:
    """Seal a bundle, write its files below a folder and return it."""
    for path, data in made.seal().on_disk().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder


def one_node(
    operator: str,
    dtype: str = "float32",
    shape: tuple[int | str, ...] = ("batch", 3),
    out: tuple[int | str, ...] | None = None,
    out_dtype: str | None = None,
    **attributes: object,
) -> Bundle:
    """`y = operator(x)`."""
    return build(
        [given("x", dtype, list(shape))],
        [answer("y", out_dtype or dtype, list(shape if out is None else out))],
        [node(operator, "x", "y", **attributes)],
        lambda inputs: inputs,
    )


def slow() -> Bundle:
    """A model that takes some tenths of a second: thirty products of large matrices."""
    names = ["x", *(f"h{index}" for index in range(30)), "y"]
    pairs = pairwise(names)
    nodes: list[onnx.NodeProto] = [node("MatMul", f"{source} w", target) for source, target in pairs]
    weights = {"w": np.eye(1024, dtype=np.float32)}
    shape = ["batch", 1024]
    return build(
        [given("x", "float32", shape)], [answer("y", "float32", shape)], nodes, lambda inputs: inputs, weights
    )


def mlp() -> Bundle:
    """Three layers over 64 numbers, which take about 5 µs."""
    random = np.random.default_rng(7)
    sizes = [64, 256, 256, 10]
    weights = {
        f"w{index}": (random.standard_normal(pair) / 16).astype(np.float32)
        for index, pair in enumerate(pairwise(sizes))
    }
    nodes = [
        node("MatMul", "x w0", "a"),
        node("Relu", "a", "b"),
        node("MatMul", "b w1", "c"),
        node("Relu", "c", "d"),
        node("MatMul", "d w2", "y"),
    ]
    made = build(
        [given("x", "float32", ["batch", 64])],
        [answer("y", "float32", ["batch", 10], "argmax")],
        nodes,
        lambda inputs: inputs,
        weights,
    )
    made.tree["batch"] = {"symbol": "batch"}
    return made


Maker = Callable[[Bundle], Path]
