"""Each planted difference is found at its node, with its cause, and its smallest model shows it alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.bisect import plants
from tests.bisect.plants import Planted

Tree = dict[str, Any]
Call = Callable[..., Tree]
Program = Callable[[str], Path]


@pytest.fixture
def pair(bisect: Call, tmp_path: Path) -> Call:
    """Bisect two models on some rows of numbers."""

    def call(a: onnx.ModelProto, b: onnx.ModelProto, *flags: str, inputs: Any = None) -> Tree:
        files = Planted.write(tmp_path, a, b, plants.numbers(3, 8, seed=9) if inputs is None else inputs)
        return bisect(files.a, "--a", files.a, "--b", files.b, "--inputs", files.inputs, *flags)

    return call


@pytest.fixture
def against(bisect: Call, program: Program, tmp_path: Path) -> Call:
    """Bisect Python's program and one with a fault, on one model."""

    def call(fault: str, *flags: str) -> Tree:
        files = Planted.write(tmp_path, plants.layers(), None, plants.numbers(3, 8, seed=9))
        driver = f"cpp={program(fault)}"
        return bisect(
            files.a, "--a", "python", "--b", "cpp", "--driver", driver, "--inputs", files.inputs, *flags
        )

    return call


def found(tree: Tree, cause: str, node: str) -> None:
    """Check the finding itself."""
    assert tree["differs"] and tree["cause"] == cause and tree["node"] == node, tree
    assert tree["detail"] and tree["reproduced"], tree


def operators(tree: Tree, role: str = "model") -> list[str]:
    return [node.op_type for node in onnx.load(tree["files"][role]).graph.node]


def test_operator_another_attribute(pair: Call, again: Call) -> None:
    tree = pair(plants.layers(), plants.layers(epsilon=0.5))
    found(tree, "operator", "norm")
    assert tree["detail"] == "its attribute `epsilon` is 1e-05 in A and 0.5 in B"
    assert operators(tree, "a") == operators(tree, "b") == ["LayerNormalization"]
    found(again(tree), "operator", "norm")


def test_operator_another_weight(pair: Call, again: Call) -> None:
    tree = pair(plants.layers(), plants.layers(w2=plants.numbers(8, 8, seed=5)))
    found(tree, "operator", "second")
    assert "its weight `w2` differs" in tree["detail"]
    found(again(tree), "operator", "second")


def test_operator_another_kernel_behind_a_program(against: Call, again: Call) -> None:
    tree = against("kernel")
    found(tree, "operator", "bend")
    assert tree["detail"] == "the same node answers the same inputs differently"
    assert operators(tree) == ["LeakyRelu"] and tree["tolerance"] == "exact"
    found(again(tree), "operator", "bend")


def test_operator_behind_a_runner_is_judged_by_its_tolerance(
    bisect: Call, program: Program, tmp_path: Path
) -> None:
    files = Planted.write(tmp_path, plants.layers(), None, plants.numbers(3, 8, seed=9))
    ways = ["--a", "python", "--b", "cpp", "--runner", "env", "--inputs", files.inputs]
    tree = bisect(files.a, *ways, "--driver", f"cpp={program('kernel')}")
    found(tree, "operator", "bend")
    assert tree["tolerance"] == "close" and "--runner env" in tree["reproduce"]
    right = ["--driver", f"cpp={program('none')}", "--output", tmp_path / "nothing"]
    assert not bisect(files.a, *ways, *right)["differs"]


def test_operator_differences_that_add_up(pair: Call, again: Call) -> None:
    # Each of many nodes is off by less than the tolerance; no single one shows it.
    def chain(step: float) -> onnx.ModelProto:
        names = ["x", *(f"t{number}" for number in range(7)), "y"]
        nodes = [
            plants.node("Add", f"add{number}", f"{names[number]} step", names[number + 1])
            for number in range(8)
        ]
        return plants.model(nodes, ["batch", 8], None, {"step": np.full(8, step, np.float32)})

    tree = pair(chain(0.0), chain(4e-6), inputs=np.zeros((1, 8), np.float32))
    assert tree["differs"] and tree["reproduced"]
    assert tree["node"] == "add2" and tree["nodes_b"] == ["add0", "add1", "add2"]
    assert again(tree)["differs"]


def test_fusion_of_a_convolution_and_its_normalization(bisect: Call, again: Call, tmp_path: Path) -> None:
    files = Planted.write(tmp_path, *_fused())
    options = [
        "--a-option",
        "graph_optimization_level=disabled",
        "--b-option",
        "graph_optimization_level=basic",
    ]
    tree = bisect(files.a, "--a", files.a, "--b", files.a, "--inputs", files.inputs, *options)
    found(tree, "fusion", "conv")
    assert tree["graph"] == "optimized" and tree["nodes_b"] == ["conv", "norm"]
    assert operators(tree) == ["Conv", "BatchNormalization"]
    assert "A runs Conv, BatchNormalization, B runs Conv in their place" in tree["detail"]
    found(again(tree), "fusion", "conv")


