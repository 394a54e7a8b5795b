"""Take file descriptors or address space from this process, and say how a runtime answers then.

`python -m tests.soak.starved files|room RUNTIME` prints a JSON list of [what was tried, the answer]: `right`,
or a code. What is no `BundleError` ends the process with a traceback.
"""

import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

import bundle
from bundle import library
from bundle.error import BundleError
from tests.runtime.make_bundle import write
from tests.soak import work
from tests.vectors.kit import Bundle, answer, build, given
from tests.vectors.model import node

#: Descriptors that are given back one after the other once none is left.
SPARE = 6
#: Bytes of address space beyond what is used, and elements of an output that does or does not fit there.
ROOMS, SIZES = (0, 1 << 20, 16 << 20, 100 << 20), (1 << 18, 8 << 20, 50 << 20, 1 << 30, 1 << 40)
_FILES = 300
#: Runtimes that end the process where an allocation fails while they open: Go has no other way for all that
#: its collector manages.
ABORTING = frozenset({"go"})

Told = list[tuple[str, str]]


def growing() -> Bundle:
    """A model whose output is as large as its input says."""
    return build(
        [given("x", "int64", [1])],
        [answer("y", "float32", ["rows"])],
        [node("ConstantOfShape", "x", "y")],
        lambda inputs: inputs,
    )


def files(folder: Path, runtime: str) -> Told:
    """Open, and predict from what was opened before, with no descriptor left, then with one, two, ..."""
    path = work.make(folder)
    right, [x, *_] = work.answers(path)[0], work.inputs()
    options = {} if runtime == "python" else {"library": str(library.shared_library())}
    old, told = bundle.open(path, runtime=runtime, **options), []
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, limits[1]))
    taken = []
    with suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    for spare in range(SPARE):
        about = f"{spare} files"
        told.append((f"open, {about}", _tried(lambda: bundle.open(path, runtime=runtime, **options).close())))
        told.append((f"open by itself, {about}", _tried(lambda: bundle.open(path, runtime=runtime).close())))
        told.append((f"predict, {about}", _tried(lambda: _same(old.predict(x)["y"].tobytes(), right))))
        told.append((f"self_test, {about}", _tried(old.self_test)))
        os.close(taken.pop())
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    told.append(("open again", _tried(lambda: bundle.open(path, runtime=runtime).close())))
    return told


def room(folder: Path, runtime: str) -> Told:
    """Ask for outputs that fit and that do not, with little address space left and with none."""
    path, large = work.make(folder), write(growing(), folder / "growing")
    right, [x, *_] = work.answers(path)[0], work.inputs()
    small, grown = (bundle.open(one, runtime=runtime) for one in (path, large))
    grown.predict(np.array([3]))
    told: Told = []
    for more in ROOMS:
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))
        for size in SIZES:
            said = _tried(lambda size=size: _same(grown.predict(np.array([size]))["y"].shape, (size,)))
            told.append((f"{size} elements, {more} bytes", said))
        told.append((f"predict, {more} bytes", _tried(lambda: _same(small.predict(x)["y"].tobytes(), right))))
        if runtime not in ABORTING:
            told.append((f"open, {more} bytes", _tried(lambda: bundle.open(path, runtime=runtime).close())))
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    told.append(("open again", _tried(lambda: bundle.open(path, runtime=runtime).close())))
    return told


def _tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except BundleError as error:
        return error.code
    return "right"


def _same(found: object, right: object) -> None:
    if found != right:
        raise AssertionError("another answer")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps({"files": files, "room": room}[sys.argv[1]](Path(scratch), sys.argv[2])))
