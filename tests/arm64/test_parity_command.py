"""`python -m bundle parity --runner`, as a user compares a board with this machine."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.arm64.machines import LIMIT, PROGRAMS, ROOT, arm64_library, environment

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("form", ["onnx", "ort"])
def test_natives_behind_a_runner_are_alike_and_near_this_machine(
    form: str, built: Callable[[str], Path]
) -> None:
    command = [sys.executable, "-m", "bundle", "parity", str(built("arm64")), "--format", form, "--json"]
    command += ["--runner", "qemu-aarch64 -cpu cortex-a72", "--library", str(arm64_library())]
    command += [f"--driver={language}={program}" for language, program in PROGRAMS.items()]
    done = subprocess.run(
        command, env=environment("cortex-a72"), cwd=ROOT, capture_output=True, text=True, timeout=2 * LIMIT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"] is True
