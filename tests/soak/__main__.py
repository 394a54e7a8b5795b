"""Predict and open many times in one process, and see whether memory stays flat.

`python -m tests.soak --runtime R --predictions N --opens M` prints a table, or with --json every figure; it
ends with 1 where something grew more than tests/soak/limits.py allows. With `--threads T --seconds S` threads
that open and close at random follow.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import bundle
from bundle.runtimes import NATIVE
from tests.soak import limits, work
from tests.soak.crowd import crowd
from tests.soak.measure import Soak, soak
from tests.vectors.kit import MODEL

_MIB = 1 << 20
#: Failures of threads that are shown.
_MOST = 20


def main() -> int:
    """Run the soak that the command line asks for."""
    given = _arguments()
    runtime = given.runtime
    with tempfile.TemporaryDirectory() as folder:
        path = work.make(Path(folder))
        right = work.answers(path)
        soaks = list(_soaks(path, right, given))
        faults = [fault for one in soaks for fault in one.faults(runtime)]
        people = None
        if given.seconds:
            people = crowd(path, runtime, right, given.threads, given.seconds)
            faults += people.failures[:_MOST] + people.left_over(runtime, given.threads)
    if given.json:
        trees = [one.as_tree() for one in soaks]
        print(json.dumps({"runtime": runtime, "soaks": trees, "crowd": people and asdict(people)}))
    else:
        for one in soaks:
            print(row(runtime, one))
        if people:
            print(f"{runtime:7} {given.threads} threads: {people.done}, {people.closed} times too late")
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


def _soaks(path: Path, right: list[bytes], given: argparse.Namespace) -> Iterator[Soak]:
    if given.predictions:
        with bundle.open(path, runtime=given.runtime) as predictor:
            yield soak("predictions", work.predictions(predictor, right), given.predictions)
    if given.opens:
        lost = limits.lost_by_opening(given.runtime, path / MODEL)
        yield soak("opens", work.openings(path, given.runtime, right), given.opens, lost)


def row(runtime: str, one: Soak) -> str:
    """Return one run as a line of text."""
    first, last = one.looks[0], one.looks[-1]
    each = 1e6 * one.seconds / one.count
    return (
        f"{runtime:7} {one.count:8} {one.kind:11} {one.seconds:8.1f} s  {each:9.1f} µs each"
        f"  anonymous {first.anonymous / _MIB:6.1f} -> {last.anonymous / _MIB:6.1f} MiB"
        f"  slope {one.slope:+9.2f} bytes each  growth {one.growth / _MIB:+.2f} MiB"
        f"  files {first.files} -> {last.files}  threads {first.threads} -> {last.threads}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runtime", choices=("python", *NATIVE), default="python")
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--opens", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0, help="how long the threads live")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
