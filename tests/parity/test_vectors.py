"""Every vector of spec/cases through the program of every language: the same outcome, code and subject."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bundle.parity import programs
from bundle.parity.client import Client
from tests.contract.walker import play
from tests.parity.drivers import LANGUAGES, started

SPEC = Path(__file__).resolve().parents[2] / "spec"
FOLDERS = sorted(path.parent for path in (SPEC / "cases").glob("*/*/case.json"))
# What a program that only predicts can meet; building and installing are not its business.
STAGES = ("manifest", "open", "library", "predict", "update")


@pytest.mark.parametrize("folder", FOLDERS, ids=[f"{path.parent.name}-{path.name}" for path in FOLDERS])
def test_the_driver_answers_as_the_case_says(folder: Path, driver: Client, tmp_path: Path) -> None:
    assert play(driver, folder, tmp_path) is None


def test_there_are_vectors() -> None:
    assert FOLDERS


@pytest.fixture(scope="module", params=LANGUAGES)
def described(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The reply to `--describe` of each language."""
    command = started(request.param).command
    environment = programs.environment()
    done = subprocess.run([*command, "--describe"], capture_output=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert done.stdout.count(b"\n") == 1
    return {**json.loads(done.stdout), "asked": request.param}


def test_each_program_says_which_language_it_is(described: dict[str, Any]) -> None:
    assert described["language"] == described["asked"]
    assert described["format_versions"] == [1]


def test_each_program_runs_the_same_version_of_onnx_runtime(described: dict[str, Any]) -> None:
    import onnxruntime

    assert described["onnxruntime"] == onnxruntime.__version__


def test_each_program_can_give_the_codes_of_the_table_and_no_others(described: dict[str, Any]) -> None:
    rows = json.loads((SPEC / "errors.json").read_bytes())["errors"]
    mine = [row for row in rows if described["asked"] in row.get("runtimes", LANGUAGES)]
    wanted = [row["code"] for row in mine if row["stage"] in STAGES or row["code"] == "usage_invalid"]
    assert described["codes"] == sorted(wanted)


def test_all_programs_have_the_version_of_the_package() -> None:
    from bundle import __version__

    versions = {}
    for language in LANGUAGES:
        command = [*started(language).command, "--describe"]
        done = subprocess.run(command, capture_output=True, env=programs.environment(), timeout=60)
        versions[language] = json.loads(done.stdout)["version"]
    assert versions == dict.fromkeys(LANGUAGES, __version__)