def test_fusion_in_a_frozen_file(bisect: Call, again: Call, tmp_path: Path, freeze: Call) -> None:
    files = Planted.write(tmp_path, *_fused())
    frozen = freeze(files.a, "basic")
    option = ["--option", "graph_optimization_level=disabled"]
    tree = bisect(files.a, "--a", files.a, "--b", frozen, "--inputs", files.inputs, *option)
    found(tree, "fusion", "conv")
    assert operators(tree, "a") == ["Conv", "BatchNormalization"] and operators(tree, "b") == ["Conv"]
    found(again(tree), "fusion", "conv")


def _fused() -> tuple[onnx.ModelProto, None, Any]:
    made, inputs = plants.normalized()
    return made, None, inputs


@pytest.fixture
def freeze(tmp_path: Path) -> Callable[[Path, str], Path]:
    """Let ONNX Runtime write an .ort file of a model at a level."""
    import onnxruntime

    from bundle.session import bare_options

    def make(path: Path, level: str) -> Path:
        options, target = bare_options(level), tmp_path / "frozen.ort"
        options.optimized_model_filepath = str(target)
        options.add_session_config_entry("session.save_model_format", "ORT")
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return target

    return make


def test_precision_a_scale_that_is_too_small(pair: Call, again: Call) -> None:
    tree = pair(*plants.quantized(0.002))
    found(tree, "precision", "to_int8")
    assert tree["tolerance"] == "int8-static" and tree["tensor"] == "c_back"
    assert "`to_int8` (scale 0.002, zero point 0) cuts off" in tree["detail"]
    assert operators(tree, "b") == ["QuantizeLinear", "DequantizeLinear"]
    found(again(tree), "precision", "to_int8")


def test_precision_a_scale_that_is_too_large(pair: Call, again: Call) -> None:
    tree = pair(*plants.quantized(0.9))
    found(tree, "precision", "to_int8")
    assert "leaves" in tree["detail"] and "steps for the range" in tree["detail"]
    found(again(tree), "precision", "to_int8")


def test_precision_that_suits_differs_only_by_a_stricter_tolerance(pair: Call, bisect: Call) -> None:
    assert not pair(*plants.quantized(1 / 127))["differs"]


def test_precision_another_type(pair: Call, again: Call) -> None:
    plain = plants.layers()
    half = plants.layers()
    del half.graph.node[0]
    for each in (
        plants.node("Cast", "back", "a_half", "a", to=onnx.TensorProto.FLOAT),
        plants.node("MatMul", "first", "x_half w1_half", "a_half"),
        plants.node("Cast", "narrow", "x", "x_half", to=onnx.TensorProto.FLOAT16),
        plants.node("Cast", "narrow_w1", "w1", "w1_half", to=onnx.TensorProto.FLOAT16),
    ):
        half.graph.node.insert(0, each)
    tree = pair(plain, half)
    found(tree, "precision", "first")
    assert "is rounded to float16 in B" in tree["detail"]
    assert again(tree)["cause"] == "precision"


def test_layout_a_transposed_weight(pair: Call, again: Call) -> None:
    weight = plants.numbers(8, 8, seed=2)
    tree = pair(plants.layers(), plants.layers(w2=np.ascontiguousarray(weight.T)))
    found(tree, "layout", "second")
    assert tree["detail"] == "the weight `w2` lies in another order of axes in B, [1, 0]"
    assert operators(tree, "a") == ["MatMul"]
    found(again(tree), "layout", "second")


def test_layout_of_what_is_computed(pair: Call, again: Call) -> None:
    def turned(order: list[int]) -> onnx.ModelProto:
        nodes = [
            plants.node("Relu", "first", "x", "a"),
            plants.node("Transpose", "turn", "a", "b", perm=order),
            plants.node("Tanh", "last", "b", "y"),
        ]
        return plants.model(nodes, [4, 4, 4], None, {})

    tree = pair(turned([0, 2, 1]), turned([1, 0, 2]), inputs=plants.numbers(4, 4, 4, seed=9))
    found(tree, "layout", "turn")
    found(again(tree), "layout", "turn")


@pytest.mark.parametrize(
    ("fault", "cause", "node"),
    [
        ("input", "input", "first"),
        ("order_of_inputs", "layout", "first"),
        ("order", "layout", ""),
        ("answer", "output", ""),
    ],
)
def test_tensors_that_change_on_their_way(
    fault: str, cause: str, node: str, against: Call, again: Call
) -> None:
    tree = against(fault)
    found(tree, cause, node)
    assert tree["tensor"] == ("x" if node else "y")
    repeated = again(tree)
    assert repeated["differs"] and repeated["cause"] == cause


def test_nothing_differs(against: Call, pair: Call, tmp_path: Path) -> None:
    for tree in (against("none"), pair(plants.layers(), plants.layers())):
        assert tree["cause"] == "none" and not tree["differs"]
        assert not (tmp_path / "found").exists()


def test_a_node_without_a_name_is_called_by_what_it_makes(pair: Call) -> None:
    models = plants.layers(), plants.layers(epsilon=0.5)
    for model in models:
        model.graph.node[1].name = ""
    assert pair(*models)["node"] == "LayerNormalization:b"
