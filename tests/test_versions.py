"""One version for all languages: it stands in Cargo.toml, and everything else reads it there."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import bundle
from tests.native.programs import PROGRAMS, environment, passed

COMMANDS = {name: [path] for name, path in PROGRAMS.items()} | {
    "python": [sys.executable, "-m", "bundle.driver"]
}
# What `init` writes into a new bundle.toml is the version of somebody's model.
NOT_OURS = ("Cargo.toml", "python/bundle/cli/init.py", "requirements/", "tests/")
SOURCES = ["*.py", "*.toml", "*.go", "*.rs", "*.cpp", "*.hpp", "*.txt", "*.cmake"]


@pytest.fixture(scope="module")
def stated(root: Path) -> str:
    text = tomllib.loads((root / "Cargo.toml").read_text("utf-8"))["package"]["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", text)
    return text


def test_the_python_package_has_it(stated: str) -> None:
    assert (bundle.__version__, version("edgebundle")) == (stated, stated)


@pytest.mark.parametrize("language", sorted(COMMANDS))
def test_every_program_says_it(language: str, stated: str) -> None:
    said = json.loads(passed([*COMMANDS[language], "--describe"], environment()))
    assert (said["language"], said["version"]) == (language, stated)


def test_the_metadata_of_a_wheel_has_it(root: Path, tmp_path: Path, stated: str) -> None:
    program = "import sys, scikit_build_core.build as b; b.prepare_metadata_for_build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [path] = tmp_path.glob("*.dist-info/METADATA")
    metadata = path.read_text("utf-8")
    assert f"\nVersion: {stated}\n" in metadata


def test_no_other_file_states_it(root: Path, stated: str) -> None:
    """The version as an assignment, in any spelling that one of the four languages has."""
    files = passed(["git", "ls-files", "-z", *SOURCES]).split("\0")
    assigned = re.compile(rf'version\w*["\')]*\s*[:=({{ ]\s*["\']?{re.escape(stated)}\b', re.IGNORECASE)
    found = [
        name
        for name in files
        if name and not name.startswith(NOT_OURS) and (root / name).is_file()
        if assigned.search((root / name).read_text("utf-8"))
    ]
    assert found == []
