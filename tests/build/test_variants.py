"""Variants: one per precision, behind its gate; what `auto` keeps; what a build measures of them."""

import json
import re
import shutil
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import bundle
from bundle.builder import build, choose
from bundle.builder.project import Project
from bundle.error import BundleError
from bundle.library import host_arch
from bundle.manifest import Manifest
from bundle.spec import table
from tests.build.projects import project

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits"
GOLDEN = DIGITS / "golden.npz"
# Of the images that the model learned from, while the golden ones are held out.
CALIBRATION = DIGITS / "calibration.npz"
QUANTIZED = ["fp16", "int8-dynamic", "int8-static"]


def digits(output: Path, *precisions: str, target: str = "x86_64", **more: object) -> Project:
    sections = {"build": {"precisions": list(precisions), "golden": str(GOLDEN), **more}}
    build_section = {"targets": [target], "output": str(output)} | sections["build"]
    return project(DIGITS / "digits.onnx", output, build=build_section)


def manifest_of(folder: Path) -> Manifest:
    return Manifest.parse((folder / "bundle.json").read_bytes())


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory):
    """A bundle with all precisions for x86_64, the source last."""
    output = tmp_path_factory.mktemp("everything")
    made = digits(output, *QUANTIZED, "source", calibration=str(CALIBRATION))
    return build(made)[0]


def test_each_precision_is_a_variant_in_the_order_asked_for(everything) -> None:
    manifest = manifest_of(everything.path)
    assert [variant.name for variant in manifest.variants] == [*QUANTIZED, "source"]
    assert [variant.rank for variant in manifest.variants] == [0, 1, 2, 3]
    assert manifest.default_variant == "fp16"
    # Dynamic quantization leaves convolutions alone.
    assert [variant.precision for variant in manifest.variants] == ["float16", "mixed", "int8", "float32"]
    assert "skipped_precisions" not in everything.report


def test_quantizing_made_the_model_smaller_and_cost_at_most_the_budget(everything) -> None:
    budgets = table("tolerances")["budgets"]
    rows = {row["variant"]: row for row in everything.report["stages"] if row["stage"] == "quantize"}
    assert sorted(rows) == sorted(QUANTIZED)
    source = next(row for row in everything.report["stages"] if row["stage"] == "check")
    with np.load(GOLDEN) as golden:
        cases = len(golden["labels"])
    for row in rows.values():
        assert row["outcome"] == "kept"
        assert row["bytes"] < source["bytes"]
        assert row["flips"] * 1000 <= budgets["flips_per_mille"] * cases
        assert (source["accuracy"] - row["accuracy"]) * 1000 <= budgets["accuracy_loss_per_mille"]


def test_each_file_was_timed_and_the_source_is_the_measure(everything) -> None:
    jsonschema.validate(
        json.loads((everything.path / "attest" / "report.json").read_text()), table("report.schema")
    )
    rows = {(row["variant"], row["format"]): row for row in everything.report["verify"]}
    assert all(row["latency_us"] > 0 and row["latency_on"] == "host" for row in rows.values())
    assert rows["source", "onnx"]["latency_ratio"] == 1.0


def test_each_variant_opens_and_proves_itself(everything) -> None:
    for name in [*QUANTIZED, "source"]:
        with bundle.open(everything.path, name) as predictor:
            result = predictor.self_test()
            assert result.passed and result.cases


def test_each_variant_has_its_own_recording_and_tolerance(everything) -> None:
    manifest = manifest_of(everything.path)
    words = {variant.name: [each.word for each in variant.tolerances] for variant in manifest.variants}
    assert words == {
        "fp16": ["close"],
        "int8-dynamic": ["absolute"],
        # Its last node is a Softmax, so that no DequantizeLinear feeds the output.
        "int8-static": ["absolute"],
        "source": ["close"],
    }


def test_a_variant_that_only_a_target_of_another_kind_opens_is_timed_here_and_says_so(
    tmp_path: Path,
) -> None:
    made = digits(tmp_path, "int8-static", target="arm64", calibration=str(CALIBRATION))
    [result] = build(made)
    assert {row["latency_on"] for row in result.report["verify"]} == {"host, not arm64"}


def test_a_model_that_is_quantized_already_is_left_alone(everything, tmp_path: Path) -> None:
    source = everything.path / "models" / "int8-static.onnx"
    made = project(
        source, tmp_path, build={"targets": ["any"], "output": str(tmp_path), "precisions": QUANTIZED[:2]}
    )
    [result] = build(made)
    assert result.report["skipped_precisions"] == QUANTIZED[:2]
    # A bundle has at least one variant.
    assert [variant.name for variant in manifest_of(result.path).variants] == ["source"]


