"""``report.html``: a build's report as one page that asks for nothing else, neither files nor scripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from bundle.builder import figures, html_tables, markup, plots
from bundle.builder.markup import NOT_RUN, Row

#: What the page says of itself near its beginning, by which a file is known as such a page.
MARK = b'<meta name="generator" content="edgebundle report">'

_PAGE = Path(__file__).with_name("page.html")


def render(report: Mapping[str, Any]) -> str:
    """Return the page of a report.

    Args:
        report: a ``Report``, or the tree that its file holds. Fields that builders of other versions do
            not write may be absent.

    Returns:
        The HTML text, the same for the same report and matplotlib. All texts of the report are escaped.

    Raises:
        BundleError: ``extra_missing`` without matplotlib.
    """
    plots.require()
    name, version = markup.text(report["name"]), markup.text(report["version"])
    sections = (
        _choice(report),
        _advice(report),
        _plots(report),
        html_tables.files(report),
        html_tables.stages(report),
        _skipped(report),
    )
    return Template(_PAGE.read_text("utf-8")).substitute(
        title=f"{name} {version} for {markup.text(report['target'])}: build report",
        name=name,
        version=version,
        target=markup.text(report["target"]),
        digest=markup.text(report["digest"]),
        verdict=_verdict(report["verify"]),
        tiles=_tiles(report),
        sections="\n".join(filter(None, sections)),
        none=figures.NONE,
    )


def _verdict(rows: Sequence[Row]) -> str:
    failed = [row for row in rows if not row["passed"] and row["ran_on"] != NOT_RUN]
    idle = [row for row in rows if row["ran_on"] == NOT_RUN]
    elsewhere = [row for row in rows if str(row["ran_on"]).startswith("host, not ")]
    notes = []
    if not rows:
        kind, said = "warn", "No file was verified"
    elif failed:
        kind, said = "bad", f"{len(failed)} of {_count(rows)} did not give the recorded outputs"
        notes.append("Failed: " + ", ".join(markup.file(row) for row in failed) + ".")
    elif len(idle) == len(rows):
        kind, said = "warn", "No file was run"
    else:
        kind, said = "ok", f"{_count(rows)} verified: each gave the recorded outputs on every golden case"
    if idle and kind == "ok":
        kind, said = "warn", f"{len(rows) - len(idle)} of {_count(rows)} verified"
        notes.append("Not run: " + ", ".join(markup.file(row) for row in idle) + ".")
    if elsewhere:
        none = len(elsewhere) == len(rows)
        which = "None ran" if none else f"{len(elsewhere)} of {_count(rows)} did not run"
        notes.append(f"{which} on the target itself: run <code>self-test</code> there.")
    note = f'<span class="quiet">{" ".join(notes)}</span>' if notes else ""
    return f'<div class="verdict {kind}" role="status"><b>{said}</b>{note}</div>'


def _count(rows: Sequence[Row]) -> str:
    return "1 file" if len(rows) == 1 else f"{len(rows)} files"


def _tiles(report: Mapping[str, Any]) -> str:
    """Return the figures that one asks for first, each with the file or variant that has it."""
    rows, variants = report["verify"], _variants(report)
    # A file that fails is no better for being small, and times of two machines say nothing side by side.
    good = [row for row in rows if row["passed"]]
    timed = good if len(_machines(good)) == 1 else []
    tiles = [
        _tile("smallest file", _extreme(good, "bytes", min), figures.size),
        _tile("fastest file", _extreme(timed, "latency_us", min), figures.latency),
        _tile("worst error", _extreme(variants, "worst_error", max), figures.error),
        _tile("most flips", _extreme(variants, "flips", max), figures.flips),
        _tile("lowest accuracy", _extreme(rows, "accuracy", min), figures.accuracy),
    ]
    found = "".join(tiles)
    return f'<dl class="tiles">{found}</dl>' if found else ""


def _variants(report: Mapping[str, Any]) -> list[Row]:
    """Return a row per variant of the bundle with its largest error and its most flips.

    They are those of its stages, which are compared with the source model. A file is compared with what
    its own variant answered, which says nothing of how good the variant is.
    """
    packed = dict.fromkeys(row["variant"] for row in report["verify"])
    kept = [row for row in report["stages"] if row["outcome"] == "kept"]
    return [
        {
            "variant": name,
            **{key: _largest(row[key] for row in kept if row["variant"] == name) for key in _JUDGED},
        }
        for name in packed
    ]


_JUDGED = ("worst_error", "flips")


def _largest(values: Iterable[Any]) -> float | None:
    return max((value for value in map(figures.number, values) if value is not None), default=None)


def _machines(rows: Iterable[Row]) -> set[str]:
    """Return where the latencies of some files were measured."""
    return {
        str(row.get("latency_on") or "") for row in rows if figures.number(row.get("latency_us")) is not None
    }


def _extreme(rows: Sequence[Row], key: str, choose: Callable[..., Any]) -> tuple[Any, str] | None:
    known = [(value, row) for row in rows if (value := figures.number(row.get(key))) is not None]
    if not known:
        return None
    value, row = choose(known, key=lambda pair: pair[0])
    # Where all are alike, no file is special.
    alike = len(known) > 1 and all(other == value for other, _ in known)
    name = markup.file(row) if "format" in row else markup.text(row["variant"])
    return value, f"every {'file' if 'format' in row else 'variant'}" if alike else name


def _tile(title: str, found: tuple[Any, str] | None, shown: Callable[[Any], str]) -> str:
    if found is None:
        return ""
    value, name = found
    return (
        f'<div class="card"><dt>{title}</dt><dd><b>{shown(value)}</b></dd><dd class="quiet">{name}</dd></div>'
    )


def _advice(report: Mapping[str, Any]) -> str:
    return markup.listed("Notes", (markup.sentence(sentence) for sentence in report["advice"]))


def _choice(report: Mapping[str, Any]) -> str:
    auto = report.get("auto")
    if not isinstance(auto, Mapping):
        return ""
    why = f"<p>{markup.sentence(auto['why'])}</p>" if auto.get("why") else ""
    objective = f"<span>for {markup.text(auto['objective'])}</span>" if auto.get("objective") else ""
    chosen = f"<b>{markup.text(auto.get('chosen', 'none'))}</b>{objective}{why}"
    return markup.listed("Chosen precision", [chosen])


def _skipped(report: Mapping[str, Any]) -> str:
    asked = [
        f'<b>{markup.text(name)}</b><span class="pill warn">asked for, not in the bundle</span>'
        for name in report.get("skipped_precisions") or ()
    ]
    stages = [_skipped_stage(row) for row in report["stages"] if row["outcome"] == "skipped"]
    return markup.listed("Skipped, and why", [*asked, *stages])


def _skipped_stage(row: Row) -> str:
    word, detail = markup.text(row["reason"]).replace("_", " "), markup.sentence(row["detail"])
    return (
        f"<b>{markup.text(row['stage'])}</b><span>{markup.text(row['variant'])}</span>"
        + (f'<span class="pill">{word}</span>' if word else "")
        + (f"<p>{detail}</p>" if detail else "")
    )


def _plots(report: Mapping[str, Any]) -> str:
    rows = report["verify"]
    sizes = _points(rows, "bytes", figures.size)
    errors = _points(_variants(report), "worst_error", figures.error)
    times = _points(rows, "latency_us", figures.latency)
    machines = _machines(rows)
    where = f" on {figures.printable(*machines)}" if len(machines) == 1 and all(machines) else ""
    drawn = [
        _figure("Size", "of each file", plots.bars, "size", sizes),
        _figure("Worst error", "of each variant, to the source model", plots.decades, "error", errors),
        _figure("Latency", f"of one call{where}", plots.bars, "latency", times),
    ]
    found = "\n".join(filter(None, drawn))
    if not found:
        return ""
    used = {point.color for point in (*sizes, *errors, *times)}
    keys = "".join(f'<span class="key {key}">{name}</span>' for key, name in _KEYS.items() if key in used)
    return (
        f'<section><h2>Side by side<span class="keys">{keys}</span></h2>\n'
        f'<div class="plots">\n{found}\n</div></section>'
    )


#: What the colours of the plots say.
_KEYS = {"onnx": ".onnx", "ort": ".ort", "bad": "did not pass"}


def _points(rows: Sequence[Row], key: str, shown: Callable[[Any], str]) -> list[plots.Point]:
    points = []
    for row in rows:
        value = figures.number(row.get(key))
        if value is None:
            continue
        file = "format" in row
        name = markup.file_name(row) if file else figures.printable(row["variant"])
        failed = math.isinf(value) or not row.get("passed", True)
        usual = ("ort" if row["format"] == "ort" else "onnx") if file else "ink"
        color = "bad" if failed else usual
        points.append(plots.Point(name, value, shown(value), color))
    return points


def _figure(
    title: str,
    about: str,
    draw: Callable[[str, str, Sequence[plots.Point]], str],
    key: str,
    points: Sequence[plots.Point],
) -> str:
    if not points:
        return ""
    caption = f'<h3>{title}</h3><p class="quiet">{escape(about)}</p>'
    drawn = draw(key, f"{title} {about}", points)
    return f'<figure class="card"><figcaption>{caption}</figcaption>\n{drawn}\n</figure>'
