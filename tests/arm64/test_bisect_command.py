"""`python -m bundle bisect --runner`: which node a board computes differently."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.arm64.machines import LIMIT, PROGRAMS, ROOT, arm64_library, environment

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("tolerance", "status"), [("close", 0), ("exact", 1)])
def test_last_bits_of_another_machine_are_traced_to_a_node(
    tolerance: str, status: int, built: Callable[[str], Path], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "bundle", "bisect", str(built("arm64")), "--format", "onnx", "--json"]
    command += ["--a", "python", "--b", "cpp", f"--driver=cpp={PROGRAMS['cpp']}", "--tolerance", tolerance]
    command += ["--runner", "qemu-aarch64 -cpu cortex-a72", "--library", str(arm64_library())]
    command += ["--output", str(tmp_path / "found")]
    done = subprocess.run(
        command, env=environment("cortex-a72"), cwd=ROOT, capture_output=True, text=True, timeout=2 * LIMIT
    )
    assert done.returncode == status, done.stdout + done.stderr
    tree = json.loads(done.stdout)
    assert tree["cause"] == ("operator" if status else "none")
    assert not status or (tree["node"] and tree["reproduced"])
