"""The bundles that benchmarks open."""

from pathlib import Path

import numpy as np

import bundle
from tests.vectors.kit import answer, build, given
from tests.vectors.model import node

#: Rows and columns of each of the matrices of `large`; with as many it has 90 MB.
WIDTH = 1536


def large(width: int = WIDTH) -> bundle.Bundle:
    """A model of ten products of matrices."""
    weights = {
        f"w{index}": np.random.default_rng(index).random((width, width), dtype=np.float32)
        for index in range(10)
    }
    names = ["x", *(f"h{index}" for index in range(9)), "y"]
    nodes = [node("MatMul", f"{names[index]} w{index}", names[index + 1]) for index in range(10)]
    shape = ["batch", width]
    x, y = given("x", "float32", shape), answer("y", "float32", shape)
    made = build([x], [y], nodes, lambda inputs: inputs, weights)
    made.tree["batch"] = {"symbol": "batch"}
    return made


def digits(folder: Path) -> Path:
    """The bundle of the example."""
    from bundle.builder import build as build_bundle
    from bundle.builder.config import check_tree, make_project, read_tree

    tree = read_tree(Path(__file__).parents[2] / "bundle.toml")
    tree["build"] |= {"output": str(folder), "targets": ["any"]}
    check_tree(tree)
    return build_bundle(make_project(tree))[0].path
