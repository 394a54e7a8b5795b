"""Programs for arm64 as `make arm64` leaves them, run in qemu, and the example bundle for arm64."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.builder import BuildResult
from tests.arm64.machines import LIMIT, PROGRAMS, ROOT, environment
from tests.arm64.residual import build_residual

Ask = Callable[..., list[dict[str, Any]]]


def exchanged(
    command: list[str | Path], requests: list[dict[str, Any]], variables: dict[str, str] | None
) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        command, input=lines, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT
    )
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, len(replies)) == (0, len(requests)), done.stderr
    return replies


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Return the replies of the emulated program of a language to requests."""

    def asked(language: str, requests: list[dict[str, Any]], cpu: str = "cortex-a72") -> list[dict[str, Any]]:
        return exchanged(["qemu-aarch64", PROGRAMS[language]], requests, environment(cpu))

    return asked


@pytest.fixture(scope="session")
def ask_host() -> Ask:
    """Return the replies of the Python predictor on this machine."""

    def asked(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return exchanged([sys.executable, "-m", "bundle.driver"], requests, None)

    return asked


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the example bundle for a target, built once."""
    made: dict[str, Path] = {}

    def build(target: str) -> Path:
        if target not in made:
            folder = tmp_path_factory.mktemp("bundles")
            command = [sys.executable, "-m", "bundle", "build", "--target", target, "--output", folder]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
            assert done.returncode == 0, done.stderr
            [made[target]] = (path for path in folder.iterdir() if path.is_dir())
        return made[target]

    return build


@pytest.fixture(scope="session")
def built_residual(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    """Return the made model with an int8 sum, built once."""
    return build_residual(tmp_path_factory.mktemp("residual"))
