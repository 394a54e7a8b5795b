"""The vectors of spec/cases: made by their generator, and complete. tests/parity plays them to drivers."""

import collections
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.contract.walker import difference
from tests.vectors import generate

SPEC = Path(__file__).resolve().parents[2] / "spec"
CASES = SPEC / "cases"
FOLDERS = sorted(path.parent for path in CASES.glob("*/*/case.json"))
LOADED = {folder: json.loads((folder / "case.json").read_bytes()) for folder in FOLDERS}
CHAINS = {"M": 14, "O": 8, "P": 6, "C": 12, "B": 3}
FIELD_FAULTS = {"manifest_field_unknown", "manifest_field_missing", "manifest_field_type"}


def of_group(group: str) -> dict[Path, dict[str, Any]]:
    return {folder: case for folder, case in LOADED.items() if folder.parent.name == group}


def table(title: str) -> set[str]:
    """The first column of a table of the README, under a heading of that title."""
    text = (CASES / "README.md").read_text("utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


def codes_shown() -> collections.Counter[str]:
    last = (case["steps"][-1]["expect"] for case in of_group("invalid").values())
    return collections.Counter(expect["error"]["code"] for expect in last)


def test_the_committed_vectors_are_those_of_the_generator() -> None:
    lines = generate.differences()
    assert not lines, "\n".join([*lines[:20], "run `make vectors` and look at the difference"])


def test_every_case_is_written_as_its_schema_says() -> None:
    validator = jsonschema.Draft202012Validator(json.loads((CASES / "case.schema.json").read_bytes()))
    wrong = {folder.name: [*validator.iter_errors(case)] for folder, case in LOADED.items()}
    assert {name: errors for name, errors in wrong.items() if errors} == {}


def test_every_manifest_of_a_valid_case_fits_the_schema_of_manifests() -> None:
    validator = jsonschema.Draft202012Validator(json.loads((SPEC / "bundle.schema.json").read_bytes()))
    manifests = sorted([*CASES.glob("valid/*/bundle/bundle.json"), *CASES.glob("valid/*/manifest.json")])
    assert manifests
    wrong = {path: [*validator.iter_errors(json.loads(path.read_bytes()))] for path in manifests}
    assert {path: errors for path, errors in wrong.items() if errors} == {}


def test_there_are_enough_vectors_and_more_failures_than_successes() -> None:
    valid, invalid = of_group("valid"), of_group("invalid")
    assert len(valid) >= 25 and len(invalid) >= 90 and len(invalid) > len(valid)


def test_at_most_a_quarter_of_the_failures_are_about_the_presence_of_fields() -> None:
    shown = codes_shown()
    assert sum(shown[code] for code in FIELD_FAULTS) * 4 <= shown.total()


@pytest.mark.parametrize("group", ["valid", "invalid"])
def test_only_the_last_step_of_an_invalid_case_fails(group: str) -> None:
    for folder, case in of_group(group).items():
        outcomes = [step["expect"]["ok"] for step in case["steps"]]
        assert outcomes[-1] is (group == "valid"), folder
        assert group == "valid" or all(outcomes[:-1]), folder


def test_every_check_has_a_vector() -> None:
    """The numbers are read from FORMAT.md, so that a new check there fails here."""
    page = (SPEC / "FORMAT.md").read_text("utf-8")
    named = set(re.findall(r"^\| ([MOPC]\d+) \|", page, re.MULTILINE)) | set(re.findall(r"\b(B\d) ", page))
    named |= {f"C{number}" for number in range(4, 9)}
    assert named == {f"{letter}{n}" for letter, count in CHAINS.items() for n in range(1, count + 1)}
    shown = {check for case in of_group("invalid").values() for check in case["checks"]}
    assert named - shown == table("Checks without a vector")


def test_every_pair_of_neighbouring_checks_has_a_vector() -> None:
    pairs = {f"both_{c}{n}_{c}{n + 1}" for c, count in CHAINS.items() for n in range(1, count)}
    names = {folder.name for folder in of_group("invalid")}
    assert pairs - names == table("Pairs that cannot be expressed")


def test_every_code_has_a_vector() -> None:
    errors = json.loads((SPEC / "errors.json").read_bytes())["errors"]
    needed = {one["code"] for one in errors if one["stage"] in ("manifest", "open", "predict")}
    assert needed - codes_shown().keys() == table("Codes without a vector")
    assert codes_shown().keys() <= {one["code"] for one in errors}


def test_every_test_that_stands_in_for_a_vector_exists(root: Path) -> None:
    text = (CASES / "README.md").read_text("utf-8")
    references = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert references
    for path, name in references:
        assert f"def {name}(" in (root / path).read_text("utf-8"), f"{path}::{name}"


def test_a_reply_with_another_value_is_told() -> None:
    good = {"ok": True, "outputs": {"y": {"dtype": "float32", "shape": [1], "data": "00000000"}}}
    assert difference(good, good | {"id": 1}) is None
    assert difference(good, {"ok": True, "outputs": {}}) is not None
    assert difference(good, {"ok": True, "outputs": good["outputs"] | {"z": {}}}) is not None
    assert difference({"ok": True}, {"ok": 1}) is not None
    assert difference([1, 2], [1]) is not None


def test_there_are_cases() -> None:
    assert {folder.parent.name for folder in FOLDERS} >= {"valid", "invalid"}
