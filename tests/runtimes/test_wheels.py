"""The two wheels in clean environments: the pure one, and the one with the predictors of other languages."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bundle.runtimes import NATIVE

pytestmark = pytest.mark.slow

BUILD = "import sys, scikit_build_core.build as backend; print(backend.build_wheel(sys.argv[1]))"
USE = """
import sys
import numpy as np
import bundle
for runtime in sys.argv[2:]:
    try:
        predictor = bundle.open(sys.argv[1], runtime=runtime)
    except bundle.BundleError as error:
        print(runtime, error.code)
        continue
    with predictor:
        assert predictor.self_test().passed
        inputs = {port.name: np.ones([size if type(size) is int else 2 for size in port.shape], port.dtype)
                  for port in predictor.inputs}
        print(runtime, {name: array.tolist() for name, array in predictor.predict(inputs).items()})
"""


def run(command: list[object], cwd: Path, **environment: str) -> str:
    """Run a command that has to succeed; return what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def built(root: Path, folder: Path, **environment: str) -> Path:
    """Build a wheel of the checkout, without a network."""
    return folder / run([sys.executable, "-c", BUILD, folder], root, **environment).splitlines()[-1]


def installed(root: Path, wheel: Path, extra: str, folder: Path) -> Path:
    """Install a wheel in an environment of its own; return the interpreter."""
    uv = Path(sys.executable).parent / "uv"
    python = folder / "bin" / "python"
    pins = [
        word for name in ("build", "dev") for word in ("--constraint", root / "requirements" / f"{name}.txt")
    ]
    run([uv, "venv", "--quiet", "--python", sys.executable, folder], root)
    run([uv, "pip", "install", "--quiet", "--python", python, *pins, f"edgebundle{extra} @ {wheel}"], root)
    return python


def answers(python: Path, root: Path, folder: Path) -> dict[str, str]:
    """What each runtime answers there."""
    bundle = root / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"
    printed = run([python, "-c", USE, bundle, "python", *NATIVE], folder)
    return dict(line.split(" ", 1) for line in printed.splitlines())


def test_the_pure_wheel_predicts_in_python_and_says_what_it_lacks(root: Path, tmp_path: Path) -> None:
    wheel = built(root, tmp_path)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")] == []
    found = answers(installed(root, wheel, "", tmp_path / "environment"), root, tmp_path)
    assert found.pop("python").startswith("{")
    assert found == dict.fromkeys(NATIVE, "runtime_missing")


def test_the_wheel_with_bindings_predicts_in_every_language(root: Path, tmp_path: Path) -> None:
    wheel = built(root, tmp_path, EDGEBUNDLE_NATIVE="1")
    assert f"-cp{sys.version_info.major}{sys.version_info.minor}-" in wheel.name
    modules = {Path(name).name.split(".")[0] for name in zipfile.ZipFile(wheel).namelist() if ".so" in name}
    assert modules == {f"_{name}" for name in NATIVE}
    found = answers(installed(root, wheel, "[native]", tmp_path / "environment"), root, tmp_path)
    assert found.keys() == {"python", *NATIVE}
    assert found["python"].startswith("{")
    assert len(set(found.values())) == 1, found
