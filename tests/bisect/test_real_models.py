"""Real models: the digits in every variant and language, and larger ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from bundle.builder import build
from bundle.parity import LANGUAGES
from tests.build.projects import project
from tests.devset import models
from tests.devset.calibration import calibration_for
from tests.devset.golden import golden_for

Tree = dict[str, Any]
Call = Callable[..., Tree]


@pytest.fixture(scope="module")
def digits(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the digits with a quantized variant."""
    example = root / "examples" / "digits"
    data = {"golden": str(example / "golden.npz"), "calibration": str(example / "calibration.npz")}
    wanted = project(
        example / "digits.onnx",
        tmp_path_factory.mktemp("digits"),
        "x86_64",
        model={"name": "digits"},
        build={**data, "precisions": ["source", "int8-static"]},
    )
    return build(wanted)[0].path


@pytest.mark.slow
def test_a_quantized_variant_is_within_its_budget(digits: Path, bisect: Call) -> None:
    tree = bisect(digits, "--a", "source", "--b", "int8-static")
    assert tree["tolerance"] == "int8-static" and not tree["differs"] and tree["cases"] > 1


@pytest.mark.slow
def test_a_quantized_variant_begins_to_differ_at_its_first_quantizer(
    digits: Path, bisect: Call, again: Call
) -> None:
    tree = bisect(digits, "--a", "source", "--b", "int8-static", "--tolerance", "close")
    assert (tree["cause"], tree["node"]) == ("precision", "image_QuantizeLinear")
    assert tree["reproduced"] and again(tree)["node"] == "image_QuantizeLinear"


@pytest.mark.slow
@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "python"])
def test_languages_do_not_differ(digits: Path, bisect: Call, language: str) -> None:
    tree = bisect(digits, "--a", "python", "--b", language)
    assert tree["tolerance"] == "exact" and tree["cause"] == "none"


@pytest.mark.slow
def test_a_program_differs_from_a_file_where_the_file_does(digits: Path, bisect: Call, again: Call) -> None:
    tree = bisect(digits, "--a", "go", "--format", "onnx", "--b", "int8-static.onnx", "--tolerance", "close")
    assert (tree["cause"], tree["node"]) == ("precision", "image_QuantizeLinear")
    assert again(tree)["cause"] == "precision"


@pytest.mark.slow
def test_blocks_of_channels_are_a_layout_and_one_node_shows_it(
    digits: Path, bisect: Call, again: Call
) -> None:
    level = ["--a-option", "graph_optimization_level=disabled"]
    tree = bisect(digits, "--a", "source", "--b", "source", *level, "--tolerance", "exact")
    assert tree["cause"] in ("layout", "fusion") and tree["reproduced"]
    assert again(tree)["differs"]


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", ["mnist", "orientation", "minilm"])
def test_optimizing_changes_last_bits_at_a_node_that_shows_it_alone(
    name: str, bisect: Call, again: Call
) -> None:
    source = models.fetch(name)
    asked = ["--inputs", golden_for(name), "--tolerance", "exact"]
    level = ["--a-option", "graph_optimization_level=disabled"]
    tree = bisect(source, "--a", source, "--b", source, *asked, *level)
    assert tree["cause"] in ("fusion", "layout") and tree["reproduced"]
    whole, small = onnx.load(source), onnx.load(tree["files"]["model"])
    assert len(small.graph.node) <= 12 < len(whole.graph.node) or name == "mnist"
    assert {node.name for node in small.graph.node} <= {node.name for node in whole.graph.node}
    assert again(tree)["differs"]


@pytest.mark.slow
@pytest.mark.network
def test_a_bad_scale_is_the_suspect_wherever_small_errors_add_up(
    tmp_path: Path, bisect: Call, again: Call
) -> None:
    wanted = project(
        models.fetch("mnist"),
        tmp_path / "built",
        "x86_64",
        model={"name": "mnist"},
        build={
            "golden": str(golden_for("mnist")),
            "calibration": str(calibration_for("mnist")),
            "precisions": ["source", "int8-static"],
        },
    )
    bundle = build(wanted)[0].path
    spoiled = onnx.load(bundle / "models" / "int8-static.onnx")
    chosen = [node for node in spoiled.graph.node if node.op_type == "QuantizeLinear"][-1]
    [scale] = [each for each in spoiled.graph.initializer if each.name == chosen.input[1]]
    small = np.asarray(onnx.numpy_helper.to_array(scale) / 20, np.float32)
    scale.CopyFrom(onnx.numpy_helper.from_array(small, scale.name))
    onnx.save(spoiled, tmp_path / "spoiled.onnx")
    tree = bisect(bundle, "--a", "source", "--b", tmp_path / "spoiled.onnx")
    assert tree["cause"] == "precision" and tree["reproduced"], tree
    assert tree["suspect"].startswith(f"`{chosen.name}` (scale ") and "cuts off" in tree["suspect"]
    assert again(tree)["cause"] == "precision"
