"""The model beside its own framework: what it answers, and what the golden file says that it should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bundle.builder.advice import Advice
from bundle.builder.gate import Case, Reference
from bundle.error import BundleError
from bundle.spec import table
from bundle.tolerance import Array, Difference, Tolerance, compare


class _Deviation(NamedTuple):
    """One case in which an output is not the golden file's, or decides otherwise."""

    number: int
    difference: Difference


def compare_with_framework(expected: Sequence[Case], reference: Reference) -> list[Advice]:
    """Compare the model's answers with those that the golden file holds.

    Args:
        expected: the outputs of each case, perhaps not all of them; empty where the file has none.
        reference: the model's answers to the same cases.

    Returns:
        one advice per output that is off by more than rounding in one format, and less than a fault.

    Raises:
        BundleError: ``golden_mismatch`` where decisions flip, values that are no floats differ, or floats
            do by more than the share of spec/tolerances.json that still is rounding.
    """
    advice = []
    words = dict(zip([port[0] for port in reference.view.outputs], reference.decisions, strict=True))
    for name in expected[0] if expected else ():
        pairs = [(answer[name], case[name]) for answer, case in zip(reference.outputs, expected, strict=True)]
        found = [compare(mine, theirs, Tolerance("close"), words[name]) for mine, theirs in pairs]
        deviations = [
            _Deviation(number, each) for number, each in enumerate(found) if each.flips or not each.ok
        ]
        if not deviations:
            continue
        text = _describe(deviations, len(pairs))
        _refuse_flips(name, deviations, text)
        _refuse_large(name, deviations, [theirs for _, theirs in pairs], text)
        advice.append(Advice("golden_differs", name, f"`{name}` is not quite the golden file's: {text}"))
    return advice


def _refuse_flips(name: str, deviations: Sequence[_Deviation], text: str) -> None:
    flips = sum(each.difference.flips for each in deviations)
    if flips:
        total = sum(each.difference.decisions for each in deviations)
        raise _mismatch(name, "the same decisions", f"{flips} of {total} flipped; {text}")


def _refuse_large(name: str, deviations: Sequence[_Deviation], expected: Sequence[Array], text: str) -> None:
    if expected[0].dtype.kind != "f":
        raise _mismatch(name, "the same values", text)
    per_mille = table("tolerances")["budgets"]["rounding"]["most_per_mille"]
    largest = max(float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in expected)
    worst = max(each.difference.worst for each in deviations)
    if worst * 1000 > per_mille * largest:
        share = f"{per_mille / 10:g} % of the largest value {largest:.4g}"
        raise _mismatch(name, f"the golden file's values within {share}", text)


def _mismatch(name: str, expected: str, found: str) -> BundleError:
    return BundleError("golden_mismatch", f"outputs/{name}", expected, found)


def _describe(deviations: Sequence[_Deviation], total: int) -> str:
    """Say how many cases differ, and show the worst of them."""
    number, worst = max(deviations, key=lambda each: each.difference.worst)
    text = f"{len(deviations)} of {total} cases differ; case {number}: "
    if worst.mismatch:
        return text + worst.mismatch
    if worst.index is None:
        return f"{text}off by {worst.worst:.2g} at most"
    text += f"{_value(worst.actual)} instead of {_value(worst.reference)} at {list(worst.index)}"
    return text + (f", by {worst.worst:.2g} at most" if math.isfinite(worst.worst) else "")


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, np.floating) else f"{value!s}"