def test_static_quantization_without_data_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        build(digits(tmp_path / "out", "int8-static"))
    assert (caught.value.code, caught.value.subject) == ("calibration_missing", "int8-static")
    assert not (tmp_path / "out").exists()


def test_auto_keeps_the_smallest_and_says_why(tmp_path: Path) -> None:
    [result] = build(digits(tmp_path, "auto", calibration=str(CALIBRATION)))
    assert [variant.name for variant in manifest_of(result.path).variants] == ["int8-static"]
    assert result.report["auto"]["chosen"] == "int8-static"
    assert "bytes instead of the source's" in result.report["auto"]["why"]
    # What lost is told in the report, and not in the manifest.
    assert {row["variant"] for row in result.report["stages"]} == {"source", *QUANTIZED}
    stages = json.loads((result.path / "bundle.json").read_text())["recipe"]["stages"]
    assert {(row["stage"], row["variant"]) for row in stages if row["variant"] != "source"} == {
        ("quantize", "int8-static"),
        ("convert", "int8-static"),
    }


def test_auto_without_data_leaves_static_quantization_out(tmp_path: Path) -> None:
    [result] = build(digits(tmp_path, "auto"))
    [row] = [row for row in result.report["stages"] if row["variant"] == "int8-static"]
    assert (row["outcome"], row["reason"]) == ("skipped", "no_calibration")
    assert "skipped_precisions" not in result.report


def test_auto_does_not_choose_by_a_latency_of_another_kind_of_machine(tmp_path: Path) -> None:
    [result] = build(digits(tmp_path, "auto", target="arm64", objective="latency"))
    assert result.report["auto"]["chosen"] == "source"
    assert "measured on no arm64" in result.report["auto"]["why"]


def test_a_replay_makes_the_same_bytes_whatever_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"calibration": str(CALIBRATION), "objective": "latency"}
    [first] = build(digits(tmp_path / "first", "auto", **more))
    decisions = first.path / "attest" / "decisions.json"
    monkeypatch.setattr(choose, "choose", lambda *arguments: pytest.fail("a replay chooses nothing"))
    [again] = build(digits(tmp_path / "again", "auto", decisions=str(decisions), **more))
    assert again.digest == first.digest
    assert again.report["auto"] == first.report["auto"]


def test_a_replay_of_another_target_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decisions.json"
    auto = {"objective": "size", "chosen": "fp16", "why": "."}
    path.write_text(json.dumps({"auto": auto, "target": "arm64"}))
    with pytest.raises(BundleError) as caught:
        build(digits(tmp_path / "out", "auto", decisions=str(path)))
    assert (caught.value.code, caught.value.found) == ("decisions_invalid", "for arm64")
    path.write_text(json.dumps({"auto": {**auto, "chosen": "int4"}, "target": "x86_64"}))
    with pytest.raises(BundleError, match="int4"):
        build(digits(tmp_path / "out", "auto", decisions=str(path)))
    path.write_text("[]")
    with pytest.raises(BundleError, match=re.escape("decisions.json of a build")):
        build(digits(tmp_path / "out", "auto", decisions=str(path)))


def test_a_replay_that_cannot_be_made_again_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decisions.json"
    auto = {"objective": "size", "chosen": "int8-static", "why": "."}
    path.write_text(json.dumps({"auto": auto, "target": "x86_64"}))
    with pytest.raises(BundleError) as caught:
        build(digits(tmp_path / "out", "auto", decisions=str(path)))
    assert caught.value.code == "decisions_invalid"
    assert "--calibration" in caught.value.found


@pytest.fixture
def board(tmp_path: Path) -> dict[str, str]:
    """A runner and a program that stand in for the target: this host's, behind two commands."""
    program = tmp_path / "bundle-predict"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -P -m bundle.driver\n")
    program.chmod(0o755)
    return {"runner": f"{shutil.which('env')} ORT_DISABLE_TELEMETRY=1", "driver": str(program)}


def test_the_target_verifies_and_times_the_files(tmp_path: Path, board: dict[str, str]) -> None:
    [result] = build(digits(tmp_path / "out", "auto", target=host_arch(), objective="latency", **board))
    place = f"target ({board['runner']})"
    assert {row["ran_on"] for row in result.report["verify"]} == {"host", place}
    timed = {row["ran_on"] for row in result.report["verify"] if row["latency_us"] is not None}
    assert timed == {place}
    assert "us" in result.report["auto"]["why"]


def test_a_target_that_does_not_answer_is_told(tmp_path: Path, board: dict[str, str]) -> None:
    Path(board["driver"]).write_text("#!/bin/sh\nexit 7\n")
    with pytest.raises(BundleError) as caught:
        build(digits(tmp_path / "out", "source", **board))
    assert caught.value.code == "verify_failed"
    assert "7" in caught.value.found
    assert not list((tmp_path / "out").iterdir())
