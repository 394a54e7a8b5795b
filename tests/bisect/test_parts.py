"""The parts that the search is made of: tolerances, orders of axes, pieces of graphs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from bundle.bisect.graph import Graph
from bundle.bisect.layout import reordered
from bundle.bisect.region import region
from bundle.bisect.rules import Rule, comparable, range_of, words
from bundle.spec import table
from bundle.tolerance import Array
from tests.bisect import plants
from tests.bisect.plants import Planted

Tree = dict[str, Any]
Call = Callable[..., Tree]


def ramp(dtype: type = np.float32) -> Array:
    return np.arange(1000, dtype=dtype) / dtype(1000)


def test_exact_sees_every_bit() -> None:
    nans = [np.array([0x7FC00000, 0x7FC00001], np.uint32)[at : at + 1].view(np.float32) for at in (0, 1)]
    assert Rule("exact").differ(nans[0], nans[0]) is None
    assert Rule("exact").differ(nans[1], nans[0]) is not None
    zeros = np.array([0.0], np.float32)
    assert Rule("exact").differ(-zeros, zeros) is not None
    assert Rule("exact").differ(zeros.astype(np.float64), zeros) is not None
    assert Rule("exact").differ(np.array(["a"], object), np.array(["b"], object)) is not None


def test_close_compares_precisions_in_the_reference_s_unit() -> None:
    values = np.array([0.5, 0.25], np.float32)
    assert Rule("close").differ(values.astype(np.float16), values) is None
    assert Rule("close").differ(ramp().astype(np.float16), ramp()) is not None
    assert Rule("close").differ(values, values.reshape(1, 2)) is not None


def test_a_budget_lets_a_few_elements_lie_further_away() -> None:
    budget = table("tolerances")["budgets"]["quantized"]
    far = budget["error_per_mille"]["int8-static"] / 1000 * 2
    few = budget["outliers_per_mille"] * ramp().size // 1000
    for count, same in ((few, True), (few + 1, False)):
        actual = ramp()
        actual[:count] += np.float32(far)
        assert (Rule("int8-static").differ(actual, ramp()) is None) is same
    actual = ramp() + np.float32(far)
    assert Rule("int8-static").differ(actual, ramp(), spread=10.0) is None
    assert Rule("close").differ(actual, ramp()) is not None


def test_words_are_those_of_the_table() -> None:
    budgets = table("tolerances")["budgets"]["quantized"]["error_per_mille"]
    assert set(words()) == {"exact", "close", *budgets}


def test_codes_are_not_compared_with_numbers() -> None:
    floats, codes = np.zeros(2, np.float32), np.zeros(2, np.int8)
    assert comparable(floats, floats.astype(np.float16)) and comparable(codes, codes)
    assert not comparable(codes, floats) and not comparable(codes, codes.astype(np.uint8))


def test_a_range_takes_finite_values_of_all() -> None:
    one, two = np.array([1.0, np.inf]), np.array([np.nan, -2.0])
    assert range_of([one, two]) == 3.0
    assert range_of([np.array([5.0, 5.0])]) == 5.0
    assert range_of([np.array([np.nan])]) == range_of([]) == 0.0


@pytest.mark.parametrize(
    ("change", "order"),
    [
        (lambda array: array.transpose(2, 0, 1), (2, 0, 1)),
        (lambda array: np.ascontiguousarray(array.transpose(0, 2, 1)).reshape(array.shape), (0, 2, 1)),
        (lambda array: array.ravel("F").reshape(array.shape), (2, 1, 0)),
        (lambda array: array, None),
        (lambda array: array + 1, None),
        (lambda array: array[::-1], None),
        (np.zeros_like, None),
        (lambda array: array[:1], None),
    ],
)
def test_an_order_of_axes_is_recognized(
    change: Callable[[Array], Array], order: tuple[int, ...] | None
) -> None:
    assert reordered(change(plants.numbers(2, 3, 4)), plants.numbers(2, 3, 4)) == order


def test_an_order_needs_values_that_tell_it() -> None:
    assert reordered(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)) is None
    assert reordered(np.array([["a"]], object), np.array([["a"]], object)) is None
    row = plants.numbers(1, 6)
    assert reordered(row.T, row) is None


def test_a_region_ends_at_what_agrees() -> None:
    graph = Graph(plants.layers())
    part = region(graph, "c", {"x", "a"})
    assert [graph.nodes[at].name for at in part.nodes] == ["norm", "bend"] and part.inputs == ("a",)
    assert region(graph, "c", {"c"}).nodes == ()
    assert region(graph, "y", ()).inputs == ("x",)


def branching(alpha: float) -> onnx.ModelProto:
    """A branch that reads a tensor of the graph around it."""
    kind = onnx.TensorProto.FLOAT
    inner = [onnx.helper.make_tensor_value_info("z", kind, None)]
    branches = {
        f"{word}_branch": onnx.helper.make_graph(
            [plants.node("LeakyRelu", word, "a", "z", alpha=slope)], word, [], inner
        )
        for word, slope in (("then", alpha), ("else", 0.5))
    }
    nodes = [
        plants.node("MatMul", "first", "x w", "a"),
        plants.node("ReduceMax", "most", "a", "top", keepdims=0),
        plants.node("Greater", "positive", "top zero", "is_positive"),
        plants.node("If", "choice", "is_positive", "b", **branches),
        plants.node("Tanh", "last", "b", "y"),
    ]
    weights = {"w": plants.numbers(8, 8, seed=1), "zero": np.array(0, np.float32)}
    return plants.model(nodes, ["batch", 8], None, weights)


def test_a_branch_comes_with_what_it_reads(bisect: Call, again: Call, tmp_path: Path) -> None:
    inputs = plants.numbers(3, 8, seed=9)
    files = Planted.write(tmp_path, branching(0.1), branching(0.3), inputs)
    tree = bisect(files.a, "--a", files.a, "--b", files.b, "--inputs", files.inputs)
    assert (tree["node"], tree["reproduced"]) == ("choice", True)
    given = [port.name for port in onnx.load(tree["files"]["a"]).graph.input]
    assert sorted(given) == ["a", "is_positive"]
    assert again(tree)["node"] == "choice"


def test_a_part_may_take_its_inputs_in_another_type(bisect: Call, again: Call, tmp_path: Path) -> None:
    def chain(alpha: float, half: bool) -> onnx.ModelProto:
        nodes = [
            plants.node("Cast", "narrow", "x", "a", to=onnx.TensorProto.FLOAT16 if half else 1),
            plants.node("Relu", "first", "a", "b"),
            plants.node("Neg", "turn", "b", "c"),
            plants.node("LeakyRelu", "bend", "c", "d", alpha=alpha),
            plants.node("Cast", "widen", "d", "y", to=onnx.TensorProto.FLOAT),
        ]
        return plants.model(nodes, ["batch", 8], None, {})

    files = Planted.write(tmp_path, chain(0.1, False), chain(0.4, True), plants.numbers(3, 8, seed=9))
    ways = ["--a", files.a, "--b", files.b, "--inputs", files.inputs, "--tolerance", "fp16"]
    tree = bisect(files.a, *ways)
    assert (tree["node"], tree["cause"], tree["reproduced"]) == ("bend", "operator", True), tree
    b = onnx.load(tree["files"]["b"])
    assert [node.op_type for node in b.graph.node] == ["Cast", "LeakyRelu"]
    assert [port.type.tensor_type.elem_type for port in b.graph.input] == [onnx.TensorProto.FLOAT]
    assert again(tree)["differs"]
