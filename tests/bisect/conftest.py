"""Ways to call the command, and programs with a fault."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.__main__ import main

Tree = dict[str, Any]


@pytest.fixture
def bisect(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Tree]:
    """Run the command in this process; return its result, which agrees with the exit code."""

    def call(*arguments: object) -> Tree:
        capsys.readouterr()
        folder = () if "--output" in arguments else ("--output", tmp_path / "found")
        status = main(["bisect", *map(str, (*arguments, *folder)), "--json"])
        tree = json.loads(capsys.readouterr().out)
        assert status == (
            2 if tree.get("error", {}).get("code") == "usage_invalid" else int(tree.get("differs", True))
        )
        return tree

    return call


@pytest.fixture
def again(bisect: Callable[..., Tree], tmp_path: Path) -> Callable[[Tree], Tree]:
    """Run the command that a finding names, on nothing but the files that it wrote."""
    import shlex

    def call(tree: Tree) -> Tree:
        words = shlex.split(tree["reproduce"])
        assert words[:4] == ["python", "-m", "bundle", "bisect"]
        return bisect(*words[4:], "--output", tmp_path / "again")

    return call


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """A program with a fault of `stand_in`."""

    def make(fault: str) -> Path:
        path = tmp_path / f"stand-in-{fault}"
        source = Path(__file__).with_name("stand_in.py")
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{source}" {fault}\n')
        path.chmod(0o755)
        return path

    return make
