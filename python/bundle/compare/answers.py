"""How far apart two models answer the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bundle.compare.side import Side
from bundle.error import BundleError
from bundle.inputs import ready
from bundle.parity.cases import Case
from bundle.tolerance import Array, Difference, Tolerance
from bundle.tolerance import compare as differ

Run = Callable[[Mapping[str, Array]], dict[str, Array]]

#: A rebuilt model is as near to its old self as one framework is to another.
_TOLERANCE = Tolerance("close")


@dataclass(frozen=True)
class OutputAnswers:
    """One output over all cases.

    Attributes:
        name: the output.
        worst: the largest absolute difference, in the output's unit; infinite where a NaN, an infinity, a
            string or the form disagree.
        close: whether every element of every case is within ``close``.
        decisions: how many decisions were compared.
        flips: those that differ although the first model's margin exceeds the tolerance.
        near_ties: those that differ where the margin does not.
        mismatch: how dtype or shape disagree in the first case where they do; empty if they agree.
    """

    name: str
    worst: float
    close: bool
    decisions: int
    flips: int
    near_ties: int
    mismatch: str

    def tree(self) -> dict[str, Any]:
        """Return the row as a tree for JSON, which has no infinity: numbers are text."""
        return {
            "name": self.name,
            "worst": f"{self.worst:.9g}",
            "close": self.close,
            "decisions": self.decisions,
            "flips": self.flips,
            "near_ties": self.near_ties,
            "mismatch": self.mismatch,
        }


@dataclass(frozen=True)
class Answers:
    """How far apart the answers are.

    Attributes:
        origin: where the inputs are from.
        count: how many cases there are.
        outputs: one row for each output that both have.
        refused: by case, what the one said that refused it; a case that both refuse is no difference.
        unknown: why nothing was compared; empty where something was.
    """

    origin: str
    count: int
    outputs: Sequence[OutputAnswers]
    refused: Mapping[str, str]
    unknown: str = ""

    @staticmethod
    def none(why: str) -> Answers:
        """Return answers that were not compared."""
        return Answers("", 0, (), {}, why)

    @property
    def differ(self) -> bool:
        """Whether any answer differs in more than the sign of a zero."""
        return bool(self.refused) or any(row.worst > 0 for row in self.outputs)

    def tree(self) -> dict[str, Any]:
        """Return the answers as a tree for JSON."""
        return {
            "inputs": self.origin,
            "cases": self.count,
            "outputs": [row.tree() for row in self.outputs],
            "refused": dict(self.refused),
            "unknown": self.unknown,
        }


def answers(
    first: Side, second: Side, origin: str, cases: Sequence[Case], options: Mapping[str, Any]
) -> Answers:
    """Ask both models every case and compare what they give; the first one is the reference.

    Raises:
        BundleError: ``option_invalid``.
    """
    try:
        with _runner(first, options) as ask_first, _runner(second, options) as ask_second:
            pairs = [(case.name, _ask(ask_first, case), _ask(ask_second, case)) for case in cases]
    except BundleError as error:
        if error.code == "option_invalid":
            raise
        return Answers.none(str(error))
    refused: dict[str, str] = {}
    both: list[tuple[dict[str, Array], dict[str, Array]]] = []
    unknown = ""
    for name, one, two in pairs:
        if isinstance(one, BundleError) and isinstance(two, BundleError):
            unknown = f"both refuse every case: {two}"
        elif isinstance(one, BundleError):
            refused[name] = f"a: {one}"
        elif isinstance(two, BundleError):
            refused[name] = f"b: {two}"
        else:
            both.append((one, two))
    decisions = {**second.decisions, **first.decisions}
    names = {port.name for port in second.outputs}
    rows = [_row(port.name, both, decisions) for port in first.outputs if port.name in names] if both else []
    return Answers(origin, len(cases), rows, refused, "" if both or refused else unknown)


def _row(
    name: str, pairs: Sequence[tuple[dict[str, Array], dict[str, Array]]], decisions: Mapping[str, str]
) -> OutputAnswers:
    word = decisions.get(name, "none")
    found: list[Difference] = [differ(two[name], one[name], _TOLERANCE, word) for one, two in pairs]
    return OutputAnswers(
        name=name,
        worst=max(each.worst for each in found),
        close=all(each.ok for each in found),
        decisions=sum(each.decisions for each in found),
        flips=sum(each.flips for each in found),
        near_ties=sum(each.near_ties for each in found),
        mismatch=next((each.mismatch for each in found if each.mismatch), ""),
    )


def _ask(run: Run, case: Case) -> dict[str, Array] | BundleError:
    try:
        return run(case.inputs)
    except BundleError as error:
        return error


@contextmanager
def _runner(side: Side, options: Mapping[str, Any]) -> Iterator[Run]:
    """Open a model; yields what answers a case."""
    if side.bundle is not None:
        given = {**options, "format": side.format}
        with side.bundle.predictor(side.variant, **given) as predictor:
            yield predictor.predict
        return
    from bundle.predictor import failed
    from bundle.session import CPU, load_session
    from bundle.spec import table

    settings = {name: row["default"] for name, row in table("session")["options"].items()}
    loaded = load_session(side.model, side.model.name, settings, {}, [(CPU, {})], "strict")
    names = [port.name for port in side.outputs]

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        feed = ready({port.name: inputs[port.name] for port in side.inputs if port.name in inputs})
        try:
            values = loaded.session.run(names, feed)
        except Exception as error:
            raise failed(error) from error
        return dict(zip(names, values, strict=True))

    yield run
