"""`python -m bundle parity --runner`, as a user compares a board with this machine."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.builder import BuildResult
from tests.arm64.machines import LIMIT, PROGRAMS, ROOT, arm64_library, environment

pytestmark = pytest.mark.slow


def parity(bundle: Path, form: str) -> dict[str, Any]:
    """What the command tells of a bundle, in which nothing may differ."""
    command = [sys.executable, "-m", "bundle", "parity", str(bundle), "--format", form, "--json"]
    command += ["--runner", "qemu-aarch64 -cpu cortex-a72", "--library", str(arm64_library())]
    command += [f"--driver={language}={program}" for language, program in PROGRAMS.items()]
    done = subprocess.run(
        command, env=environment("cortex-a72"), cwd=ROOT, capture_output=True, text=True, timeout=2 * LIMIT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tree: dict[str, Any] = json.loads(done.stdout)
    assert tree["ok"] is True
    return tree


@pytest.mark.parametrize("form", ["onnx", "ort"])
def test_natives_behind_a_runner_are_alike_and_near_this_machine(
    form: str, built: Callable[[str], Path]
) -> None:
    assert parity(built("arm64"), form)


def test_a_sum_that_is_rounded_a_step_apart_lies_within_its_tolerance(built_residual: BuildResult) -> None:
    assert "within `quantized`" in json.dumps(parity(built_residual.path, "ort"), ensure_ascii=False)
