"""The tables of a report page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bundle.builder import figures, markup
from bundle.builder.markup import Row


class _Column(NamedTuple):
    """A column of a table: its title, what a row has there (markup), and whether it is a figure."""

    title: str
    cell: Callable[[Row], str]
    figure: bool = True


def files(report: Mapping[str, Any]) -> str:
    """Return the section with a row per file of the bundle; nothing where none was verified."""
    columns = (
        _Column("file", markup.file, False),
        _Column("verdict", _file_verdict, False),
        _Column("ran on", lambda row: markup.text(row["ran_on"]), False),
        _Column("size", lambda row: figures.size(row.get("bytes"))),
        _Column("worst error", lambda row: figures.error(row["worst_error"])),
        _Column("flips", lambda row: figures.flips(row["flips"])),
        _Column("accuracy", lambda row: figures.accuracy(row["accuracy"])),
        _Column("latency", _file_latency),
    )
    return _table("files", "Files, compared with the recorded outputs", columns, report["verify"])


def _file_verdict(row: Row) -> str:
    if row["passed"]:
        return '<span class="pill ok">passed</span>'
    kind, word = ("", markup.NOT_RUN) if row["ran_on"] == markup.NOT_RUN else (" bad", "failed")
    return f'<span class="pill{kind}">{word}</span>'


def _file_latency(row: Row) -> str:
    shown = figures.latency(row.get("latency_us"))
    if shown == figures.NONE:
        return shown
    ratio = figures.ratio(row.get("latency_ratio"))
    beside = filter(None, ("" if ratio == figures.NONE else ratio, markup.text(row.get("latency_on") or "")))
    return f"<span>{shown}<small>{', '.join(beside)}</small></span>"


def stages(report: Mapping[str, Any]) -> str:
    """Return the section with a row per stage and variant; nothing where there is none."""
    columns = (
        _Column("stage", lambda row: markup.text(row["stage"]), False),
        _Column("variant", lambda row: markup.text(row["variant"]), False),
        _Column("result", _result, False),
        _Column("size", lambda row: figures.size(row["bytes"])),
        _Column("worst error", lambda row: figures.error(row["worst_error"])),
        _Column("flips", lambda row: figures.flips(row["flips"], row["near_ties"])),
        _Column("accuracy", lambda row: figures.accuracy(row["accuracy"])),
    )
    return _table("stages", "Stages, compared with the source model", columns, report["stages"])


def _result(row: Row) -> str:
    kept = row["outcome"] == "kept"
    pill = f'<span class="pill{" ok" if kept else ""}">{markup.text(row["outcome"])}</span>'
    said = row["detail"] or str(row["reason"]).replace("_", " ")
    return f"<span>{pill}<small>{markup.sentence(said)}</small></span>" if said else pill


def _table(key: str, title: str, columns: Sequence[_Column], rows: Sequence[Row]) -> str:
    """Return a section with a table; the roles stay where a narrow screen lays rows out one below another."""
    if not rows:
        return ""
    head = "".join(
        f'<th role="columnheader" scope="col"{_class(column, "")}>{column.title}</th>' for column in columns
    )
    body = "".join(f'<tr role="row">{_cells(columns, row)}</tr>\n' for row in rows)
    return (
        f'<section id="{key}"><h2>{title}</h2><div class="card"><table role="table">\n'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{body}</tbody></table></div></section>'
    )


def _cells(columns: Sequence[_Column], row: Row) -> str:
    first, *others = columns
    cells = [f'<th role="rowheader" scope="row">{first.cell(row)}</th>']
    for column in others:
        cell = column.cell(row)
        cells.append(f'<td role="cell" data-label="{column.title}"{_class(column, cell)}>{cell}</td>')
    return "".join(cells)


def _class(column: _Column, cell: str) -> str:
    words = [*(["figure"] if column.figure else []), *(["none"] if cell == figures.NONE else [])]
    return f' class="{" ".join(words)}"' if words else ""
