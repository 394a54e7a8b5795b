"""Looks at this process while something is done many times: memory, file descriptors and threads."""

import gc
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

from tests.soak import limits

#: Looks at one run, and the share of its operations that fill pools and caches before the first.
LOOKS, WARM_UP = 20, 0.1
_KIB = 1024


@dataclass(frozen=True)
class Look:
    """What a process holds.

    Attributes:
        done: operations before it.
        resident: bytes in memory.
        anonymous: bytes in memory that no file stands behind: heaps and stacks.
        files: open file descriptors.
        threads: of the process.
    """

    done: int
    resident: int
    anonymous: int
    files: int
    threads: int


@dataclass(frozen=True)
class Soak:
    """What came of one run.

    Attributes:
        kind: ``predictions`` or ``opens``.
        count: operations after warming up.
        seconds: that these took.
        looks: from the first, after warming up, to the last.
        lost: bytes that an operation is known to lose.
    """

    kind: str
    count: int
    seconds: float
    looks: tuple[Look, ...]
    lost: int = 0

    @property
    def slope(self) -> float:
        """Bytes of anonymous memory per operation: the median over all pairs of looks."""
        pairs = combinations(self.looks, 2)
        return median((b.anonymous - a.anonymous) / (b.done - a.done) for a, b in pairs)

    @property
    def growth(self) -> int:
        """Bytes by which anonymous memory grew over the run, by its slope."""
        return round(self.slope * (self.looks[-1].done - self.looks[0].done))

    def faults(self, runtime: str) -> list[str]:
        """What grew more than tests/soak/limits.py allows."""
        first, last = self.looks[0], self.looks[-1]
        grown = {
            "bytes of memory": (self.growth, limits.GROWTH + self.lost * self.count),
            "file descriptors": (last.files - first.files, limits.FILES),
            "threads": (last.threads - first.threads, limits.THREADS[runtime]),
        }
        return [
            f"{runtime}, {self.count} {self.kind}: {more} {what} more, where {allowed} are allowed"
            for what, (more, allowed) in grown.items()
            if more > allowed
        ]

    def as_tree(self) -> dict[str, Any]:
        """The figures for JSON."""
        figures = {"slope": round(self.slope, 3), "growth": self.growth}
        return {**asdict(self), **figures}


def look(done: int = 0) -> Look:
    """Look at this process once what nobody holds is let go."""
    gc.collect()
    rows = (line.split(":") for line in Path("/proc/self/status").read_text("ascii").splitlines())
    status = {name: value.split()[0] for name, value in rows if value.split()}
    # Listing the folder opens it.
    files = len(os.listdir("/proc/self/fd")) - 1
    anonymous, resident = int(status["RssAnon"]) * _KIB, int(status["VmRSS"]) * _KIB
    return Look(done, resident, anonymous, files, int(status["Threads"]))


def soak(kind: str, work: Callable[[int], None], count: int, lost: int = 0) -> Soak:
    """Do something many times; `work` is told how often it was called before, `lost` is as of `Soak`."""
    warm = max(1, round(count * WARM_UP))
    for number in range(warm):
        work(number)
    looks, seconds, done = [look()], 0.0, 0
    for turn in range(1, LOOKS + 1):
        end, began = count * turn // LOOKS, time.perf_counter()
        for number in range(done, end):
            work(number)
        seconds += time.perf_counter() - began
        if end > done:
            looks.append(look(end))
        done = end
    return Soak(kind, count, seconds, tuple(looks), lost)
