"""Bundles that the commands are tried on, and ways to call a command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.__main__ import main


@pytest.fixture(scope="session")
def vector(root: Path) -> Callable[[str], Path]:
    """The bundle of a valid vector, by its name."""

    def find(name: str) -> Path:
        folder = root / "spec" / "cases" / "valid" / name / "bundle"
        assert folder.is_dir(), folder
        return folder

    return find


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run a command in this process with `--json`; return its exit code and the object on stdout."""

    def call(*arguments: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = main([*map(str, arguments), "--json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1, out
        return status, json.loads(out)

    return call


@pytest.fixture
def digits(root: Path) -> Path:
    return root / "examples" / "digits" / "digits.onnx"
