"""A process without file descriptors, or without address space, gets codes, and goes on when it has them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.runtimes import NATIVE
from tests.soak.starved import ROOMS, SIZES, SPARE, rooms

pytestmark = pytest.mark.slow

RUNTIMES = ("python", *NATIVE)
_PATIENCE = 120


def starved(of: str, runtime: str, root: Path) -> dict[str, str]:
    """What a child without these says; one that hangs or crashes fails."""
    command = [sys.executable, "-m", "tests.soak.starved", of, runtime]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=_PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_without_file_descriptors(runtime: str, root: Path) -> None:
    told = starved("files", runtime, root)
    assert told["open, 0 files"] == "bundle_not_found"
    assert told["open by itself, 0 files"] in ("bundle_not_found", "library_not_found")
    # Python reads the module for it then; the others have it within.
    assert told["self_test, 0 files"] == ("runtime_failure" if runtime == "python" else "golden_missing")
    for spare in range(SPARE):
        assert told[f"predict, {spare} files"] == "right"
    assert told[f"open, {SPARE - 1} files"] == told["open again"] == "right"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_without_address_space(runtime: str, root: Path) -> None:
    told = starved("room", runtime, root)
    for room in rooms(runtime):
        assert told[f"predict, {room} bytes"] == "right"
        for size in SIZES:
            said = told[f"{size} elements, {room} bytes"]
            assert said == "runtime_failure" or (said == "right" and size <= max(ROOMS) // 4)
        # Where the memory ends decides who notices first: ONNX Runtime, or who reads the files.
        assert told.get(f"open, {room} bytes", "right") in ("right", "internal_error", "model_rejected")
    assert told[f"{SIZES[0]} elements, {ROOMS[-1]} bytes"] == "right"
    assert told["open again"] == "right"
