"""Every code has a test that names it, and a place in the product that gives it."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from bundle.spec import table

# Codes of the other stages have vectors; tests/contract/test_vectors.py sees to that.
NAMED = ("build", "cli", "library", "store", "update")
CODES: list[dict[str, Any]] = table("errors")["errors"]


def words(folder: Path) -> set[str]:
    """Return the words of every text in a folder's Python files; docstrings, and this file, say nothing."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        if path.resolve() == Path(__file__).resolve():
            continue
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        silent = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
                found.update(re.findall(r"[a-z_0-9]+", node.value))
    return found


def codes(*stages: str) -> set[str]:
    """Return the codes of some stages that Python can give."""
    rows = [row for row in CODES if "python" in row.get("runtimes", ["python"])]
    return {row["code"] for row in rows if row["stage"] in stages}


def test_every_code_without_a_vector_is_named_by_a_test(root: Path) -> None:
    assert codes(*NAMED) - words(root / "tests") == set()


def test_every_code_is_given_somewhere(root: Path) -> None:
    assert codes(*table("errors")["stages"]) - words(root / "python") == set()


@pytest.mark.parametrize("stage", table("errors")["stages"])
def test_no_stage_is_empty(stage: str) -> None:
    assert codes(stage)
