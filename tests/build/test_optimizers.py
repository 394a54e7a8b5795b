"""The optimizers: their options, what is said where one is not installed, and what a failing one costs."""

import importlib.util
import inspect
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxoptimizer
import onnxsim
import pytest
from onnx import helper
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from onnxslim.argparser import OnnxSlimKwargs

import bundle
from bundle.builder import BuildResult, build, optimizers, slim
from bundle.builder.model import Model, StageSkipped
from bundle.builder.worker import Worker
from bundle.error import BundleError
from tests.build import make_models as make
from tests.build import planted_optimizers as planted
from tests.build.projects import project


def refusal(call: Callable[..., object], *arguments: Any) -> BundleError:
    with pytest.raises(BundleError) as caught:
        call(*arguments)
    return caught.value


def parameters(call: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(call).parameters)


#: What each library itself takes.
TAKEN = {
    "onnxslim": set(OnnxSlimKwargs.__annotations__),
    "onnxsim": parameters(onnxsim.simplify),
    "onnxoptimizer": parameters(onnxoptimizer.optimize),
    "ort-basic": {"disabled_optimizers"},
    "transformers": parameters(optimize_model) | set(vars(FusionOptions("bert"))),
}


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_every_option_is_one_of_the_library(name: str) -> None:
    assert set(optimizers.OPTIMIZERS[name].options) <= TAKEN[name]


def test_each_has_a_runner_and_a_word_in_the_schema() -> None:
    schema = bundle.spec.table("project.schema")
    words = schema["properties"]["build"]["properties"]["optimizer"]["enum"]
    assert set(slim.RUNNERS) == set(optimizers.OPTIMIZERS)
    assert set(words) == {*optimizers.OPTIMIZERS, optimizers.NONE}


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        ("onnxslim", "skip_fusion_patterns=FusionGemm, FusionPad", ["FusionGemm", "FusionPad"]),
        ("onnxslim", "size_threshold=1024", 1024),
        ("onnxsim", "skip_fuse_bn=true", True),
        ("onnxsim", "include_subgraph=False", False),
        ("onnxsim", "tensor_size_threshold=1KB", "1KB"),
        ("onnxoptimizer", "passes=eliminate_identity", ["eliminate_identity"]),
        ("transformers", "opt_level=0", 0),
    ],
)
def test_text_becomes_what_the_library_takes(wanted: str, text: str, value: object) -> None:
    name, _, given = text.partition("=")
    assert optimizers.parse_options(wanted, {name: given}) == {name: value}


@pytest.mark.parametrize(
    ("wanted", "name", "text", "expected"),
    [
        ("onnxsim", "fixed_point", "true", "skip_fuse_bn"),
        ("none", "fixed_point", "true", "takes none"),
        ("onnxoptimizer", "fixed_point", "yes", "true or false"),
        ("onnxoptimizer", "passes", "a,,b", "joined by commas"),
        ("onnxslim", "size_threshold", "1KB", "an integer"),
        ("transformers", "opt_level", "99", "0 or 1"),
        # These would change the interface or write files of their own.
        ("onnxslim", "outputs", "y", "an option of"),
        ("onnxsim", "custom_rewriter", "x", "an option of"),
    ],
)
def test_another_option_or_value_is_refused_before_the_build(
    wanted: str, name: str, text: str, expected: str, tmp_path: Path
) -> None:
    sections = {"optimizer": wanted, "optimizer_options": {name: text}}
    with pytest.raises(BundleError) as caught:
        project(tmp_path / "absent.onnx", tmp_path, build=sections)
    error = caught.value
    assert (error.code, error.subject) == ("config_invalid", f"/build/optimizer_options/{name}")
    assert expected in error.expected


def test_a_misspelt_option_is_met_with_the_right_one() -> None:
    error = refusal(optimizers.parse_options, "onnxoptimizer", {"fixedpoint": "true"})
    assert error.hint == "did you mean `fixed_point`?"


def test_options_that_no_manifest_could_hold_are_refused() -> None:
    error = refusal(optimizers.check_options, "onnxoptimizer", {"passes": "a" * 5000})
    assert (error.code, error.subject) == ("config_invalid", "/build/optimizer_options")


def test_a_missing_library_is_told_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxsim" else found(name))
    wanted = project(make.save(make.mlp(), tmp_path), tmp_path, build={"optimizer": "onnxsim"})
    error = refusal(build, wanted)
    assert (error.code, error.subject) == ("extra_missing", "onnxsim")
    assert error.hint == "pip install 'edgebundle[optimizers]'"


def test_options_reach_the_library(tmp_path: Path, worker: Worker) -> None:
    """An identity, a product and a bias: which of them an optimizer merges is for its options to say."""
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("MatMul", ["same", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["y"]),
    ]
    message = make.model_of(
        nodes,
        [make.value("x", [2, 4])],
        [make.value("y", [2, 3])],
        {"w": make.weights(4, 3), "b": make.weights(3)},
    )
    model = Model(make.save(message, tmp_path), "onnx")

    def operators(wanted: str, **options: str) -> list[str]:
        made = slim.candidates(model, tmp_path, worker, wanted, options)[wanted]()
        return [node.op_type for node in onnx.load(made.path).graph.node]

    assert operators("onnxoptimizer") == ["MatMul", "Add"]
    with pytest.raises(StageSkipped, match="found nothing to do"):
        operators("onnxoptimizer", passes="eliminate_deadend")
    assert operators("onnxsim", skipped_optimizers="fuse_matmul_add_bias_into_gemm") == ["MatMul", "Add"]
    assert operators("onnxslim") == ["Gemm"]
    assert operators("onnxslim", skip_fusion_patterns="FusionGemm") == ["MatMul", "Add"]
    assert operators("ort-basic") == ["Gemm"]
    assert operators("ort-basic", disabled_optimizers="MatMulAddFusion") == ["MatMul", "Add"]


