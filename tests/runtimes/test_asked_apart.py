"""What the tests of many bundles rely on: a difference, a crash and a hang of one runtime are each found."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from bundle.runtimes import NATIVE
from tests.runtime.make_bundle import Maker
from tests.runtimes import asked_apart
from tests.runtimes.answers import OPENED, REFUSED, Said, digest, said
from tests.runtimes.asked_apart import ask
from tests.vectors.kit import answer, build, given
from tests.vectors.model import node


def planted(path: Path, form: str, runtime: str) -> Said:
    """A runtime that has each fault, called `rust` here, and others that have none."""
    fault = path.parent.name if runtime == "rust" else ""
    if fault == "deadly":
        os.abort()
    if fault == "hanging":
        time.sleep(600)
    if fault == "stubborn":
        return {"open": f"{REFUSED}runtime_failure ."}
    return {"open": OPENED, "case 0": "other bytes" if fault == "wrong" else "bytes"}


@pytest.mark.slow
def test_each_fault_is_found_and_all_others_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked_apart, "PATIENCE", 8)
    names = ["a", "wrong", "deadly", "b", "hanging", "stubborn", "c"]
    report = ask([(f"/{name}/bundle", "onnx") for name in names], tmp_path, planted)
    endings = [line.split(" at ")[0] for line in report.differences if "ended" in line]
    assert endings == ["the process ended with -6", "the process ended with -9"]
    assert {line.split(": ")[0] for line in report.differences if "ended" not in line} == {
        "rust, wrong, onnx, case 0",
        "rust, stubborn, onnx, open",
        "rust, stubborn, onnx, case 0",
        *(
            f"{runtime}, {name}, onnx, {question}"
            for runtime in ("rust", "go", "cpp")
            for name in ("deadly", "hanging")
            for question in ("open", "case 0")
        ),
    }
    assert report.counts["rust", "onnx", "answered"] == 3
    assert report.counts["python", "onnx", "opened"] == len(names)


def test_a_bundle_is_asked_for_bytes_and_refusals(place: Maker) -> None:
    shape = [2, 3]
    made = build(
        [given("x", "float32", shape)],
        [answer("y", "float32", shape)],
        [node("Neg", "x", "y")],
        lambda inputs: {"y": -inputs["x"]},
    )
    x = np.arange(6, dtype=np.float32).reshape(shape)
    made.golden_case("first", {"x": x})
    path = place(made)
    right = digest({"y": -x})
    for runtime in ("python", *NATIVE):
        assert said(path, "onnx", runtime) == {
            "open": OPENED,
            "case 0": right,
            "case 0 into buffers": right,
            "an unknown input": "refused: input_unknown no input of this model",
            "without x": "refused: input_missing x",
            "x with an axis too many": "refused: input_rank_mismatch x",
            "x of another dtype": "refused: input_dtype_mismatch x",
        }
    assert digest({"y": x}) != right != digest({"z": -x}) and digest({"y": -x.T}) != right
