"""The plots of a report page: SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import html
import importlib.util
import io
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bundle.error import BundleError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Points; 72 of them are an inch, and one is a pixel of the page where the plot has its own width.
_WIDTH = 360
_ROW = 38
_MARGIN = 6
_AXIS = 26
_TEXT = 12.5
_BAR = 0.2
# How many characters of a name fit beside its figure; the table below the plot has the whole name.
_LONGEST = 32

# Colours that stand for the page's own (`--NAME` of its style sheet), as matplotlib knows no variables.
_COLORS = {
    name: f"#0000{index:02x}"
    for index, name in enumerate(("ink", "muted", "line", "card", "onnx", "ort", "bad"), 1)
}
_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "edgebundle", "hatch.linewidth": 1.5}
_DECADES_SHOWN = 6


class Point(NamedTuple):
    """One row of a plot: its name, its value (infinity: no figure), the value as text, and a colour.

    ``color`` is ``onnx``, ``ort``, ``ink`` or ``bad``.
    """

    name: str
    value: float
    text: str
    color: str


def require() -> None:
    """Refuse to go on without matplotlib: ``extra_missing``."""
    if importlib.util.find_spec("matplotlib") is None:
        expected, found = "the library that draws the plots", "an installation without it"
        raise BundleError("extra_missing", "matplotlib", expected, found, "pip install 'edgebundle[report]'")


def bars(key: str, label: str, points: Sequence[Point]) -> str:
    """Return a bar chart from 0 to the largest value, as an ``<svg>`` element.

    Args:
        key: a word that no other plot of the page has; it keeps their identifiers apart.
        label: what a screen reader says instead; the figures are added.
        points: the rows, from top to bottom; at least one.
    """
    most = max((point.value for point in points if math.isfinite(point.value)), default=0.0)
    shares = [point.value / most if most > 0 and math.isfinite(point.value) else 0.0 for point in points]
    return _plot(key, label, points, shares, [])


def decades(key: str, label: str, points: Sequence[Point]) -> str:
    """Return a chart of powers of ten, as an ``<svg>`` element; see ``bars``.

    Zero, which has no place on such a scale, is a ring at the left end; infinity a bar from end to end.
    """
    powers = [math.log10(point.value) for point in points if 0 < point.value < math.inf]
    low = math.floor(min(powers, default=0.0)) - 1
    high = max(math.ceil(max(powers, default=0.0)), low + 1)
    step = math.ceil((high - low) / _DECADES_SHOWN)
    ticks = [(power - low) / (high - low) for power in range(low + 1, high + 1, step)] if powers else []
    names = [f"1e{power}" for power in range(low + 1, high + 1, step)]
    shares = [
        (math.log10(point.value) - low) / (high - low) if 0 < point.value < math.inf else 0.0
        for point in points
    ]
    return _plot(key, label, points, shares, list(zip(ticks, names, strict=False)), dots=True)


def _plot(
    key: str,
    label: str,
    points: Sequence[Point],
    shares: Sequence[float],
    ticks: Sequence[tuple[float, str]],
    dots: bool = False,
) -> str:
    import matplotlib
    from matplotlib import style

    # Whatever the user has set for plots of their own does not reach this one.
    with style.context("default", after_reset=True), matplotlib.rc_context(_STYLE):
        figure, axes = _canvas(len(points), bool(ticks))
        for place, name in ticks:
            axes.plot([place, place], [0.1, -len(points)], color=_COLORS["line"], linewidth=0.8, zorder=0)
            text: Any = {"color": _COLORS["muted"], "size": _TEXT - 1.5, "va": "top"}
            axes.text(place, -len(points) - 0.15, name, ha="center" if place < 1 else "right", **text)
        for row, (point, share) in enumerate(zip(points, shares, strict=True)):
            _draw_row(axes, row, point, share, dots)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    texts = [text for point in points for text in (_shortened(point.name), point.text)]
    said = "; ".join(f"{point.name}: {point.text}" for point in points)
    return _embedded(file.getvalue(), key, f"{label}. {said}", texts)


def _canvas(rows: int, with_axis: bool) -> tuple[Figure, Axes]:
    """Return axes whose x goes from 0 to 1 and whose row N takes y from -N to -N - 1."""
    from matplotlib.figure import Figure

    below = _AXIS if with_axis else _MARGIN
    height = rows * _ROW + _MARGIN + below
    figure = Figure(figsize=(_WIDTH / 72, height / 72), dpi=72)
    inner = (_WIDTH - 2 * _MARGIN) / _WIDTH
    axes = figure.add_axes((_MARGIN / _WIDTH, below / height, inner, rows * _ROW / height))
    axes.set(xlim=(0, 1), ylim=(-rows, 0))
    axes.set_axis_off()
    return figure, axes


def _draw_row(axes: Axes, row: int, point: Point, share: float, dots: bool) -> None:
    color = _COLORS[point.color]
    # Texts are put in afterwards: here they could be taken for formulas, or lack a glyph.
    text: Any = {"y": -row - 0.34, "size": _TEXT, "va": "center"}
    axes.text(x=0, s=f"@{2 * row}@", ha="left", color=_COLORS["ink"], **text)
    axes.text(x=1, s=f"@{2 * row + 1}@", ha="right", color=_COLORS["muted"], **text)
    line = -row - 0.74
    if math.isinf(point.value):
        axes.barh(line, 1, height=_BAR, facecolor="none", edgecolor=_COLORS["bad"], hatch="////", linewidth=1)
        return
    if not dots:
        axes.barh(line, 1, height=_BAR, color=_COLORS["line"])
        axes.barh(line, share, height=_BAR, color=color)
        return
    axes.plot([0, 1], [line, line], color=_COLORS["line"], linewidth=1.5, solid_capstyle="round")
    if share:
        axes.plot([0, share], [line, line], color=color, linewidth=3, solid_capstyle="round", clip_on=False)
    ring: Any = {} if point.value else {"markerfacecolor": _COLORS["card"], "markeredgewidth": 2}
    axes.plot([share], [line], marker="o", markersize=8, color=color, clip_on=False, **ring)


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    # Files of one bundle differ at their ends.
    half = _LONGEST // 2
    return f"{name[: half - 1]}…{name[-half:]}"


def _embedded(svg: str, key: str, label: str, texts: Sequence[str]) -> str:
    """Return a document of matplotlib's as an element of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    # Inside of HTML the namespaces are known, and the page says how wide a plot is and what font it has.
    _, _, body = svg.partition(">")
    [box] = re.findall(r'viewBox="[^"]*"', svg)
    body = re.sub(r"font-family: [^;]*; ", "", body)
    # One page has one set of identifiers, and each plot counts from 1.
    body = re.sub(r'\bid="', f'id="{key}-', body)
    body = body.replace("url(#", f"url(#{key}-").replace('href="#', f'href="#{key}-')
    for name, color in _COLORS.items():
        body = body.replace(color, f"var(--{name})")
    body = re.sub("@([0-9]+)@", lambda match: html.escape(texts[int(match[1])]), body)
    return f'<svg role="img" aria-label="{html.escape(label)}" {box}>{body.rstrip()}'
