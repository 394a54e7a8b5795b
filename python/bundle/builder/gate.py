"""The gate after every stage: a candidate must load, keep its interface, answer alike and not grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bundle.builder import session
from bundle.builder.model import Model, StageSkipped
from bundle.builder.worker import Worker, WorkerError
from bundle.spec import table
from bundle.tolerance import Array, Difference, Tolerance, beyond, compare, decide

Case = Mapping[str, Array]

_EVERYTHING = 1000


@dataclass(frozen=True)
class Budget:
    """What a stage may cost.

    Attributes:
        tolerances: one per output, in order.
        flips_per_mille: share of decisions that may flip.
        accuracy_loss_per_mille: share of labels that may be missed in addition.
        growth: (percent of the size before, bytes over the size before): larger than both is too
            large; without a number of bytes the percentage alone counts, and asks for less than before.
            None for a stage whose purpose is not size.
        bounds: for a stage that moves every value, how far the bulk of an output's elements may lie from
            the source's, one per output; None where all must hold their tolerance, which else only says
            which flips are near ties.
        outliers_per_mille: share of an output's elements that may lie beyond its bound.
        labeled: the output that labels judge, so that how far its values move is no matter; None for none.
    """

    tolerances: tuple[Tolerance, ...]
    flips_per_mille: int
    accuracy_loss_per_mille: int
    growth: tuple[int, int | None] | None
    bounds: tuple[float, ...] | None = None
    outliers_per_mille: int = 0
    labeled: str | None = None

    @classmethod
    def of_stage(cls, stage: str, outputs: int, tolerance: Tolerance | None = None) -> Budget:
        """Return the default budget of a stage for a model with so many outputs."""
        budgets = table("tolerances")["budgets"]
        growth = budgets["growth"].get(stage)
        return cls(
            tolerances=(tolerance or Tolerance(budgets["float_word"]),) * outputs,
            flips_per_mille=budgets["flips_per_mille"],
            accuracy_loss_per_mille=budgets["accuracy_loss_per_mille"],
            growth=(growth["ratio_percent"], growth.get("slack_bytes")) if growth else None,
        )


@dataclass(frozen=True)
class Measurement:
    """What the gate measured of a candidate that it let through.

    Attributes:
        stage: the stage that made it.
        size: bytes.
        worst_error: the largest absolute difference to the source, over all cases and outputs.
        decisions: decisions in all cases.
        flips: those that differ beyond the tolerance.
        near_ties: those that differ where the source itself is within the tolerance of a tie.
        accuracy: share of labels met, 0 to 1; None without labels.
    """

    stage: str
    size: int
    worst_error: float
    decisions: int
    flips: int
    near_ties: int
    accuracy: float | None


@dataclass(frozen=True)
class Reference:
    """The source model's answers on every golden case, computed once.

    Attributes:
        view: inputs and outputs as a session lists them.
        cases: the inputs of each case, by name.
        outputs: the answers to each case, by name.
        decisions: what each output decides (words of spec/tolerances.json), in order.
        labels: the right decisions, first axis = cases; None where they are not known.
    """

    view: session.View
    cases: Sequence[Case]
    outputs: tuple[dict[str, Array], ...]
    decisions: tuple[str, ...]
    labels: Array | None = None

    @classmethod
    def of_source(
        cls,
        source: Model,
        cases: Sequence[Case],
        worker: Worker,
        decisions: Mapping[str, str],
        labels: Array | None = None,
    ) -> Reference:
        """Run the source model on every case; outputs that ``decisions`` does not name decide nothing.

        Errors: ``source_failed`` where ONNX Runtime cannot load or run the source, ``memory_exhausted``.
        """
        try:
            view = worker.call(session.open_model, source.path)
            outputs = tuple(worker.call(session.run, case) for case in cases)
        except WorkerError as error:
            expected = "a model that ONNX Runtime runs"
            raise error.as_error("source_failed", source.path.name, expected) from error
        words = tuple(decisions.get(name, "none") for name, _, _ in view.outputs)
        return cls(view, cases, outputs, words, labels)

    def deciding(self) -> tuple[str, str] | None:
        """Return the output that labels are about, and what it decides; None where there is none.

        It is the first one with ``argmax``, else the first one with ``equal``.
        """
        for word in ("argmax", "equal"):
            if word in self.decisions:
                return self.view.outputs[self.decisions.index(word)][0], word
        return None

    def accuracy(self, outputs: Sequence[Mapping[str, Array]]) -> float | None:
        """Return the share of labels that answers to all cases meet; None without labels or decisions."""
        deciding = self.deciding()
        if self.labels is None or deciding is None or not outputs:
            return None
        name, word = deciding
        made = [np.ravel(decide(answers[name], word)) for answers in outputs]
        right = [np.ravel(label) for label in self.labels]
        if any(mine.shape != theirs.shape for mine, theirs in zip(made, right, strict=True)):
            return None
        return float(np.mean(np.concatenate(made) == np.concatenate(right)))


class Gate:
    """Judges candidates against one source, in one worker."""

    def __init__(self, reference: Reference, worker: Worker) -> None:
        self.reference = reference
        self._worker = worker

    def judge(self, stage: str, candidate: Model, before: Model, budget: Budget) -> Measurement:
        """Measure a candidate that ``stage`` made out of ``before``.

        Raises:
            StageSkipped: ``load_failed``, ``signature_changed``, ``over_budget``, ``larger`` or
                ``not_smaller``; the first that applies.
        """
        outputs = self._answers(candidate)
        measured = self._compare(stage, candidate, outputs, budget)
        if budget.growth is not None:
            _check_growth(candidate.size, before.size, budget.growth)
        return measured

    def _answers(self, candidate: Model) -> list[dict[str, Array]]:
        try:
            view = self._worker.call(session.open_model, candidate.path)
        except WorkerError as error:
            raise StageSkipped(
                "load_failed", f"ONNX Runtime cannot load the result: {error.detail}"
            ) from error
        _check_view(view, self.reference.view)
        try:
            return [self._worker.call(session.run, case) for case in self.reference.cases]
        except WorkerError as error:
            raise StageSkipped(
                "load_failed", f"ONNX Runtime cannot run the result: {error.detail}"
            ) from error

    def _compare(
        self, stage: str, candidate: Model, outputs: Sequence[Mapping[str, Array]], budget: Budget
    ) -> Measurement:
        reference = self.reference
        found: list[Difference] = []
        for index, (name, _, _) in enumerate(reference.view.outputs):
            pairs = [
                (mine[name], theirs[name]) for mine, theirs in zip(outputs, reference.outputs, strict=True)
            ]
            tolerance, word = budget.tolerances[index], reference.decisions[index]
            differences = [compare(mine, theirs, tolerance, word) for mine, theirs in pairs]
            if budget.bounds is None:
                _check_values(name, differences)
            else:
                per_mille = _EVERYTHING if name == budget.labeled else budget.outliers_per_mille
                _check_bulk(name, pairs, differences, budget.bounds[index], per_mille)
            found += differences
        measured = Measurement(
            stage=stage,
            size=candidate.size,
            worst_error=max((difference.worst for difference in found), default=0.0),
            decisions=sum(difference.decisions for difference in found),
            flips=sum(difference.flips for difference in found),
            near_ties=sum(difference.near_ties for difference in found),
            accuracy=reference.accuracy(outputs),
        )
        _check_decisions(measured, reference.accuracy(reference.outputs), budget)
        return measured


def _check_values(name: str, differences: Sequence[Difference]) -> None:
    """Refuse a candidate with an element outside the tolerance."""
    for number, difference in enumerate(differences):
        if not difference.ok:
            raise StageSkipped("over_budget", f"case {number}, `{name}`: {difference.describe()}")


def _check_bulk(
    name: str,
    pairs: Sequence[tuple[Array, Array]],
    differences: Sequence[Difference],
    bound: float,
    per_mille: int,
) -> None:
    """Refuse a candidate of which too many elements lie beyond the bound."""
    for number, difference in enumerate(differences):
        if difference.mismatch:
            raise StageSkipped("over_budget", f"case {number}, `{name}`: {difference.mismatch}")
    outliers = sum(beyond(mine, theirs, bound) for mine, theirs in pairs)
    total = sum(theirs.size for _, theirs in pairs)
    if outliers * 1000 > per_mille * total:
        raise StageSkipped(
            "over_budget", f"`{name}`: {outliers / total:.1%} of its values are off by more than {bound:.2g}"
        )


def _check_view(view: session.View, expected: session.View) -> None:
    """Refuse a candidate whose inputs or outputs differ in name, type, rank, order or number."""
    for kind, mine, theirs in (
        ("inputs", view.inputs, expected.inputs),
        ("outputs", view.outputs, expected.outputs),
    ):
        if len(mine) != len(theirs):
            raise StageSkipped("signature_changed", f"{len(mine)} {kind} instead of {len(theirs)}")
        for found, wanted in zip(mine, theirs, strict=True):
            # A session shows an unknown rank as 0; the answers' shapes are compared anyway.
            unknown = kind == "outputs" and wanted[2] == 0
            if found[:2] != wanted[:2] or (found[2] != wanted[2] and not unknown):
                raise StageSkipped("signature_changed", f"{kind}: {_port(found)} instead of {_port(wanted)}")


def _port(port: tuple[str, str, int]) -> str:
    name, kind, rank = port
    return f"`{name}` {kind} of rank {rank}"


def _check_decisions(measured: Measurement, accuracy: float | None, budget: Budget) -> None:
    """Refuse a candidate that flips too many decisions or misses too many labels."""
    if measured.flips * 1000 > budget.flips_per_mille * measured.decisions:
        raise StageSkipped("over_budget", f"{measured.flips} of {measured.decisions} decisions flipped")
    if measured.accuracy is None or accuracy is None:
        return
    # Rounded, so that a loss of exactly the budget is inside it whatever the division left over.
    if round((accuracy - measured.accuracy) * 1000, 6) > budget.accuracy_loss_per_mille:
        raise StageSkipped("over_budget", f"accuracy {measured.accuracy:.2%} instead of {accuracy:.2%}")


def _check_growth(size: int, before: int, growth: tuple[int, int | None]) -> None:
    """Refuse a candidate that is larger by more than the stage's percentage and its slack in bytes."""
    percent, slack = growth
    if size * 100 > before * percent and (slack is None or size > before + slack):
        detail = f"{size:,} bytes instead of {before:,}"
        raise StageSkipped("larger" if size > before else "not_smaller", detail)
