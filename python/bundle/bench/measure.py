"""Time calls in rounds, all subjects in turn, so that whatever drifts meets all of them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key")

_ROUNDS = 20
# The first calls of a subject's turn find another one's data in the caches, which is no figure of its own.
_SETTLING = 2
# The order of the turns is drawn anew in every round, and the same in every process.
_SEED = 0


@dataclass
class Samples:
    """What was measured of one subject.

    Attributes:
        rounds: nanoseconds of each call, an array of int64 for each round.
        cpu: nanoseconds of the processor, of all threads, for all these calls.
    """

    rounds: list[NDArray[np.int64]] = field(default_factory=list)
    cpu: int = 0


def round_count(runs: int) -> int:
    """Return in how many rounds so many calls are made."""
    return min(runs, _ROUNDS)


def measure(
    calls: Mapping[Key, Callable[[], Any]], runs: int, warmup: int, tick: Callable[[], None]
) -> dict[Key, Samples]:
    """Call every subject ``runs`` times.

    Args:
        calls: the subjects.
        runs: calls that are counted, of each subject; at least 1.
        warmup: calls before them.
        tick: called after each round.
    """
    for call in calls.values():
        for _ in range(warmup):
            call()
    samples: dict[Key, Samples] = {key: Samples() for key in calls}
    subjects = list(calls.items())
    generator = np.random.Generator(np.random.PCG64(_SEED))
    for share in np.array_split(np.arange(runs), round_count(runs)):
        for index in generator.permutation(len(subjects)):
            key, call = subjects[index]
            _turn(call, len(share), samples[key])
        tick()
    return samples


def _turn(call: Callable[[], Any], count: int, samples: Samples) -> None:
    times, clock = [0] * count, time.perf_counter_ns
    with _collector_at_rest():
        for _ in range(_SETTLING):
            call()
        busy = time.process_time_ns()
        for index in range(count):
            begun = clock()
            call()
            times[index] = clock() - begun
        samples.cpu += time.process_time_ns() - busy
    samples.rounds.append(np.array(times, np.int64))


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep Python from collecting what others left behind in the midst of a call."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
