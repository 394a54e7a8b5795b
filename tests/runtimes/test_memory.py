"""Many calls of every kind, good and bad, leave the memory of the process as it was."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.runtimes.children import python

# A leak at each call is found, be it of 250 bytes, and one of a session at each opening, in bytes. The
# collector of Go lets the size swing by some of that.
ALLOWED = 2 << 20
CALLS = 10_000
OPENINGS = 200

PROGRAM = """
import gc, json, os, sys, tempfile
from pathlib import Path
import numpy as np
import bundle
from bundle.align import aligned_empty
from tests.runtime.make_bundle import one_node, write

runtime = {runtime!r}
folder = Path(tempfile.mkdtemp())
made = one_node("Neg")
made.tree["batch"] = {{"symbol": "batch"}}
numbers = bundle.open(write(made, folder / "numbers"), runtime=runtime)
texts = bundle.open(write(one_node("Identity", "string"), folder / "texts"), runtime=runtime)
x, y = (aligned_empty((200, 3), np.dtype(np.float32)) for _ in range(2))
x[...] = 1
words = np.array([["a", "longer than a small text", "z"]] * 20, object)
bound = numbers.bind({{"x": x}}, {{"y": y}})

def refused(work):
    try:
        work()
    except bundle.BundleError:
        return
    raise SystemExit("not refused")

kinds = {{
    "predict": lambda: numbers.predict({{"x": x}}),
    "turned": lambda: numbers.predict({{"x": np.zeros((3, 200), np.float32).T}}),
    "text": lambda: texts.predict({{"x": words}}),
    "predict_into": lambda: numbers.predict_into({{"x": x}}, {{"y": y}}),
    "bind": lambda: numbers.bind({{"x": x}}, {{"y": y}}).run(),
    "run": lambda: bound.run(),
    "predict_batch": lambda: numbers.predict_batch({{"x": x}}, 100, lambda done, rows: True),
    "refused": lambda: refused(lambda: numbers.predict({{"x": x[:, :2].copy()}})),
    "cancelled": lambda: refused(lambda: numbers.predict_batch({{"x": x}}, 100, lambda done, rows: False)),
    "open": lambda: bundle.open(folder / "numbers", runtime=runtime).close(),
    "open and forget": lambda: bundle.open(folder / "numbers", runtime=runtime).predict({{"x": x}}),
    "open what is none": lambda: refused(lambda: bundle.open(folder, runtime=runtime)),
}}
def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
grown = {{}}
for name, work in kinds.items():
    sizes = []
    for _ in range(4):
        for _ in range({openings} if name.startswith("open") else {calls}):
            work()
        sizes.append(resident())
    grown[name] = sizes
print(json.dumps(grown))
"""


@pytest.mark.slow
def test_memory_stays_as_it_was(runtime: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    program = PROGRAM.format(runtime=runtime, calls=CALLS, openings=OPENINGS)
    resident = json.loads(python(program))
    assert resident
    # The first rounds fill caches and pools; what still grows in each round after them leaks.
    growth = {
        kind: min(later - before for before, later in pairwise(sizes[1:])) for kind, sizes in resident.items()
    }
    assert {kind: grown for kind, grown in growth.items() if grown > ALLOWED} == {}, resident
