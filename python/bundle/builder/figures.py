"""The figures of a report as short texts for people."""

from __future__ import annotations

import math
from typing import Any

from bundle.builder.report import INFINITE

#: What stands where nothing was measured.
NONE = "-"

_SIZES = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "B"))
_TIMES = ((10**6, "s"), (10**3, "ms"), (1, "µs"))


def printable(text: Any) -> str:
    """Return a text with escapes for what would be invisible, or turn the text around it."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))


def number(value: Any) -> float | None:
    """Return a figure of a report as a float; infinity where outputs cannot be compared, None otherwise.

    A field that a later builder writes may hold anything, and what is no figure is as good as not measured.
    """
    if value == INFINITE:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(value)


def size(count: Any) -> str:
    """Return a number of bytes in its unit: ``606 kB``."""
    return _scaled(count, _SIZES)


def latency(microseconds: Any) -> str:
    """Return a duration in its unit: ``1.25 ms``."""
    return _scaled(microseconds, _TIMES)


def error(value: Any) -> str:
    """Return the largest difference of two outputs: ``1.2e-07``, ``0``, ``not comparable``."""
    figure = number(value)
    if figure is None:
        return NONE
    return "not comparable" if math.isinf(figure) else f"{figure:.2g}"


def flips(count: Any, near_ties: Any = None) -> str:
    """Return a count of changed decisions, and where there are some of those that were near a tie."""
    figure, ties = number(count), number(near_ties)
    if figure is None:
        return NONE
    return f"{figure:,.0f} (and {ties:,.0f} near ties)" if ties else f"{figure:,.0f}"


def accuracy(share: Any) -> str:
    """Return a share of 0 to 1 in percent."""
    figure = number(share)
    return NONE if figure is None else f"{100 * figure:.2f} %"


def ratio(value: Any) -> str:
    """Return how a latency compares with that of the source variant: ``0.52 x``."""
    figure = number(value)
    return NONE if figure is None else f"{figure:.2f} x"


def _scaled(value: Any, units: tuple[tuple[int, str], ...]) -> str:
    figure = number(value)
    if figure is None or math.isinf(figure):
        return NONE
    # Three digits say enough, and a figure that rounds up to the next unit is written in it.
    scale, unit = next((row for row in units if figure >= 0.9995 * row[0]), units[-1])
    scaled = figure / scale
    digits = 0 if scaled >= 99.95 or (scaled.is_integer() and scale == 1) else (1 if scaled >= 9.995 else 2)
    return f"{scaled:,.{digits}f} {unit}"
