"""The example programs of README.md, each built as a project of its own would, answer as Python does."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bundle
from bundle.tolerance import Tolerance, compare
from tests.native.programs import ROOT, environment, passed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

EXAMPLES = ROOT / "examples"
NUMBER = re.compile(r"\d+\.?\d*(?:e[+-]?\d+)?")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example bundle for any target."""
    folder = tmp_path_factory.mktemp("bundles")
    passed([sys.executable, "-m", "bundle", "build", "--target", "any", "--output", folder])
    [made] = (path for path in folder.iterdir() if path.is_dir())
    return made


def inside(folder: Path, *command: str | Path) -> str:
    """Run a program of somebody else's project."""
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{command}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    return done.stdout


def with_rust(folder: Path, digits: Path) -> str:
    shutil.copytree(EXAMPLES / "rust", folder / "src")
    manifest = f'[dependencies]\nedgebundle = {{ path = "{ROOT}" }}\n'
    package = '[package]\nname = "example"\nversion = "0.0.1"\nedition = "2024"\n'
    (folder / "Cargo.toml").write_text(package + manifest, "utf-8")
    shutil.copy(ROOT / "Cargo.lock", folder)
    return inside(folder, "cargo", "run", "--quiet", "--release", "--", digits)


def with_go(folder: Path, digits: Path) -> str:
    shutil.copy(EXAMPLES / "go" / "main.go", folder)
    shutil.copy(ROOT / "go.sum", folder)
    inside(folder, "go", "mod", "init", "example")
    inside(folder, "go", "mod", "edit", f"-replace=example.com/edgebundle={ROOT}")
    inside(folder, "go", "mod", "edit", "-require=example.com/edgebundle@v0.0.0")
    inside(folder, "go", "mod", "tidy")
    return inside(folder, "go", "run", ".", digits)


def with_cpp(folder: Path, digits: Path) -> str:
    source, prefix = folder / "source", folder / "prefix"
    shutil.copytree(EXAMPLES / "cpp", source)
    passed(["cmake", "--install", ROOT / "build" / "cpp", "--prefix", prefix])
    inside(
        source, "cmake", "-S", source, "-B", folder / "made", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}"
    )
    inside(source, "cmake", "--build", folder / "made")
    return inside(source, folder / "made" / "example", digits)


@pytest.mark.parametrize(
    "run", [with_cpp, with_go, with_rust], ids=lambda function: function.__name__.removeprefix("with_")
)
def test_an_example_answers_as_python_does(run, digits: Path, tmp_path: Path) -> None:
    printed = np.array(NUMBER.findall(run(tmp_path, digits)), np.float32)
    with bundle.open(digits) as predictor:
        answer = predictor.predict(np.zeros((1, 1, 8, 8), np.float32))["probabilities"][0]
    # Six digits of each number are printed.
    assert compare(printed, answer, Tolerance("close")).ok


@pytest.mark.parametrize("path", ["cpp/main.cpp", "go/main.go", "rust/main.rs"])
def test_an_example_is_ten_lines_and_the_readme_leads_to_it(path: str) -> None:
    lines = (EXAMPLES / path).read_text("utf-8").splitlines()
    # What tells the compiler where to begin is no line of the program.
    frame = re.compile(r"\s*(//.*|#include.*|use .*|package .*|import .*|\"[\w./]+\"|[(){}]+)?")
    assert len([line for line in lines if not frame.fullmatch(line)]) <= 10
    assert f"](examples/{path})" in (ROOT / "README.md").read_text("utf-8")
