"""Time the programs in turn, and show what came of it: JSON, a table, a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.benchmarks.languages.programs import BASELINE, WITHOUT_PIECES, Program


class Kind(NamedTuple):
    """A kind of call: its rounds, the calls of one turn, and the kind of the baseline's calls beside it."""

    name: str
    rounds: int
    count: int
    beside: str


class Figure(NamedTuple):
    """Of one program: the median and the best time of a call, and its ratio to the baseline's beside it.

    Microseconds; the ratio is a median over the rounds, with their quartiles.
    """

    median: float
    best: float
    ratio: float
    low: float
    high: float


#: By the name of a program.
Figures = dict[str, Figure]


def timed(programs: Mapping[str, Program], kind: Kind) -> Figures:
    """Ask all programs in each round, in an order that is drawn anew, after one round that does not count."""
    asked = {
        name: program
        for name, program in programs.items()
        if kind.name != "pieces" or name not in WITHOUT_PIECES
    }
    asked[BASELINE] = programs[BASELINE]
    names, times = list(asked), {name: [] for name in asked}  # type: dict[str, list[float]]
    generator = np.random.Generator(np.random.PCG64(0))
    for turn in range(kind.rounds + 1):
        for index in generator.permutation(len(names)):
            name = names[index]
            taken = asked[name].nanoseconds(kind.beside if name == BASELINE else kind.name, kind.count)
            if turn:
                times[name].append(taken / 1e3)
    base = np.array(times[BASELINE])
    return {name: _figure(np.array(each), base) for name, each in times.items()}


def _figure(times: Any, base: Any) -> Figure:
    low, middle, high = np.quantile(times / base, [0.25, 0.5, 0.75])
    return Figure(*(round(float(one), 3) for one in (np.median(times), times.min(), middle, low, high)))


def table(title: str, all_figures: Mapping[str, Figures]) -> str:
    """Return a table in Markdown: a row for each program, a column for each kind of call."""
    names = list(all_figures["bound"])
    lines = [f"| {title} | " + " | ".join(all_figures) + " |", "|---" * (len(all_figures) + 1) + "|"]
    for name in names:
        cells = [_cell(name, figures.get(name)) for figures in all_figures.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(name: str, figure: Figure | None) -> str:
    if figure is None:
        return ""
    if name == BASELINE:
        return f"{figure.median:.4g} µs"
    return f"{figure.ratio:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def write(folder: Path, models: Mapping[str, Mapping[str, Figures]]) -> None:
    """Write ``languages.json``, ``languages.md`` and ``languages.svg`` into a folder."""
    folder.mkdir(exist_ok=True)
    plain = {
        model: {
            kind: {name: figure._asdict() for name, figure in figures.items()}
            for kind, figures in kinds.items()
        }
        for model, kinds in models.items()
    }
    (folder / "languages.json").write_text(json.dumps(plain, indent=1) + "\n")
    tables = [table(model, kinds) for model, kinds in models.items()]
    (folder / "languages.md").write_text("\n".join(tables))
    _plot(folder / "languages.svg", models)


def _plot(path: Path, models: Mapping[str, Mapping[str, Figures]]) -> None:
    """Draw ratios with their quartiles, a panel for each kind of call of each model."""
    from matplotlib.figure import Figure as Drawing

    kinds = list(next(iter(models.values())))
    drawing = Drawing(figsize=(3.2 * len(kinds) + 1.5, 2.6 * len(models)), layout="constrained")
    panels = drawing.subplots(len(models), len(kinds), squeeze=False)
    for row, (model, each) in zip(panels, models.items(), strict=True):
        for panel, kind in zip(row, kinds, strict=True):
            figures = {name: figure for name, figure in each[kind].items() if name != BASELINE}
            ratios = [figure.ratio for figure in figures.values()]
            spread = [
                [figure.ratio - figure.low for figure in figures.values()],
                [figure.high - figure.ratio for figure in figures.values()],
            ]
            panel.errorbar(ratios, list(figures), xerr=spread, fmt="o", capsize=3, markersize=4)
            panel.axvline(1, color="0.6", linewidth=1)
            panel.invert_yaxis()
            panel.set_title(f"{model}: {kind}", fontsize=9)
            panel.tick_params(labelsize=8)
    drawing.supxlabel(f"time of a call / the same through the {BASELINE}, with quartiles", fontsize=9)
    drawing.savefig(path)
