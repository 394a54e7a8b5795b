"""Everything that a page tells a reader to type is typed here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Those whose blocks are typed, each in a folder of its own.
TYPED = (
    "README.md",
    "docs/bench.md",
    "docs/bisect.md",
    "docs/building.md",
    "docs/runtime.md",
    "docs/store.md",
    "docs/update.md",
)
#: Those among them that fetch something.
FETCHING = {"docs/runtime.md"}
PAGES = (*TYPED, "CONTRIBUTING.md", "CHANGELOG.md")
# What the README's commands read; they run in a copy, so that a test leaves nothing behind in the checkout.
EXAMPLE_INPUTS = ("examples", "bundle.toml")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"^make ([a-z0-9-]+)|`make ([a-z0-9-]+)`", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")
#: A command at the head of a row of the README's table.
WORD = re.compile(r"`(?:python -m bundle )?([a-z-]+)")


def page(root: Path, name: str) -> str:
    return (root / name).read_text("utf-8")


def is_set_up(line: str) -> bool:
    """Whether a line only calls make, which is what runs this very test."""
    return line.startswith("make ")


def environment() -> dict[str, str]:
    """An activated environment: the interpreter of this test comes first on the path."""
    first = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([first, os.environ["PATH"]])}


def execute(language: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = {
        "sh": ["bash", "-euo", "pipefail", "-c", text],
        "python": [sys.executable, "-W", "error", "-c", text],
    }[language]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


@pytest.mark.parametrize(
    "typed", [pytest.param(name, marks=[pytest.mark.network] if name in FETCHING else []) for name in TYPED]
)
def test_the_blocks_of_a_page_run_in_their_order(root: Path, tmp_path: Path, typed: str) -> None:
    for name in EXAMPLE_INPUTS:
        source = root / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    blocks = BLOCK.findall(page(root, typed))
    assert {language for language, _ in blocks} <= {"sh", "python"} and blocks
    for language, text in blocks:
        to_run = "".join(line for line in text.splitlines(keepends=True) if not is_set_up(line))
        done = execute(language, to_run, tmp_path)
        assert done.returncode == 0, f"{to_run}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_the_python_block_is_a_program_of_ten_lines(root: Path) -> None:
    [program] = [text for language, text in BLOCK.findall(page(root, "README.md")) if language == "python"]
    assert len([line for line in program.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("name", PAGES)
def test_every_make_target_that_a_page_names_exists(root: Path, name: str) -> None:
    targets = {first or second for first, second in MAKE.findall(page(root, name))}
    for target in sorted(targets):
        done = subprocess.run(["make", "-n", target], cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert targets or name not in ("README.md", "CONTRIBUTING.md")


def test_every_documented_make_target_is_in_the_table_of_commands(root: Path) -> None:
    shown = subprocess.run(["make", "help"], cwd=root, check=True, capture_output=True, text=True).stdout
    helped = set(re.findall(r"^  make ([a-z0-9-]+) +\S", shown, re.MULTILINE))
    declared = re.search(r"^\.PHONY: (.*)$", page(root, "Makefile"), re.MULTILINE)
    assert declared and helped == set(declared[1].split())


def test_the_readme_lists_the_commands_that_exist(root: Path) -> None:
    rows = [line for line in page(root, "README.md").splitlines() if line.startswith("| `python -m bundle ")]
    listed = {name for row in rows for name in WORD.findall(row.split("|")[1])}
    shown = execute("sh", "python -m bundle --help", root).stdout
    existing = set(re.findall(r"^    ([a-z-]+)", shown, re.MULTILINE)) - {"positional"}
    assert listed == existing
    for name in sorted(listed):
        done = execute("sh", f"python -m bundle {name} --help", root)
        assert done.returncode == 0, done.stderr
        assert "example" in done.stdout.lower()


@pytest.mark.parametrize("name", PAGES)
def test_every_link_into_the_repository_leads_somewhere(root: Path, name: str) -> None:
    folder = (root / name).parent
    assert [link for link in LINK.findall(page(root, name)) if not (folder / link).exists()] == []
