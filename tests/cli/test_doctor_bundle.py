"""The command `doctor` on a bundle: everything that opening it here would refuse."""

import shutil
from pathlib import Path

import pytest

import bundle
from bundle.cli import exits
from bundle.doctor import Finding, bundles
from bundle.error import BundleError


def by_check(found: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in found}


def of(tree: dict, check: str) -> list[dict]:
    return [row for row in tree["findings"] if row["check"] == check]


def test_a_bundle_has_a_problem_exactly_where_opening_it_is_refused(root: Path) -> None:
    folders = [path for path in sorted((root / "spec" / "cases").glob("*/*/bundle")) if path.is_dir()]
    outcomes = set()
    for folder in folders:
        try:
            bundle.open(folder).close()
            code = ""
        except BundleError as error:
            code = error.code
        problems = [found for found in bundles.check(folder) if found.status == "problem"]
        outcomes.add(code)
        if code:
            assert any(found.sentence.startswith(f"{code}: ") for found in problems), folder
        else:
            # Golden cases are not read by opening; self-test would fail.
            assert all("golden_malformed" in found.sentence for found in problems), folder
    assert outcomes >= {"", "file_digest_mismatch", "library_too_old", "model_mismatch", "target_mismatch"}


def test_every_fault_of_a_folder_is_told_at_once(vector, tmp_path: Path, ask) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(vector("self_test_passes"), copy)
    (copy / "golden" / "first.safetensors").unlink()
    model = copy / "models" / "source.onnx"
    model.write_bytes(bytes([model.read_bytes()[0] ^ 1]) + model.read_bytes()[1:])
    (copy / "left.txt").write_text("x")
    (copy / "right.txt").write_text("x")
    status, tree = ask("doctor", copy)
    assert (status, tree["problems"]) == (exits.NO, 4)
    codes = [(row["sentence"].split(":")[0], row["sentence"].split("`")[1]) for row in of(tree, "file")]
    assert codes == [
        ("file_missing", "golden/first.safetensors"),
        ("file_digest_mismatch", "models/source.onnx"),
        ("file_unexpected", "left.txt"),
        ("file_unexpected", "right.txt"),
    ]
    [row] = of(tree, "variant source")
    assert row["status"] == "unknown" and "not loaded" in row["sentence"]


def test_a_file_of_another_machine_is_replaced_and_why_is_told(
    vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = by_check(bundles.check(vector("onnx_file_where_the_ort_file_is_too_new")))["variant source"]
    assert found.status == "warning" and "was written by ONNX Runtime" in found.sentence
    assert found.advice.startswith('pip install "onnxruntime>=')
    monkeypatch.setattr("bundle.fit.host_arch", lambda: "riscv64")
    found = by_check(bundles.check(vector("ort_file_preferred")))["variant source"]
    assert found.status == "warning" and "models/source.onnx is used, since" in found.sentence
    assert "this host is riscv64" in found.sentence and "--target" in found.advice


def test_a_bundle_without_golden_cases_cannot_prove_itself(vector) -> None:
    found = by_check(bundles.check(vector("no_golden_case")))["golden"]
    assert found.status == "warning" and "self-test fails" in found.sentence


def test_a_golden_file_that_is_no_golden_file(root: Path) -> None:
    folder = root / "spec" / "cases" / "invalid" / "golden_without_an_input" / "bundle"
    problems = [found for found in bundles.check(folder) if found.status == "problem"]
    assert [found.sentence.split(":")[0] for found in problems] == ["golden_malformed"]
    assert problems[0].advice


def test_more_threads_than_there_are(vector, monkeypatch: pytest.MonkeyPatch) -> None:
    from bundle import threads

    monkeypatch.setattr(threads, "effective_threads", lambda wanted: 1)
    found = [each for each in bundles.check(vector("session_of_the_manifest")) if each.check == "threads"]
    assert [each.status for each in found] == ["warning"]
    assert "a process may use 1 here" in found[0].sentence


def test_what_is_no_bundle_is_one_problem(tmp_path: Path, ask) -> None:
    status, tree = ask("doctor", tmp_path / "absent")
    assert (status, tree["problems"]) == (exits.NO, 1)
    [row] = of(tree, "bundle")
    assert row["sentence"].startswith("bundle_not_found: ") and row["advice"]
