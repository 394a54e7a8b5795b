"""Measure: what must be known of a variant's answers before it is sealed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bundle.builder import session
from bundle.builder.advice import Advice
from bundle.builder.describe import Description
from bundle.builder.gate import Reference
from bundle.builder.golden import Case
from bundle.builder.model import Model
from bundle.builder.worker import Worker, WorkerError
from bundle.spec import table
from bundle.tolerance import Tolerance, compare

#: Rows joined to see whether they disturb each other: enough to have a first, a middle and a last one.
_ROWS = 3


def record(model: Model, cases: Sequence[Case], worker: Worker) -> list[Case]:
    """Return the answers of a model to every case."""
    worker.call(session.open_model, model.path)
    return [worker.call(session.run, case) for case in cases]


def batch_invariant(
    model: Model, description: Description, cases: Sequence[Case], worker: Worker
) -> bool | None:
    """Tell whether rows answer alike, within ``close``, alone and joined along the batch symbol.

    Returns:
        None where the model does not run joined, or its outputs do not grow with the batch: then it
        cannot be cut in pieces at all. True for a fixed batch.
    """
    symbol = description.batch
    if not isinstance(symbol, str):
        return True
    rows = _rows(description, symbol, cases)
    worker.call(session.open_model, model.path)
    try:
        alone = [worker.call(session.run, row) for row in rows]
        joined = worker.call(session.run, _join(description, symbol, rows))
    except WorkerError:
        return None
    same = True
    for port in description.signature.outputs:
        axis = port.shape.index(symbol)
        expected = np.concatenate([answer[port.name] for answer in alone], axis)
        if joined[port.name].shape != expected.shape:
            return None
        same &= compare(joined[port.name], expected, Tolerance("close")).ok
    return same


def rounding(
    model: Model, reference: Reference, worker: Worker
) -> tuple[tuple[Tolerance, ...], list[Advice]]:
    """Find the tolerance of each output: ``close``, or more where the order of sums changes more.

    Another CPU adds in another order. How much that does to this model shows on this machine, too: the
    optimizer's levels order sums differently. A tolerance that they break would fail on the target.

    Returns:
        one tolerance per output, in order, and what to tell the user.
    """
    budgets = table("tolerances")["budgets"]
    usual = Tolerance(budgets["float_word"])
    names = [name for name, _, _ in reference.view.outputs]
    try:
        worker.call(session.open_model, model.path, "basic")
        others = [worker.call(session.run, case) for case in reference.cases]
    except WorkerError:
        return (usual,) * len(names), []
    tolerances, advice = [], []
    for name in names:
        pairs = [(other[name], answer[name]) for other, answer in zip(others, reference.outputs, strict=True)]
        found = [compare(other, answer, usual) for other, answer in pairs]
        worst = max((difference.worst for difference in found), default=0.0)
        tolerance = usual
        if not all(difference.ok for difference in found):
            tolerance = _wider(worst, [answer for _, answer in pairs]) or usual
            advice.append(_sensitive(name, worst, tolerance))
        tolerances.append(tolerance)
    return tuple(tolerances), advice


def _wider(worst: float, answers: Sequence[np.ndarray]) -> Tolerance | None:
    """Return a tolerance for an output that rounding moves by ``worst``; None where that is no rounding."""
    if answers[0].dtype.kind != "f" or not math.isfinite(worst):
        return None
    limits = table("tolerances")["budgets"]["rounding"]
    bound = 2.0 ** math.ceil(math.log2(limits["factor"] * worst))
    largest = max(float(np.abs(answer[np.isfinite(answer)]).max(initial=0.0)) for answer in answers)
    return Tolerance("absolute", bound=bound) if bound * 1000 <= limits["most_per_mille"] * largest else None


def _sensitive(name: str, worst: float, tolerance: Tolerance) -> Advice:
    text = f"`{name}` moves by {worst:.2g} when sums are taken in another order"
    if tolerance.bound is None:
        return Advice("rounding_large", name, f"{text}: expect its self-test to fail on other CPUs")
    return Advice(
        "rounding_sensitive", name, f"{text}, as other CPUs do: it may differ by {tolerance.bound:.2g}"
    )


def _rows(description: Description, symbol: str, cases: Sequence[Case]) -> list[Case]:
    """Return cases that can be joined: alike in all but the batch, sharing the inputs without it."""
    first = cases[0]
    batched = {
        port.name: port.shape.index(symbol) for port in description.signature.inputs if symbol in port.shape
    }
    rows = []
    for case in cases:
        fits = all(_rest(case[name], axis) == _rest(first[name], axis) for name, axis in batched.items())
        if fits:
            rows.append({name: case[name] if name in batched else first[name] for name in first})
    return (rows * _ROWS)[:_ROWS] if len(rows) < _ROWS else rows[:_ROWS]


def _rest(array: np.ndarray, axis: int) -> tuple[int, ...]:
    return array.shape[:axis] + array.shape[axis + 1 :]


def _join(description: Description, symbol: str, rows: Sequence[Case]) -> Case:
    joined = dict(rows[0])
    for port in description.signature.inputs:
        if symbol in port.shape:
            joined[port.name] = np.concatenate([row[port.name] for row in rows], port.shape.index(symbol))
    return joined
