"""Compare the answers of several runtimes: one row per case and output, one column per runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bundle.cli.tensor_json import from_exact
from bundle.manifest import Output
from bundle.tolerance import Difference, Tolerance, compare

#: The replies of one runtime: to `open`, then one for each case.
Replies = Sequence[Mapping[str, Any]]

# What the rows are called that are about `open`, and about a whole reply.
_OPEN, _OUTCOME = "open", "."

_EXACT = Tolerance("exact")
# What `open` says and two runtimes must agree about; `reason` is text for people.
_OPENED = ("variant", "format", "providers", "session", "inputs", "outputs")


@dataclass(frozen=True)
class Cell:
    """What one runtime answered, beside the one it is compared with.

    Attributes:
        same: no difference that counts.
        text: ``identical``, ``reference``, or what differs.
        difference: of two tensors of one dtype and shape that are not identical.
    """

    same: bool
    text: str
    difference: Difference | None = None

    def tree(self) -> dict[str, Any]:
        """Return the cell for JSON."""
        told = {"same": self.same, "text": self.text}
        found = self.difference
        if found is None or found.mismatch:
            return told
        return {
            **told,
            "index": None if found.index is None else list(found.index),
            "found": str(found.actual),
            "expected": str(found.reference),
            "ulp": found.max_ulp,
            "flips": found.flips,
        }


@dataclass(frozen=True)
class Row:
    """One output of one case; the output is ``.`` for what is about the whole reply."""

    case: str
    output: str
    cells: dict[str, Cell]

    @property
    def same(self) -> bool:
        """Whether no runtime differs."""
        return all(cell.same for cell in self.cells.values())


@dataclass(frozen=True)
class Rules:
    """How answers are compared.

    Attributes:
        outputs: the manifest's.
        tolerances: the variant's, one per output.
        host: a runtime that ran on another machine than the others, so that it may differ within the
            tolerance; the others are compared byte for byte. None where all ran on one machine.
    """

    outputs: Sequence[Output]
    tolerances: Sequence[Tolerance]
    host: str | None = None


def matrix(cases: Sequence[str], replies: Mapping[str, Replies], rules: Rules) -> list[Row]:
    """Compare the replies of each runtime with those of the first one; ``cases`` are their names."""
    opened = {runtime: _opened(given[0]) for runtime, given in replies.items()}
    rows = [Row(_OPEN, _OUTCOME, _row(opened, rules.host, free=True))]
    for index, case in enumerate(cases, 1):
        answers = {runtime: given[index] for runtime, given in replies.items()}
        outcomes = {runtime: _outcome(reply) for runtime, reply in answers.items()}
        whole = Row(case, _OUTCOME, _row(outcomes, rules.host, free=False))
        answered = all(reply["ok"] for reply in answers.values())
        if not answered or not whole.same:
            rows.append(whole)
        if answered:
            rows += [_output_row(case, name, answers, rules) for name in _output_names(answers)]
    return rows


def _opened(reply: Mapping[str, Any]) -> Any:
    """Return what must be equal of a reply to `open`."""
    return {key: reply.get(key) for key in _OPENED} if reply["ok"] else _outcome(reply)


def _outcome(reply: Mapping[str, Any]) -> Any:
    """Return what must be equal of a reply beside its tensors: their names, or the error as text."""
    if reply["ok"]:
        return {"outputs": sorted(reply["outputs"])}
    return f"{reply['error'].get('code')} `{reply['error'].get('subject')}`"


def _row(outcomes: Mapping[str, Any], host: str | None, free: bool) -> dict[str, Cell]:
    """Compare values that are equal or not; where ``free``, the other machine may open another file."""
    first = next((name for name in outcomes if name != host), next(iter(outcomes)))
    alike = outcomes[first] if isinstance(outcomes[first], str) else "identical"
    cells = {}
    for runtime, value in outcomes.items():
        if value == outcomes[first]:
            cells[runtime] = Cell(True, alike)
        elif free and runtime == host and isinstance(value, dict):
            cells[runtime] = Cell(True, "another machine")
        else:
            cells[runtime] = Cell(False, _told(value, outcomes[first]))
    return _with_reference(cells, first)


def _told(value: Any, reference: Any) -> str:
    """Return how an outcome differs from that of the reference."""
    if isinstance(value, dict) and isinstance(reference, dict):
        key = next(key for key in value if value[key] != reference.get(key))
        return f"{key} {value[key]} instead of {reference.get(key)}"
    good = "an answer" if isinstance(reference, dict) else reference
    return f"{'an answer' if isinstance(value, dict) else value} instead of {good}"


def _output_names(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return every output that any runtime gave, in the order of the first one."""
    return list(dict.fromkeys(name for reply in answers.values() for name in reply["outputs"]))


def _output_row(case: str, name: str, answers: Mapping[str, Mapping[str, Any]], rules: Rules) -> Row:
    tensors = {runtime: reply["outputs"].get(name) for runtime, reply in answers.items()}
    first = next((runtime for runtime in tensors if runtime != rules.host), next(iter(tensors)))
    decision, tolerance = _rule(name, rules)
    cells = {
        runtime: _cell(tensor, tensors[first], _EXACT, decision)
        for runtime, tensor in tensors.items()
        if runtime != rules.host
    }
    if rules.host is None:
        return Row(case, name, _with_reference(cells, first))
    # The tolerance is relative to the reference's size, and the reference is this machine.
    away = _cell(tensors[first], tensors[rules.host], tolerance, decision)
    alike = {name: replace(cell, text=f"as {first}") if cell.same else cell for name, cell in cells.items()}
    return Row(case, name, {rules.host: Cell(True, "reference"), **alike, first: away})


def _rule(name: str, rules: Rules) -> tuple[str, Tolerance]:
    for output, tolerance in zip(rules.outputs, rules.tolerances, strict=True):
        if output.name == name:
            return output.decision, tolerance
    return "none", _EXACT


def _with_reference(cells: dict[str, Cell], first: str) -> dict[str, Cell]:
    """Call the first one identical only where all are: a lone wrong one among them may be the first."""
    if all(cell.same for cell in cells.values()):
        return cells
    return {**cells, first: Cell(True, "reference")}


def _cell(found: Any, expected: Any, tolerance: Tolerance, decision: str) -> Cell:
    """Compare two tensors of DRIVER.md: byte for byte under ``exact``."""
    if found is None or expected is None:
        return Cell(found is expected, "identical" if found is expected else "not among the outputs")
    parts = ("dtype", "shape", "data")
    if all(found.get(part) == expected.get(part) for part in parts):
        return Cell(True, "identical")
    try:
        difference = compare(from_exact(found), from_exact(expected), tolerance, decision)
    except ValueError as error:
        return Cell(False, f"no tensor of the protocol: {error}")
    if not difference.ok:
        return Cell(False, difference.describe(), difference)
    if tolerance.word == "exact":
        return Cell(False, "bits that no comparison of values sees, such as those of a NaN", difference)
    return Cell(True, f"within `{tolerance.word}`: {difference.describe()}", difference)
