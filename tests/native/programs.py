"""Where `make native` leaves the programs, and how a test starts one."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

#: `bundle-predict` of each native predictor.
PROGRAMS = {
    "cpp": ROOT / "build" / "cpp" / "bundle-predict",
    "go": ROOT / "build" / "go" / "bundle-predict",
    "rust": ROOT / "target" / "release" / "bundle-predict",
}


def onnxruntime_library() -> Path:
    """The shared library of the `onnxruntime` wheel in this environment."""
    found = importlib.util.find_spec("onnxruntime")
    assert found and found.submodule_search_locations
    [library] = (Path(found.submodule_search_locations[0]) / "capi").glob("libonnxruntime.so.*")
    return library


def environment(**changes: str | None) -> dict[str, str]:
    """This process's variables with ONNX Runtime named; None takes one away."""
    wanted = {**os.environ, "ORT_DYLIB_PATH": str(onnxruntime_library()), **changes}
    return {name: value for name, value in wanted.items() if value is not None}


def answers(
    program: Path, requests: list[dict[str, Any]], variables: dict[str, str], folder: Path = ROOT
) -> list[dict[str, Any]]:
    """Send the requests to a new process; return its replies. It has to end without a crash."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        [program], input=lines, env=variables, cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{program}: exit code {done.returncode}\n{done.stderr}"
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(replies) == len(requests), done.stderr
    return replies


def passed(command: list[str | Path], variables: dict[str, str] | None = None, seconds: float = 900) -> str:
    """Run a program that has to succeed; return what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, env=variables or environment(), capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    return done.stdout
