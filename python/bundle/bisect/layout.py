"""Whether one tensor holds the values of another in a different order."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from bundle.tolerance import Array, Tolerance, limit

# 120 orders of five axes are still looked through at once.
_MOST_AXES = 5


def reordered(actual: Array, reference: Array) -> tuple[int, ...] | None:
    """Return the order of the reference's axes in which its values lie in ``actual``; None where in none.

    Both may be of any shape of as many elements: what was transposed keeps its values, not its shape. The
    order is one other than the reference's own.
    """
    if actual.size != reference.size or reference.dtype.kind not in "fiu" or not _several(reference):
        return None
    flat = actual.ravel().astype(np.float64)
    plain = reference.astype(np.float64)
    bound = limit(reference, Tolerance("close"))
    axes = tuple(axis for axis, size in enumerate(plain.shape) if size > 1)
    if not 2 <= len(axes) <= _MOST_AXES or not _near(np.sort(flat), np.sort(plain.ravel()), bound):
        return None
    squeezed = plain.reshape([plain.shape[axis] for axis in axes])
    if _near(flat, plain.ravel(), bound):
        return None
    for order in permutations(range(len(axes))):
        if _near(flat, squeezed.transpose(order).ravel(), bound):
            return tuple(axes[axis] for axis in order)
    return None


def _several(array: Array) -> bool:
    return array.size > 1 and bool((array != array.flat[0]).any())


def _near(one: Array, two: Array, bound: float) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((np.abs(one - two) <= bound).all())
