"""When two tensors differ: byte for byte, beyond `close`, or beyond a share of the range."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bundle.spec import table
from bundle.tolerance import Array, Difference, Tolerance, beyond, compare, limit

EXACT, CLOSE = "exact", "close"


def words() -> tuple[str, ...]:
    """Return what a rule may be called: ``exact``, ``close`` and the precisions that have a budget."""
    return EXACT, CLOSE, *table("tolerances")["budgets"]["quantized"]["error_per_mille"]


@dataclass(frozen=True)
class Rule:
    """How far two tensors may lie apart.

    Attributes:
        word: ``exact`` (every byte), ``close``, or a precision, whose budget it is: all but a few elements
            within a share of the tensor's range.
    """

    word: str

    def differ(self, actual: Array, reference: Array, spread: float | None = None) -> Difference | None:
        """Compare two tensors of any dtype that a bundle may hold.

        Args:
            actual: the tensor that is judged.
            reference: what it should be.
            spread: the range that a share is taken of, in the tensor's unit; None for the reference's own.

        Returns:
            how they differ; None where they do not.
        """
        if self.word == EXACT:
            return _exact(actual, reference)
        actual = _of_one_kind(actual, reference)
        found = compare(actual, reference, Tolerance(CLOSE))
        if found.ok or self.word == CLOSE or found.mismatch or reference.dtype.kind not in "fiu":
            return None if found.ok else found
        budget = table("tolerances")["budgets"]["quantized"]
        share = budget["error_per_mille"][self.word] / 1000
        bound = share * (range_of([reference]) if spread is None else spread)
        beyond_it = beyond(actual, reference, bound + limit(reference, Tolerance(CLOSE)))
        if beyond_it * 1000 <= budget["outliers_per_mille"] * reference.size:
            return None
        return compare(actual, reference, Tolerance("absolute", bound=bound))


def comparable(actual: Array, reference: Array) -> bool:
    """Tell whether two tensors are in one unit: both floats, or both of one other type.

    Codes of a quantized tensor and the numbers that they stand for are not comparable.
    """
    kinds = actual.dtype.kind, reference.dtype.kind
    return kinds == ("f", "f") or actual.dtype == reference.dtype


def range_of(arrays: Iterable[Array]) -> float:
    """Return the largest less the smallest finite value; where all are equal, their magnitude."""
    pieces = [array[np.isfinite(array)].ravel().astype(np.float64) for array in arrays]
    values = np.concatenate(pieces) if pieces else np.empty(0)
    if not values.size:
        return 0.0
    return float(values.max() - values.min()) or float(np.abs(values).max())


def _of_one_kind(actual: Array, reference: Array) -> Array:
    """Return a float tensor in the type of its reference, so that precisions can be compared."""
    if actual.dtype.kind == "f" and reference.dtype.kind == "f" and actual.dtype != reference.dtype:
        with np.errstate(over="ignore"):
            return actual.astype(reference.dtype)
    return actual


def _exact(actual: Array, reference: Array) -> Difference | None:
    found = compare(actual, reference, Tolerance(EXACT))
    if not found.ok:
        return found
    if actual.dtype.kind not in "OU" and actual.tobytes() != reference.tobytes():
        return Difference(
            False, math.inf, mismatch="bits that no comparison of values sees, as those of a NaN"
        )
    return None
