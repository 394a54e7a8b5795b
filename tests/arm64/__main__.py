"""How far emulated CPUs answer from this one: the development set, file by file.

    python -m tests.arm64 [MODEL…] [--times N] [--formats ort onnx] [--cpus CPU…]

builds the models in every precision for arm64 and x86_64, asks the programs of all languages, as `make native
arm64` leaves them, on every emulated CPU, and prints the table; it ends with 1 where languages differ, a
self-test fails, an answer lies outside its tolerance or a decision flips. `make test` asks about less data.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.arm64 import matrix
from tests.arm64.machines import MACHINES
from tests.arm64.subjects import SHARES, Subject, subjects, with_few_cases
from tests.build import real

# Every self-test replays two cases, so that they differ.
_GOLDEN = 2


def main(words: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    given = _arguments(words)
    machines = [machine for machine in MACHINES if machine.cpu in given.cpus]
    shares = {model: share.times(given.times) for model, share in SHARES.items()}
    with tempfile.TemporaryDirectory() as folder:
        files = _files(given.models, given.formats, Path(folder))
        started = time.monotonic()
        answers = matrix.ask_all(files, machines, shares, tell)
        found = matrix.rows(answers, shares)
        wrong = [*matrix.unlike(answers), *matrix.failed(answers), *matrix.outside(found)]
    print(matrix.table(found))
    print("\n".join(wrong) or "nothing is wrong")
    tell(f"{time.monotonic() - started:.0f} seconds of emulation")
    return bool(wrong)


def tell(line: str) -> None:
    """Say on stderr how far it is."""
    print(line, file=sys.stderr, flush=True)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.arm64", description=__doc__)
    parser.add_argument("models", nargs="*", default=list(real.NAMES), metavar="MODEL")
    parser.add_argument("--times", type=int, default=1, help="this many times the cases of the tests")
    parser.add_argument("--formats", nargs="+", default=["ort", "onnx"], help="every one that a variant has")
    parser.add_argument("--cpus", nargs="+", default=[machine.cpu for machine in MACHINES])
    return parser.parse_args(words)


def _files(models: Sequence[str], formats: Sequence[str], folder: Path) -> list[Subject]:
    """Build the models; return every file of the wanted formats."""
    found = []
    for model, results in real.build_all(models, folder).items():
        for target, result in results.items():
            few = with_few_cases(result.path, folder / "few" / model / target, _GOLDEN)
            found += [subject for form in formats for subject in subjects(model, few, form)]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
