"""Bundles asked in child processes, because a crash of one runtime must not end the tests of the others."""

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.runtimes import NATIVE
from tests.runtimes.answers import OPENED, REFUSED, Said, said

#: Bundles of one process, and how many of these run at a time.
PER_PROCESS, PROCESSES = 100, 2
#: Seconds that these may take on a loaded machine before the process counts as hung.
PATIENCE = 300

#: A bundle's folder and a format of it.
Asked = tuple[str, str]
#: Asks a runtime about a folder and a format; a function that another process can import.
Asker = Callable[[Path, str, str], Said]


@dataclass
class Report:
    """What came of many bundles.

    Attributes:
        counts: for each runtime, by format, how many opened, answered and refused as Python did.
        differences: what a runtime said that Python did not, and processes that did not end well.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


def ask(asked: Sequence[Asked], work: Path, asker: Asker = said) -> Report:
    """Ask every runtime about every bundle; what Python says is right."""
    report = Report()
    pieces = [asked[start : start + PER_PROCESS] for start in range(0, len(asked), PER_PROCESS)]
    files = [work / f"answers{number}.jsonl" for number in range(len(pieces))]
    with ThreadPoolExecutor(PROCESSES) as pool:
        endings = list(pool.map(_ask_apart, pieces, files, [asker] * len(pieces)))
    for piece, file, ending in zip(pieces, files, endings, strict=True):
        report.differences += ending
        _count(piece, file, report)
    return report


def _ask_apart(piece: Sequence[Asked], file: Path, asker: Asker) -> list[str]:
    """Ask in a child; where it dies, go on in another after the bundle that it died of."""
    spawn, endings, left = multiprocessing.get_context("spawn"), [], list(piece)
    while left:
        child = spawn.Process(target=_child, args=(left, str(file), asker), daemon=True)
        child.start()
        child.join(PATIENCE)
        if child.is_alive():
            child.kill()
            child.join()
        left = left[left.index(_last(file)) + 1 :] if child.exitcode and file.exists() else []
        if child.exitcode:
            endings.append(f"the process ended with {child.exitcode} at {_lines(file)[-1:]}")
    return endings


def _child(asked: Sequence[Asked], file: str, asker: Asker) -> None:
    with open(file, "a", encoding="utf-8") as lines:

        def tell(**row: object) -> None:
            lines.write(json.dumps(row) + "\n")
            lines.flush()

        for path, form in asked:
            for runtime in ("python", *NATIVE):
                tell(path=path, form=form, runtime=runtime, said=None)
                tell(path=path, form=form, runtime=runtime, said=asker(Path(path), form, runtime))


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def _last(file: Path) -> Asked:
    row = _lines(file)[-1]
    return str(row["path"]), str(row["form"])


def _count(piece: Sequence[Asked], file: Path, report: Report) -> None:
    lines = [row for row in _lines(file) if row["said"]]
    told: dict[object, Said] = {(row["path"], row["form"], row["runtime"]): row["said"] for row in lines}
    for path, form in piece:
        right = told.get((path, form, "python"), {})
        for runtime in ("python", *NATIVE):
            found = told.get((path, form, runtime), {})
            same = [answer for question, answer in found.items() if right.get(question) == answer]
            report.counts.update((runtime, form, _kind(answer)) for answer in same)
            report.differences += _differences(f"{runtime}, {Path(path).parent.name}, {form}", right, found)


def _differences(about: str, right: Said, found: Said) -> Iterator[str]:
    for question in {**right, **found}:
        if right.get(question) != found.get(question):
            yield f"{about}, {question}: {found.get(question)} instead of {right.get(question)}"


def _kind(answer: str) -> str:
    if answer == OPENED:
        return answer
    return "refused" if answer.startswith(REFUSED) else "answered"
