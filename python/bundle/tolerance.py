"""The named tolerances of the contract: compare two tensors, count flipped decisions, say what differs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.dtype import word_of
from bundle.spec import table

Array = NDArray[Any]

#: The decision `threshold` of spec/tolerances.json: probabilities at even odds.
_THRESHOLD = 0.5

# The signed integer of the same width, to order floats by their bits.
_BITS: dict[str, type[np.signedinteger[Any]]] = {
    "float16": np.int16,
    "float32": np.int32,
    "float64": np.int64,
}


@dataclass(frozen=True)
class Tolerance:
    """A word of spec/tolerances.json with its parameters.

    Attributes:
        word: ``exact``, ``close``, ``quantized`` or ``absolute``.
        bound: for ``absolute``: the largest difference, in the tensor's unit.
        quanta: for ``quantized``: how many steps two answers may differ.
        step: for ``quantized``: the scale of the output's last dequantization.
    """

    word: str
    bound: float | None = None
    quanta: int | None = None
    step: float | None = None

    def __post_init__(self) -> None:
        """Refuse (ValueError) an unknown word, and parameters that are not exactly those of the word."""
        words = table("tolerances")["words"]
        if self.word not in words:
            raise ValueError(f"`{self.word}` is no tolerance; there are {', '.join(words)}")
        given = {name for name in ("bound", "quanta", "step") if getattr(self, name) is not None}
        wanted = set(words[self.word].get("parameters", []))
        if given != wanted:
            raise ValueError(f"`{self.word}` takes {sorted(wanted)}, not {sorted(given)}")

    @property
    def slack(self) -> float:
        """The part of the limit that does not depend on the tensor."""
        return (self.bound or 0.0) + (self.quanta or 0) * (self.step or 0.0)


@dataclass(frozen=True)
class Difference:
    """What two tensors differ in.

    Attributes:
        ok: whether every element is within the tolerance.
        worst: the largest absolute difference; infinite where a NaN, an infinity, a string or the
            form of the tensors disagree.
        index: the first element outside the tolerance; None if there is none.
        actual: the value there.
        reference: the value there in the reference.
        max_ulp: the largest distance in representable floats, over elements that are finite in both.
        decisions: how many decisions the tensor holds.
        flips: decisions that differ although the reference's margin exceeds the tolerance.
        near_ties: decisions that differ where the margin does not.
        mismatch: how dtype or shape disagree; empty if they agree.
    """

    ok: bool
    worst: float = 0.0
    index: tuple[int, ...] | None = None
    actual: Any = None
    reference: Any = None
    max_ulp: int = 0
    decisions: int = 0
    flips: int = 0
    near_ties: int = 0
    mismatch: str = ""

    def describe(self) -> str:
        """Return one sentence for a person, without a final period."""
        if self.mismatch:
            return self.mismatch
        if self.ok and not self.worst:
            return "equal"
        parts = [f"largest difference {self.worst:.3g}", f"{self.max_ulp} ULP"]
        if self.index is not None:
            parts.insert(
                0, f"first outside at {list(self.index)}: {self.actual!s} instead of {self.reference!s}"
            )
        if self.decisions:
            parts.append(f"{self.flips} of {self.decisions} decisions flipped, {self.near_ties} at near ties")
        return ", ".join(parts)


def limit(reference: Array, tolerance: Tolerance) -> float:
    """Return how far a value may lie from the reference, one number for the whole tensor.

    Tensor-wide on purpose: the rounding error of a sum grows with its terms, and those may be large
    where the result is small.
    """
    bounds = table("tolerances")["words"]["close"]["bounds"].get(word_of(reference))
    if tolerance.word == "exact" or bounds is None:
        return tolerance.slack
    values = np.abs(reference[np.isfinite(reference)]).astype(np.float64)
    largest = float(values.max()) if values.size else 0.0
    return float(tolerance.slack + (bounds["atol"] + bounds["rtol"] * largest))


def compare(actual: Array, reference: Array, tolerance: Tolerance, decision: str = "none") -> Difference:
    """Compare a tensor with its reference: any shape, any element type of a bundle.

    ``decision`` is a word of spec/tolerances.json: what the output decides. Strings and booleans
    compare as equal or not under every word; integers too, unless the word has parameters.
    """
    word = word_of(reference)
    if word_of(actual) != word or word is None:
        return Difference(False, math.inf, mismatch=f"dtype {word_of(actual)} instead of {word}")
    if actual.shape != reference.shape:
        found, expected = list(actual.shape), list(reference.shape)
        return Difference(False, math.inf, mismatch=f"shape {found} instead of {expected}")
    bound = limit(reference, tolerance)
    errors = _errors(actual, reference, word)
    bad = _differs(actual, reference, word) if tolerance.word == "exact" or not bound else errors > bound
    index = _first(bad)
    total, flips, near_ties = _decisions(actual, reference, decision, bound)
    return Difference(
        ok=index is None,
        worst=float(errors.max()) if errors.size else 0.0,
        index=index,
        actual=None if index is None else actual[index],
        reference=None if index is None else reference[index],
        max_ulp=_max_ulp(actual, reference, word),
        decisions=total,
        flips=flips,
        near_ties=near_ties,
    )


def beyond(actual: Array, reference: Array, bound: float) -> int:
    """Return how many elements lie further than ``bound`` from the reference, of the same form."""
    return int((_errors(actual, reference, word_of(reference) or "") > bound).sum())


def _errors(actual: Array, reference: Array, word: str) -> NDArray[np.float64]:
    """Return |actual - reference|: 0 for NaN beside NaN and for equals, infinite for other mismatches."""
    if word in ("string", "bool"):
        return np.where(actual == reference, 0.0, math.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.abs(actual.astype(np.float64) - reference.astype(np.float64))
    same = actual == reference
    if word in _BITS:
        same |= np.isnan(actual) & np.isnan(reference)
    return np.where(same, 0.0, np.where(np.isnan(errors), math.inf, errors))


def _differs(actual: Array, reference: Array, word: str) -> NDArray[np.bool_]:
    """Return where the bits differ, NaN payloads aside; where the values differ if they are no floats."""
    if word not in _BITS:
        return np.asarray(actual != reference, dtype=np.bool_)
    both_nan = np.isnan(actual) & np.isnan(reference)
    return np.asarray((_bits(actual, word) != _bits(reference, word)) & ~both_nan)


def _bits(array: Array, word: str) -> NDArray[np.signedinteger[Any]]:
    """Return a float tensor's bit patterns as signed integers of the same width."""
    return np.ascontiguousarray(array).view(_BITS[word]).reshape(array.shape)