def gelu() -> onnx.ModelProto:
    """x [batch, 4] -> y [batch, 4]: the exact GELU, as exporters write it out."""
    nodes = [
        helper.make_node("Div", ["x", "root"], ["scaled"]),
        helper.make_node("Erf", ["scaled"], ["erf"]),
        helper.make_node("Add", ["erf", "one"], ["more"]),
        helper.make_node("Mul", ["x", "more"], ["product"]),
        helper.make_node("Mul", ["product", "half"], ["y"]),
    ]
    constants = {"root": 2**0.5, "one": 1.0, "half": 0.5}
    arrays = {name: np.array(number, np.float32) for name, number in constants.items()}
    return make.model_of(nodes, [make.value("x", ["batch", 4])], [make.value("y", ["batch", 4])], arrays)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, True),
        ({"opt_level": "0", "model_type": "bert"}, True),
        ({"enable_gelu": "false"}, False),
        ({"model_type": "vit", "num_heads": "2", "hidden_size": "4"}, True),
    ],
)
def test_the_optimizer_for_transformers_fuses(
    options: dict[str, str], kept: bool, tmp_path: Path, worker: Worker
) -> None:
    model = Model(make.save(gelu(), tmp_path), "onnx")
    maker = slim.candidates(model, tmp_path, worker, "transformers", options)["transformers"]
    if not kept:
        with pytest.raises(StageSkipped, match="found nothing to do"):
            maker()
        return
    after = onnx.load(maker().path)
    assert [(node.domain, node.op_type) for node in after.graph.node] == [("com.microsoft", "Gelu")]
    assert (after.producer_name, len(after.functions)) == ("", 0)


def manifest(result: BuildResult) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((result.path / "bundle.json").read_bytes())
    return tree


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("onnxsim", {"include_subgraph": "true", "skip_fuse_bn": "true"}),
        ("onnxoptimizer", {"fixed_point": "true"}),
        ("transformers", {"opt_level": "1"}),
    ],
)
def test_the_recipe_says_which_one_it_was(name: str, options: dict[str, str], tmp_path: Path) -> None:
    sections = {"optimizer": name, "optimizer_options": options}
    model = make.save(gelu(), tmp_path)
    recipe = manifest(build(project(model, tmp_path / "out", build=sections))[0])["recipe"]
    assert recipe["options"]["optimizer"] == name
    assert recipe["options"]["optimizer_options"] == ",".join(f"{k}={v}" for k, v in options.items())
    library = optimizers.OPTIMIZERS[name].library
    assert recipe["tools"][library] == version(library)
    assert "onnxslim" not in recipe["tools"]


def test_the_chain_ends_with_the_one_that_fails_least() -> None:
    assert optimizers.chain("onnxslim") == ("onnxslim", "ort-basic")
    assert optimizers.chain("onnxsim") == ("onnxsim", "ort-basic")
    assert optimizers.chain("ort-basic") == ("ort-basic",)
    assert optimizers.chain("none") == ()


def two_outputs() -> onnx.ModelProto:
    """x [batch, 4] -> y, z [batch, 3]; nothing in it for an optimizer to do."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Tanh", ["y"], ["z"])]
    outputs = [make.value("y", ["batch", 3]), make.value("z", ["batch", 3])]
    return make.model_of(nodes, [make.value("x", ["batch", 4])], outputs, {"w": make.weights(4, 3)})


@pytest.mark.parametrize(
    ("runner", "reason", "detail"),
    [
        (planted.drops_an_output, "signature_changed", "1 outputs instead of 2"),
        (planted.grows_the_file, "larger", "bytes instead of"),
        (planted.changes_answers, "over_budget", "case 0, `y`"),
        (planted.writes_what_the_runtime_refuses, "load_failed", "NoSuchOperator"),
        (planted.writes_half_a_file, "tool_failed", "onnxslim: wrote a model cut short"),
        (planted.crashes, "tool_failed", "killed by SIGSEGV"),
        (planted.ends_the_process, "tool_failed", "SystemExit"),
        (planted.raises, "tool_failed", "ValueError: cannot read checked.onnx"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_failing_optimizer_costs_its_stage_and_nothing_else(
    runner: Callable[..., None],
    reason: str,
    detail: str,
    tmp_path: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root), prepend=":")
    monkeypatch.setitem(slim.RUNNERS, "onnxslim", runner)
    model = make.save(two_outputs(), tmp_path)
    [result] = build(project(model, tmp_path / "out"))
    [row] = [row for row in result.report["stages"] if row["stage"] == "slim"]
    assert (row["outcome"], row["reason"]) == ("skipped", reason)
    assert detail in row["detail"]
    with bundle.open(result.path) as predictor:
        assert predictor.self_test().passed


def test_the_one_behind_it_stands_in(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root), prepend=":")
    monkeypatch.setitem(slim.RUNNERS, "onnxsim", planted.crashes)
    message = two_outputs()
    message.graph.node.append(helper.make_node("Identity", ["z"], ["again"]))
    message.graph.output[1].name = "again"
    sections = {"optimizer": "onnxsim", "optimizer_options": {"skip_fuse_bn": "true"}}
    [result] = build(project(make.save(message, tmp_path), tmp_path / "out", build=sections))
    [row] = [row for row in result.report["stages"] if row["stage"] == "slim"]
    assert (row["outcome"], row["detail"]) == ("kept", "ort-basic (onnxsim: killed by SIGSEGV)")
