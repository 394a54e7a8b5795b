"""Building from Python: `bundle.build` says what the command says, and takes what Python has in memory."""

import inspect
import typing
from pathlib import Path

import numpy as np
import onnx
import pytest

import bundle
from bundle.builder.inprocess import Options
from bundle.cli import exits
from bundle.cli.project_flags import FLAGS

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(DIGITS / "golden.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_a_file_builds_as_the_command_builds_it(tmp_path: Path, ask) -> None:
    model, cases = DIGITS / "digits.onnx", DIGITS / "golden.npz"
    said = []
    result = bundle.build(
        model, target="any", golden=cases, output=tmp_path / "python", version="2.0.0", progress=said.append
    )
    flags = ["--target", "any", "--golden", cases, "--output", tmp_path / "command", "--version", "2.0.0"]
    status, answer = ask("build", model, *flags)
    assert status == exits.OK
    assert result.digest == answer["bundles"][0]["digest"]
    assert result.path == tmp_path / "python" / "digits-2.0.0-any"
    assert "slim" in said
    with bundle.open(result.path) as predictor:
        assert predictor.self_test().passed


def test_models_cases_and_calibration_may_be_in_memory(tmp_path: Path, golden) -> None:
    model = onnx.load(DIGITS / "digits.onnx")
    seen = iter(golden["inputs/image"][::9])
    result = bundle.build(
        model,
        name="memory",
        target="x86_64",
        golden=golden,
        calibration=({"image": image} for image in seen),
        precision=["int8-static", "fp16"],
        output=tmp_path,
        formats=["onnx"],
        labels={"probabilities": [str(digit) for digit in range(10)]},
    )
    manifest = bundle.Manifest.parse((result.path / "bundle.json").read_bytes())
    assert [variant.name for variant in manifest.variants] == ["int8-static", "fp16"]
    assert all(row["accuracy"] is not None for row in result.report["verify"])
    # All cases were taken, and no more than there are.
    assert next(seen, None) is None


def test_a_model_in_memory_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(bundle.BundleError) as caught:
        bundle.build(onnx.load(DIGITS / "digits.onnx"), target="any", output=tmp_path)
    assert (caught.value.code, caught.value.subject) == ("config_invalid", "/model/name")


@pytest.mark.parametrize(
    ("options", "subject"),
    [
        ({"target": "riscv"}, "/build/targets/0"),
        ({"target": "any", "precision": "int4"}, "/build/precisions/0"),
        ({"target": "any", "presicion": "fp16"}, "/build/presicion"),
        ({"target": "any", "seed": -1}, "/build/seed"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(options: dict, subject: str, tmp_path: Path) -> None:
    with pytest.raises(bundle.BundleError) as caught:
        bundle.build(DIGITS / "digits.onnx", output=tmp_path, **options)
    assert (caught.value.code, caught.value.subject) == ("config_invalid", subject)


def test_every_flag_of_the_command_is_a_parameter() -> None:
    known = {*typing.get_type_hints(Options), *inspect.signature(bundle.build).parameters}
    # The sections are called in the plural, and the file of an earlier build's choices is not one of them.
    others = {"label": "labels", "decision": "decisions", "decisions": "replay"}
    flags = {flag.name[2:].replace("-", "_") for flag in FLAGS}
    flags = {others.get(name, name).replace("optimizer_option", "optimizer_options") for name in flags}
    assert flags <= known