def _max_ulp(actual: Array, reference: Array, word: str) -> int:
    """Return the largest distance between two floats, counted in representable numbers."""
    if word not in _BITS:
        return 0
    finite = np.isfinite(actual) & np.isfinite(reference)
    first, second = _ordered(actual[finite], word), _ordered(reference[finite], word)
    # As unsigned numbers: between two float64 of opposite signs lie more than 2^63 others.
    high, low = np.maximum(first, second).view(np.uint64), np.minimum(first, second).view(np.uint64)
    return int((high - low).max()) if high.size else 0


def _ordered(array: Array, word: str) -> NDArray[np.int64]:
    """Map floats to integers in the same order, neighbors to neighbors and both zeros to 0."""
    bits = _bits(array, word)
    magnitude = bits & np.iinfo(bits.dtype).max
    return np.where(bits < 0, -magnitude, magnitude).astype(np.int64)


def _first(bad: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Return the index of the first True in C order; None if there is none."""
    if not bad.any():
        return None
    return tuple(int(axis) for axis in np.unravel_index(int(bad.argmax()), bad.shape))


def _decisions(actual: Array, reference: Array, decision: str, bound: float) -> tuple[int, int, int]:
    """Return (decisions, flips, near ties)."""
    if decision == "none" or not reference.size or (decision == "argmax" and not reference.ndim):
        return 0, 0, 0
    # Text has no order that a decision could be taken by.
    if decision != "equal" and reference.dtype.kind == "O":
        return 0, 0, 0
    with np.errstate(invalid="ignore"):
        changed = decide(actual, decision) != decide(reference, decision)
    if decision == "equal" and reference.dtype.kind == "f":
        changed &= ~(np.isnan(actual) & np.isnan(reference))
    near = np.broadcast_to(_margins(reference, decision) <= bound, changed.shape)
    return changed.size, int((changed & ~near).sum()), int((changed & near).sum())


def decide(values: Array, decision: str) -> Array:
    """Return what an output decides: one entry per row for ``argmax``, per element for the others."""
    if decision == "argmax":
        return np.asarray(values.argmax(axis=-1))
    return np.asarray(values > _THRESHOLD if decision == "threshold" else values)


def _margins(reference: Array, decision: str) -> NDArray[np.float64]:
    """Return how far each decision of the reference is from another one; infinite where none is near."""
    if decision == "equal":
        return np.asarray(math.inf)
    # A NaN that signals raises the flag in whatever is done with it.
    with np.errstate(invalid="ignore"):
        return _distances(reference.astype(np.float64), decision)


def _distances(values: NDArray[np.float64], decision: str) -> NDArray[np.float64]:
    """Return what `_margins` does for values that are compared by their size."""
    if decision == "threshold":
        return np.abs(values - _THRESHOLD)
    if values.shape[-1] == 1:
        return np.full(values.shape[:-1], math.inf)
    top = np.partition(values, -2, axis=-1)
    return np.where(top[..., -1] == top[..., -2], 0.0, top[..., -1] - top[..., -2])
