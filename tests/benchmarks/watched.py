"""Run a command and say what it cost."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PERIOD = 0.02
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Cost:
    """What a command cost, with all processes that it started.

    Attributes:
        seconds: from start to end.
        cpu_seconds: of all cores; on a busy machine it moves less than the time does.
        largest: bytes of memory of the largest process at its peak.
        together: bytes of all its processes at the peak of their sum, as seen every 20 ms; pages that
            two processes share count twice.
    """

    seconds: float
    cpu_seconds: float
    largest: int
    together: int


def watch(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end; what it prints goes to a file.

    Raises:
        RuntimeError: it failed; the message has the end of what it printed.
    """
    done = threading.Event()
    peak = [0]
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        watcher = threading.Thread(target=_sum_up, args=(process.pid, done, peak))
        watcher.start()
        # Not Popen.wait, which keeps the resources to itself; they include the process's own children.
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        watcher.join()
    if process.returncode:
        told = log.read_text("utf-8", "replace")[-2000:]
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {told}")
    largest = used.ru_maxrss * 1024
    return Cost(seconds, used.ru_utime + used.ru_stime, largest, max(peak[0], largest))


def _sum_up(session: int, done: threading.Event, peak: list[int]) -> None:
    """Keep the largest sum of memory of all processes of a session."""
    while not done.wait(_PERIOD):
        total = sum(_resident(folder, session) for folder in Path("/proc").iterdir() if folder.name.isdigit())
        peak[0] = max(peak[0], total)


def _resident(folder: Path, session: int) -> int:
    """Bytes that a process holds; 0 where it is of another session or gone."""
    try:
        # The name of the program, in brackets, may hold anything.
        fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        if int(fields[3]) != session:
            return 0
        return int((folder / "statm").read_text("ascii").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
