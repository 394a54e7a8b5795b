"""The same questions to every language on every emulated machine, compared with the answers of this one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import bundle
from bundle.cli.tensor_json import exact, from_exact
from bundle.manifest import Output
from bundle.parity.client import Client
from bundle.tolerance import Tolerance, compare, limit
from tests.arm64.machines import PROGRAMS, USUAL, Machine
from tests.arm64.subjects import Inputs, Share, Subject, cases_of

#: The one that is asked all cases.
FIRST = "rust"
#: Python is slow to start there: it is asked a few models on one machine.
LAST = "python"
LANGUAGES = (FIRST, *sorted(set(PROGRAMS) - {FIRST}), LAST)
_HANDLE = "asked"
Outputs = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """What one language on one machine said about a subject.

    Attributes:
        tested: the reply to `self_test`; None where it was not asked.
        outputs: tensors of the protocol by name, one entry per case.
    """

    tested: dict[str, Any] | None
    outputs: list[Outputs]


@dataclass(frozen=True)
class Row:
    """How far a machine's answers are from those of this one.

    Attributes:
        subject: the file.
        machine: the CPU.
        cases: how many were asked.
        worst: the largest absolute difference.
        share: the largest difference as a share of what its output's tolerance allows.
        quanta: the largest difference in steps of the output's quantization; None where no output has one.
        ulp: the largest distance in representable numbers.
        decisions: how many were taken.
        flips: decisions that differ though the margin exceeds the tolerance.
        near_ties: decisions that differ where it does not.
    """

    subject: Subject
    machine: Machine
    cases: int = 0
    worst: float = 0.0
    share: float = 0.0
    quanta: float | None = None
    ulp: int = 0
    decisions: int = 0
    flips: int = 0
    near_ties: int = 0


Key = tuple[Subject, Machine, str]


def ask_all(
    subjects: Sequence[Subject],
    machines: Sequence[Machine],
    shares: Mapping[str, Share],
    tell: Callable[[str], object] = lambda line: None,
) -> dict[Key, Answers]:
    """Ask every language on every machine about the bundles that are for it; one process each.

    Raises:
        BundleError: ``runtime_crashed``.
    """

    questions = {model: cases_of(model, shares[model].one) for model in {each.model for each in subjects}}

    def asked(machine: Machine, language: str) -> dict[Key, Answers]:
        found: dict[Key, Answers] = {}
        with machine.client(language) as client:
            for subject in subjects:
                count, prove = _part(shares[subject.model], machine, language)
                if count and subject.manifest.target.arch == machine.arch:
                    cases = questions[subject.model][:count]
                    found[subject, machine, language] = ask(client, subject, cases, prove)
                    tell(f"{machine.cpu} {language}: {subject.model} {subject.variant}.{subject.format}")
        return found

    pairs = [
        (machine, language)
        for language in LANGUAGES
        for machine in machines
        if language in PROGRAMS or machine == USUAL
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(lambda pair: asked(*pair), pairs))
    return {key: answers for part in parts for key, answers in part.items()}


def _part(share: Share, machine: Machine, language: str) -> tuple[int, bool]:
    """How many cases a language is asked on a machine, and whether it has to prove the bundle."""
    first = language == FIRST
    if language == LAST:
        return (share.all if share.python else 0), True
    if share.everywhere:
        return (share.one if first else share.all), True
    return (share.one if first else share.all if machine == USUAL else 0), first


def ask(client: Client, subject: Subject, cases: Sequence[Inputs], prove: bool) -> Answers:
    """Open a file in a program, let it prove itself where it has to, and predict from each case."""
    handle = {"handle": _HANDLE}
    request = {"op": "open", "bundle": str(subject.bundle), "options": subject.options}
    _good(client.ask({**request, **handle}), client, subject)
    tested = client.ask({"op": "self_test", **handle}) if prove else None
    outputs = []
    for case in cases:
        inputs = {name: exact(np.asarray(array)) for name, array in case.items()}
        reply = _good(client.ask({"op": "predict", **handle, "inputs": inputs}), client, subject)
        outputs.append(reply["outputs"])
    client.ask({"op": "close", **handle})
    return Answers(tested, outputs)


def _good(reply: dict[str, Any], client: Client, subject: Subject) -> dict[str, Any]:
    assert reply["ok"], f"{client.name}, {subject}: {reply}"
    return reply


def here(subject: Subject, cases: Sequence[Inputs]) -> list[dict[str, np.ndarray]]:
    """Return what the Python predictor on this machine answers."""
    with bundle.open(subject.bundle, **subject.options, allow_foreign_target=True) as predictor:
        return [predictor.predict(case) for case in cases]


def compared(
    subject: Subject, machine: Machine, found: Sequence[Outputs], expected: Sequence[Mapping[str, np.ndarray]]
) -> Row:
    """Compare answers of a machine with those of this one, by the tolerances of the variant."""
    manifest = subject.manifest
    row = Row(subject, machine, len(expected))
    for there, reference in zip(found, expected, strict=True):
        for port, tolerance in zip(
            manifest.outputs, manifest.variant(subject.variant).tolerances, strict=True
        ):
            row = _with_output(row, port, tolerance, from_exact(there[port.name]), reference[port.name])
    return row


def _with_output(
    row: Row, port: Output, tolerance: Tolerance, actual: np.ndarray, reference: np.ndarray
) -> Row:
    difference = compare(actual, reference, tolerance, port.decision)
    allowed = limit(reference, tolerance)
    share = 0.0 if difference.worst == 0 else difference.worst / allowed if allowed else float("inf")
    steps = None if tolerance.step is None else round(difference.worst / tolerance.step, 3)
    return replace(
        row,
        worst=max(row.worst, difference.worst),
        share=max(row.share, share),
        quanta=row.quanta if steps is None else max(row.quanta or 0.0, steps),
        ulp=max(row.ulp, difference.max_ulp),
        decisions=row.decisions + difference.decisions,
        flips=row.flips + difference.flips,
        near_ties=row.near_ties + difference.near_ties,
    )


def rows(answers: Mapping[Key, Answers], shares: Mapping[str, Share]) -> list[Row]:
    """Compare what one language answered on every machine; the others gave the same bytes."""
    known: dict[Subject, list[dict[str, np.ndarray]]] = {}
    found = []
    for (subject, machine, language), told in answers.items():
        if language == FIRST:
            if subject not in known:
                known[subject] = here(subject, cases_of(subject.model, shares[subject.model].one))
            found.append(compared(subject, machine, told.outputs, known[subject]))
    return found


def unlike(answers: Mapping[Key, Answers]) -> list[str]:
    """Return a line for each answer of a language that is not, byte for byte, that of the first one."""
    lines = []
    for (subject, machine, language), told in answers.items():
        first = answers[subject, machine, FIRST]
        pairs = zip(told.outputs, first.outputs, strict=False)
        lines += [
            f"{machine.cpu}: {subject}, case {index}: {language} is not as {FIRST}"
            for index, (mine, other) in enumerate(pairs)
            if mine != other
        ]
    return lines


def failed(answers: Mapping[Key, Answers]) -> list[str]:
    """Return a line for each self-test that did not pass, or in which a decision flipped."""
    lines = []
    for (subject, machine, language), told in answers.items():
        if told.tested is None:
            continue
        cases = told.tested.get("cases", [])
        flips = sum(output["flips"] for case in cases for output in case["outputs"])
        if not (told.tested["ok"] and told.tested["passed"] and cases) or flips:
            lines.append(f"{machine.cpu}: {subject}: {language} does not prove itself: {told.tested}")
    return lines


def outside(found: Sequence[Row]) -> list[str]:
    """Return a line for each file whose answers lie outside its tolerance, or with a flipped decision."""
    return [
        f"{row.machine.cpu}: {row.subject}: {row.share:.1%} of what is allowed, {row.flips} flips"
        for row in found
        if row.share > 1 or row.flips
    ]


def table(found: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown: one line per file, one column per machine."""
    machines = list(dict.fromkeys(row.machine for row in found))
    by_file: dict[tuple[str, str, str], dict[Machine, Row]] = {}
    for row in found:
        key = (row.subject.model, row.subject.variant, row.subject.format)
        by_file.setdefault(key, {})[row.machine] = row
    lines = [
        "| file | " + " | ".join(f"{machine.cpu} ({machine.about})" for machine in machines) + " |",
        "|---|" + "---|" * len(machines),
    ]
    for (model, variant, form), cells in by_file.items():
        told = [_cell(cells.get(machine)) for machine in machines]
        lines.append(f"| {model} {variant}.{form} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def _cell(row: Row | None) -> str:
    """Largest difference, its steps, flips and near ties of how many decisions, and cases."""
    if row is None:
        return ""
    steps = "" if row.quanta is None else f", {row.quanta:g} steps"
    decided = f", {row.flips} + {row.near_ties} of {row.decisions} flips" if row.decisions else ""
    return f"{row.worst:.2g} ({row.share:.1%} of the tolerance){steps}{decided}, {row.cases} cases"
