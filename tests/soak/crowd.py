"""Many threads that share a few predictors, and open and close them at random under each other's hands."""

import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import bundle
from bundle.align import aligned_empty
from bundle.error import BundleError
from bundle.predictor import Predictor
from tests.soak import limits, work
from tests.soak.measure import Look, look

SHARED = 3
#: What threads do, and how often: to close while others predict is what this is about.
WEIGHTS = {"predict": 60, "into": 15, "bind": 10, "replace": 10, "drop": 5}


@dataclass
class Crowd:
    """What came of it.

    Attributes:
        done: how often each thing was done.
        closed: how often a predictor was closed by another thread before or during a call.
        failures: what must not be.
        before: the process before the threads, with the library loaded.
        after: the process when all is closed.
    """

    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WEIGHTS, 0))
    closed: int = 0
    failures: list[str] = field(default_factory=list)
    before: Look = field(default_factory=look)
    after: Look = field(default_factory=look)

    def left_over(self, runtime: str, threads: int) -> list[str]:
        """What the process still holds, and must not."""
        allowed = limits.THREADS[runtime] + (threads if runtime in limits.KEEPS_THREADS else 0)
        left = {
            "file descriptors": (self.after.files - self.before.files, limits.FILES),
            "threads": (self.after.threads - self.before.threads, allowed),
        }
        return [
            f"{runtime}, {threads} threads: {more} {what} left over"
            for what, (more, most) in left.items()
            if more > most
        ]


class _Room:
    """The predictors that all threads share, and what each thread does with them."""

    def __init__(self, path: Path, runtime: str, right: list[bytes]) -> None:
        self._path, self._runtime, self._right = path, runtime, right
        self._given = work.inputs()
        self.predictors = [self._open() for _ in range(SHARED)]
        self.lock = threading.Lock()
        self.crowd = Crowd()

    def live(self, seed: int, end: float) -> None:
        """Do things at random until the time is up."""
        chance = random.Random(seed)
        while time.monotonic() < end:
            [kind] = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            closed, failure = 0, ""
            try:
                failure = self._do(kind, chance)
            except BundleError as error:
                closed = error.code == "predictor_closed"
                failure = "" if closed else f"{kind}: {error.code}: {error}"
            except Exception as error:
                failure = f"{kind}: {error!r}"
            with self.lock:
                self.crowd.done[kind] += 1
                self.crowd.closed += closed
                self.crowd.failures += [failure] if failure else []

    def _do(self, kind: str, chance: random.Random) -> str:
        place, turn = chance.randrange(SHARED), chance.randrange(len(self._given))
        x = self._given[turn]
        if kind == "replace":
            mine = self._open()
            with self.lock:
                mine, self.predictors[place] = self.predictors[place], mine
            mine.close()
            return ""
        predictor = self._open() if kind == "drop" else self.predictors[place]
        found = self._asked(kind, predictor, x)
        return "" if found == self._right[turn] else f"{kind}: other bytes for {len(x)} rows"

    def _asked(self, kind: str, predictor: Predictor, x: np.ndarray) -> bytes:
        if kind in ("predict", "drop"):
            return predictor.predict(x)["y"].tobytes()
        y = aligned_empty((len(x), 10), np.dtype(np.float32))
        if kind == "into":
            predictor.predict_into(x, {"y": y})
        else:
            given = aligned_empty(x.shape, x.dtype)
            given[...] = x
            call = predictor.bind({"x": given}, {"y": y})
            call.run()
        return y.tobytes()

    def _open(self) -> Predictor:
        return bundle.open(self._path, runtime=self._runtime)


def crowd(path: Path, runtime: str, right: list[bytes], threads: int, seconds: float) -> Crowd:
    """Let threads live in one room for that long; `right` holds the answers to `work.inputs`."""
    bundle.open(path, runtime=runtime).close()
    before = look()
    room = _Room(path, runtime, right)
    end = time.monotonic() + seconds
    people = [threading.Thread(target=room.live, args=(seed, end)) for seed in range(threads)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    for predictor in room.predictors:
        predictor.close()
    room.predictors.clear()
    room.crowd.before, room.crowd.after = before, look()
    return room.crowd
