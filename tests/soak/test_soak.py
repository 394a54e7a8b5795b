"""Every runtime holds what it held before, after many predictions and openings, one by one and in a crowd."""

import json
import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bundle.runtimes import NATIVE
from tests.soak import limits
from tests.soak.crowd import WEIGHTS
from tests.soak.measure import LOOKS, Look, Soak, look, soak

RUNTIMES = ("python", *NATIVE)
#: What CI asks of each runtime; CONTRIBUTING.md tells of the long run.
PREDICTIONS, OPENS, THREADS, SECONDS = 20_000, 500, 16, 10
# Many times what it takes on a loaded machine; what hangs is found.
_PATIENCE = 500


def run(root: Path, *words: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.soak", "--json", *map(str, words)]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=_PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_predictions_and_openings_leave_nothing_behind(runtime: str, root: Path) -> None:
    figures = run(root, "--runtime", runtime, "--predictions", PREDICTIONS, "--opens", OPENS)
    counts = {one["kind"]: (one["count"], len(one["looks"])) for one in figures["soaks"]}
    assert counts == {"predictions": (PREDICTIONS, LOOKS + 1), "opens": (OPENS, LOOKS + 1)}


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_threads_open_and_close_under_each_others_hands(runtime: str, root: Path) -> None:
    words = ("--predictions", 0, "--opens", 0, "--threads", THREADS, "--seconds", SECONDS)
    crowd = run(root, "--runtime", runtime, *words)["crowd"]
    assert crowd["failures"] == []
    assert crowd["done"].keys() == WEIGHTS.keys() and all(crowd["done"].values())


def test_a_leak_of_memory_and_of_files_is_found() -> None:
    kept: list[object] = []

    def leaking(number: int) -> None:
        # Pages of its own: what malloc gives may lie in memory that this process has already.
        pages = mmap.mmap(-1, 2 * limits.GROWTH // 1000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        pages.write(b"\1" * len(pages))
        kept.append(pages)
        if number == 500:
            kept.append(os.open(os.devnull, os.O_RDONLY))

    made = soak("leaks", leaking, 1000)
    os.close(next(one for one in kept if isinstance(one, int)))
    found = made.faults("rust")
    assert ["bytes of memory" in fault for fault in found] == [True, False]
    assert "1 file descriptors more" in found[1]


def test_what_swings_is_no_leak() -> None:
    looks = [Look(done, 0, limits.GROWTH * 10 * (done % 2), 5, 2) for done in range(LOOKS + 1)]
    assert Soak("swings", LOOKS, 1.0, tuple(looks)).faults("python") == []
    steady = [Look(done, 0, limits.GROWTH * done // 10, 5, 2) for done in range(LOOKS + 1)]
    assert Soak("grows", LOOKS, 1.0, tuple(steady)).growth == pytest.approx(2 * limits.GROWTH, rel=0.01)


def test_a_look_counts_what_is_open() -> None:
    before = look()
    descriptor = os.open(os.devnull, os.O_RDONLY)
    assert look().files == before.files + 1
    os.close(descriptor)
    assert look().files == before.files and before.anonymous <= before.resident
