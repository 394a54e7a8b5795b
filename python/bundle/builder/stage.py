"""One stage: try its tools in order, keep the first result that passes the gate, and say what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bundle.builder.gate import Budget, Gate
from bundle.builder.model import Model, StageSkipped
from bundle.builder.rows import StageOutcome
from bundle.tolerance import Tolerance


def budget_of(stage: str, tolerances: Sequence[Tolerance]) -> Budget:
    """Return the default budget of a stage, with one tolerance per output."""
    return replace(Budget.of_stage(stage, len(tolerances)), tolerances=tuple(tolerances))


def attempt(
    budget: Budget,
    stage: str,
    variant: str,
    before: Model,
    makers: Mapping[str, Callable[[], Model]],
    gate: Gate,
) -> tuple[Model | None, StageOutcome]:
    """Return the first candidate that passes the gate, or None, and what became of the stage.

    Args:
        budget: what the stage may cost.
        stage: its word.
        variant: of which variant the model is.
        before: the model so far.
        makers: by the name of the tool, what makes a candidate; tried in order.
        gate: the judge.
    """
    refused: dict[str, StageSkipped] = {}
    for tool, make in makers.items():
        try:
            candidate = make()
            measured = gate.judge(stage, candidate, before, budget)
        except StageSkipped as why:
            refused[tool] = why
            continue
        detail = describe(tool, refused, measured.size - before.size)
        return candidate, StageOutcome.kept(variant, measured, detail)
    return None, StageOutcome.skipped(stage, variant, worst(list(refused.values())))


def describe(tool: str, refused: Mapping[str, StageSkipped], growth: int) -> str:
    """Return which tool made a candidate, why not an earlier one, and by how much the file grew."""
    told = [
        why.detail if why.detail.startswith(name) else f"{name}: {why.detail}"
        for name, why in refused.items()
    ]
    earlier = f" ({'; '.join(told)})" if told else ""
    grown = f"{growth:,} bytes larger, within its budget" if growth > 0 else ""
    return ", ".join(filter(None, [f"{tool}{earlier}", grown]))


def worst(refused: Sequence[StageSkipped]) -> StageSkipped:
    """Return the reason that tells most: a tool that found nothing to do is no news beside a refusal."""
    telling = [why for why in refused if why.reason != "unchanged"]
    return (telling or list(refused))[0]
