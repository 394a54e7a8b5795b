"""The commands `slim`, `convert` and `quantize`: one stage on a plain file, behind the gate of a build."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from bundle.__main__ import main
from bundle.builder import optimizers, slim
from bundle.builder.external import onnx_model
from bundle.cli import exits
from tests.build import make_models as make
from tests.build import planted_optimizers as planted

Ask = Callable[..., tuple[int, dict[str, Any]]]


def idle() -> onnx.ModelProto:
    """x [batch, 4] -> y [batch, 3], with a node that does nothing."""
    nodes = [helper.make_node("Identity", ["x"], ["same"]), helper.make_node("MatMul", ["same", "w"], ["y"])]
    inputs, outputs = [make.value("x", ["batch", 4])], [make.value("y", ["batch", 3])]
    return make.model_of(nodes, inputs, outputs, {"w": make.weights(4, 3)})


def row(answer: dict[str, Any], stage: str) -> dict[str, Any]:
    [found] = [row for row in answer["stages"] if row["stage"] == stage]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def golden(root: Path) -> Path:
    return root / "examples" / "digits" / "golden.npz"


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_slim_writes_a_slimmer_model(optimizer: str, tmp_path: Path, ask: Ask) -> None:
    source, out = make.save(idle(), tmp_path), tmp_path / "slim.onnx"
    status, answer = ask("slim", source, out, "--optimizer", optimizer)
    assert (status, answer["ok"], answer["path"], answer["data"]) == (exits.OK, True, str(out), None)
    assert row(answer, "slim")["bytes"] == out.stat().st_size < source.stat().st_size
    assert [node.op_type for node in onnx.load(out).graph.node] == ["MatMul"]


def test_options_reach_the_optimizer(tmp_path: Path, ask: Ask) -> None:
    source, out = make.save(idle(), tmp_path), tmp_path / "slim.onnx"
    flags = ("--optimizer", "onnxoptimizer", "--optimizer-option", "passes=eliminate_deadend")
    status, answer = ask("slim", source, out, *flags)
    # The one behind it takes no options, and does the work.
    assert (status, row(answer, "slim")["detail"]) == (
        exits.OK,
        "ort-basic (onnxoptimizer found nothing to do)",
    )


def test_people_get_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make.save(idle(), tmp_path), tmp_path / "slim.onnx"
    assert main(["slim", str(source), str(out)]) == exits.OK
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "slim model.onnx"
    assert [line.split("|")[1].strip() for line in shown if line.startswith("|")] == [
        "stage",
        "check",
        "slim",
    ]
    assert any(line.startswith("note: golden cases are made up") for line in shown)
    assert shown[-1] == f"wrote {out}"


def test_nothing_to_do_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make.save(make.mlp(), tmp_path), tmp_path / "slim.onnx"
    assert main(["slim", str(source), str(out)]) == exits.SKIPPED
    shown = capsys.readouterr().out
    assert "skipped: onnxslim found nothing to do" in shown
    assert shown.endswith(f"not written: {out}\n")
    assert os.listdir(tmp_path) == [source.name]


@pytest.mark.parametrize(
    ("runner", "reason"),
    [
        (planted.drops_an_output, "signature_changed"),
        (planted.grows_the_file, "larger"),
        (planted.changes_answers, "over_budget"),
        (planted.writes_what_the_runtime_refuses, "load_failed"),
        (planted.crashes, "tool_failed"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_result_that_fails_its_gate_is_not_written(
    runner: Callable[..., None],
    reason: str,
    tmp_path: Path,
    root: Path,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root), prepend=":")
    monkeypatch.setitem(slim.RUNNERS, "ort-basic", runner)
    message = make.mlp()
    message.graph.output.append(make.value("again", ["batch", 4]))
    message.graph.node.append(helper.make_node("Tanh", ["probabilities"], ["again"]))
    source, out = make.save(message, tmp_path), tmp_path / "slim.onnx"
    out.write_bytes(b"the older one")
    status, answer = ask("slim", source, out, "--optimizer", "ort-basic", "--force")
    assert (status, answer["ok"]) == (exits.SKIPPED, False), answer
    assert answer["path"] is None
    assert row(answer, "slim")["reason"] == reason
    assert out.read_bytes() == b"the older one"


@pytest.mark.parametrize("target", ["arm64", "x86_64"])
def test_convert_freezes_the_model_as_it_is(
    target: str, tmp_path: Path, digits: Path, golden: Path, ask: Ask
) -> None:
    out = tmp_path / "digits.ort"
    status, answer = ask("convert", digits, out, "--target", target, "--golden", golden)
    assert (status, [each["stage"] for each in answer["stages"]]) == (exits.OK, ["check", "convert"])
    assert row(answer, "convert")["accuracy"] == row(answer, "check")["accuracy"] > 0.9
    name = onnx.load(digits).graph.input[0].name
    case = {name: np.load(golden)[f"inputs/{name}"][0]}
    answers = [onnxruntime.InferenceSession(str(path)).run(None, case)[0] for path in (digits, out)]
    np.testing.assert_allclose(*answers, atol=1e-5)


def test_a_target_without_frozen_files_is_skipped(tmp_path: Path, digits: Path, ask: Ask) -> None:
    status, answer = ask("convert", digits, tmp_path / "digits.ort", "--target", "any")
    assert (status, row(answer, "convert")["reason"]) == (exits.SKIPPED, "not_applicable")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("fp16", "Cast"), ("int8-dynamic", "DynamicQuantizeLinear"), ("int8-static", "QuantizeLinear")],
)
def test_quantize_writes_the_precision(
    precision: str, expected: str, tmp_path: Path, digits: Path, golden: Path, ask: Ask
) -> None:
    out = tmp_path / "small.onnx"
    flags = ["--precision", precision, "--target", "arm64", "--golden", golden]
    flags += ["--calibration", golden] if precision == "int8-static" else []
    status, answer = ask("quantize", digits, out, *flags)
    assert status == exits.OK, answer
    assert [each["stage"] for each in answer["stages"]] == ["check", "quantize"]
    assert row(answer, "quantize")["bytes"] == out.stat().st_size < 0.6 * digits.stat().st_size
    assert expected in {node.op_type for node in onnx.load(out).graph.node}


def test_static_needs_data(tmp_path: Path, digits: Path, ask: Ask) -> None:
    flags = ("--precision", "int8-static", "--target", "arm64")
    status, answer = ask("quantize", digits, tmp_path / "small.onnx", *flags)
    assert (status, answer["error"]["code"]) == (exits.NO, "calibration_missing")


def test_trees_are_skipped_by_rule(tmp_path: Path, ask: Ask) -> None:
    source, out = make.save(make.trees(), tmp_path), tmp_path / "small.onnx"
    status, answer = ask("quantize", source, out, "--precision", "int8-dynamic", "--target", "any")
    assert (status, row(answer, "quantize")["reason"]) == (exits.SKIPPED, "not_applicable")
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "subject", "expected"),
    [
        (["slim", "m.onnx", "out.ort"], "OUT", "`.onnx`"),
        (["convert", "m.onnx", "out.onnx", "--target", "any"], "OUT", "`.ort`"),
        (["convert", "m.onnx", "out.ort"], "--target", "this argument"),
        (["convert", "m.onnx", "out.ort", "--target", "arm46"], "--target", "arm64"),
        (["quantize", "m.onnx", "out.onnx", "--target", "any"], "--precision", "this argument"),
        (
            ["quantize", "m.onnx", "out.onnx", "--precision", "auto", "--target", "any"],
            "--precision",
            "int8-static",
        ),
        (["slim", "m.onnx", "out.onnx", "--optimizer", "none"], "--optimizer", "an optimizer"),
        (["slim", "m.onnx", "out.onnx", "--optimizer", "best"], "--optimizer", "onnxsim"),
        (["slim", "m.onnx", "out.onnx", "--optimizer-option", "a=b"], "--optimizer-option", "no_shape_infer"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_read(
    arguments: list[str], subject: str, expected: str, ask: Ask
) -> None:
    status, answer = ask(*arguments)
    error = answer["error"]
    assert (status, error["code"], error["subject"]) == (exits.USAGE, "usage_invalid", subject)
    assert expected in error["expected"]


def test_a_file_that_is_there_stays(tmp_path: Path, ask: Ask) -> None:
    source = make.save(idle(), tmp_path)
    before = source.read_bytes()
    status, answer = ask("slim", source, source)
    assert (status, answer["error"]["code"]) == (exits.NO, "output_file_unwritable")
    assert source.read_bytes() == before
    status, _ = ask("slim", source, source, "--force")
    assert (status, source.stat().st_size < len(before)) == (exits.OK, True)
    assert os.listdir(tmp_path) == [source.name]


def test_stages_follow_each_other(tmp_path: Path, ask: Ask) -> None:
    """What `build` does in one go: slim, quantize, convert; each takes the file of the one before."""
    source = make.save(foldable(), tmp_path)
    slimmed, small, frozen = (tmp_path / name for name in ("slim.onnx", "int8.onnx", "int8.ort"))
    assert ask("slim", source, slimmed)[0] == exits.OK
    flags = ("--precision", "int8-dynamic", "--target", "arm64")
    assert ask("quantize", slimmed, small, *flags)[0] == exits.OK
    assert ask("convert", small, frozen, "--target", "arm64")[0] == exits.OK
    case = {"x": make.weights(2, 64)}
    answers = [onnxruntime.InferenceSession(str(path)).run(None, case)[0] for path in (source, frozen)]
    assert np.array_equal(*(answer.argmax(-1) for answer in answers))


def foldable() -> onnx.ModelProto:
    """x [batch, 64] -> y [batch, 64], one large product of a transposed weight."""
    nodes = [
        helper.make_node("Transpose", ["w"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["y"]),
    ]
    inputs, outputs = [make.value("x", ["batch", 64])], [make.value("y", ["batch", 64])]
    return make.model_of(nodes, inputs, outputs, {"w": make.weights(64, 64)})


def test_a_model_in_two_files_becomes_one(tmp_path: Path, ask: Ask) -> None:
    """Ingesting brings weights that fit into the model; the frozen file holds them, too."""
    (tmp_path / "in").mkdir()
    source, out = make.external_data(tmp_path / "in"), tmp_path / "out.ort"
    status, answer = ask("convert", source, out, "--target", "x86_64")
    assert (status, answer["data"]) == (exits.OK, None)
    assert onnx_model(source).data


def test_what_is_no_model_is_told(tmp_path: Path, ask: Ask) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(make.mlp().SerializeToString()[:200])
    status, answer = ask("slim", path, tmp_path / "out.onnx")
    assert (status, answer["error"]["code"]) == (exits.NO, "model_unreadable")
    assert os.listdir(tmp_path) == [path.name]
