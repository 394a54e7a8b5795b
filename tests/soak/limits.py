"""What counts as flat, for every length of a soak."""

import os
from pathlib import Path

#: Bytes by which the anonymous memory of a process may grow from the first to the last look, by the median
#: slope. It does not grow with the number of operations, so the longer run finds the smaller leak: two bytes
#: a prediction in a million, 20 bytes an opening in a hundred thousand. The collectors of Go and Python and
#: the pools of malloc swing by some of that from one look to the next.
GROWTH = 2 << 20

#: The module onnxruntime_go 1.35.0 never frees the path of a model that it loads (`createCSessionFromFile`),
#: and an opening loads it twice: what malloc takes for that path is lost each time.
_LOADS = {"go": 2}
_CHUNK, _HEADER = 16, 8


def lost_by_opening(runtime: str, model: Path) -> int:
    """Bytes that an opening loses through no fault of ours."""
    taken = len(os.fsencode(model)) + 1 + _HEADER
    return _LOADS.get(runtime, 0) * -(-taken // _CHUNK) * _CHUNK


#: File descriptors that may be left over when everything is closed.
FILES = 0

#: Threads that may be left over. Go's scheduler keeps each thread that it started: some of its own, and one
#: for each thread of the caller that waited outside of Go.
THREADS = {"python": 0, "cpp": 0, "rust": 0, "go": 4}
KEEPS_THREADS = frozenset({"go"})
