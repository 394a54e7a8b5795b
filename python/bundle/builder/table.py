"""The table that a build ends with, for people."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bundle.builder import figures
from bundle.builder.report import Report, StageRow

if TYPE_CHECKING:
    from rich.console import Console

#: Wide enough for one row per stage; rich takes 80 where there is no terminal to ask.
_WIDTH_WITHOUT_TERMINAL = 140

_FIGURES = ("size", "worst error", "decision flips", "accuracy")
_STAGE_HEADER = ("stage", "result", *_FIGURES)
_FILE_HEADER = ("file", "ran on", "verdict", *_FIGURES, "latency", "of source")


def print_report(report: Report, file: TextIO, guessed: Mapping[str, str] | None = None) -> None:
    """Print the tables, the advice, where the bundle is, its digest and what to try next.

    ASCII alone where ``file`` is no terminal, or one that lacks the characters; anything that a name
    brings beyond its encoding is shown as an escape.
    """
    with _console(file) as console:
        _print_all(console, report, guessed or {})


def print_stages(
    title: str, rows: Sequence[StageRow], advice: Sequence[str], guessed: Mapping[str, str], file: TextIO
) -> None:
    """Print the table of some stages and what is to be said of them, as ``print_report`` does."""
    with _console(file) as console:
        _print_table(console, title, _STAGE_HEADER, _row_cells(rows))
        _print_advice(console, advice, guessed)


@contextmanager
def _console(file: TextIO) -> Iterator[Console]:
    """Yield what draws; the result goes to ``file`` in one piece."""
    from rich.console import Console

    console = Console(file=file, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    # Captured, because rich ends the program with a code of its own where a pipe is closed.
    with console.capture() as capture:
        yield console
    file.write(capture.get())


def _print_all(console: Console, report: Report, guessed: Mapping[str, str]) -> None:
    title = f"{report['name']} {report['version']} for {report['target']}"
    _print_table(console, title, _STAGE_HEADER, stage_cells(report))
    about = "files of the bundle, beside their recorded outputs"
    _print_table(console, about, _FILE_HEADER, file_cells(report))
    if "auto" in report:
        chosen = report["auto"]
        _print_line(console, f"auto:   `{chosen['chosen']}` by {chosen['objective']}: {chosen['why']}")
    for name in report.get("skipped_precisions", []):
        _print_line(console, f"skipped: `{name}`, though it was asked for: {_why(report, name)}")
    _print_advice(console, report["advice"], guessed)
    _print_line(console, f"bundle: {report['path']}")
    _print_line(console, f"digest: {report['digest']}")
    _print_line(console, f"next:   {_python()} -m bundle self-test {_typed(report['path'])}")


def _print_advice(console: Console, advice: Sequence[str], guessed: Mapping[str, str]) -> None:
    for sentence in advice:
        _print_line(console, f"note: {sentence}")
    for name, word in guessed.items():
        other = f"--decision {shlex.quote(f'{name}=none')} if it decides nothing"
        _print_line(console, f"guess:  `{name}` decides by {word}; {other}")


def _python() -> str:
    """Return how this interpreter is called from here."""
    running, found = Path(sys.executable), shutil.which("python")
    if found and Path(found).parent == running.parent:
        return "python"
    return _typed(sys.executable)


def _typed(path: str) -> str:
    """Return a path as one types it: from here where it lies below, quoted where the shell needs it."""
    here = Path.cwd()
    return shlex.quote(str(Path(path).relative_to(here) if Path(path).is_relative_to(here) else path))


def stage_cells(report: Report) -> list[tuple[str, ...]]:
    """Return one row of text per stage: stage, result, size, worst error, flips, accuracy."""
    return _row_cells(report["stages"])


def _row_cells(rows: Sequence[StageRow]) -> list[tuple[str, ...]]:
    several = len({row["variant"] for row in rows}) > 1
    return [
        (
            f"{row['stage']} ({row['variant']})" if several else row["stage"],
            _result(row),
            "-" if row["bytes"] is None else f"{row['bytes']:,}",
            figures.error(row["worst_error"]),
            figures.flips(row["flips"], row["near_ties"]),
            figures.accuracy(row["accuracy"]),
        )
        for row in rows
    ]


def file_cells(report: Report) -> list[tuple[str, ...]]:
    """Return one row of text per verified file, in the order of its header."""
    return [
        (
            f"{row['variant']}.{row['format']}",
            row["ran_on"],
            "passed" if row["passed"] else ("not run" if row["ran_on"] == "not run" else "failed"),
            f"{row['bytes']:,}",
            figures.error(row["worst_error"]),
            figures.flips(row["flips"]),
            figures.accuracy(row["accuracy"]),
            _latency(row["latency_us"]),
            figures.ratio(row["latency_ratio"]),
        )
        for row in report["verify"]
    ]


def _why(report: Report, variant: str) -> str:
    """Return why a variant did not come about: what its last stage said."""
    rows = [row for row in report["stages"] if row["variant"] == variant]
    return _result(rows[-1]) if rows else "no reason is known"


def _result(row: StageRow) -> str:
    said = row["detail"] or row["reason"].replace("_", " ")
    return f"{row['outcome']}: {said}" if said else row["outcome"]


def _latency(microseconds: float | None) -> str:
    # Not figures.latency: a table may go to a terminal without the letter for a millionth.
    if microseconds is None:
        return "-"
    return f"{microseconds:.1f} us" if microseconds < 1000 else f"{microseconds / 1000:.2f} ms"


def _print_table(console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    plain = not console.is_terminal or console.encoding.lower() not in ("utf-8", "utf8")
    _print_line(console, title)
    table = Table(box=box.ASCII2 if plain else box.SIMPLE_HEAD)
    for name in header:
        # Words wrap where the terminal is narrow, figures never.
        words = name in ("result", "ran on")
        figures = name in (*_FIGURES, "latency", "of source")
        table.add_column(name, no_wrap=not words, justify="right" if figures else "left")
    for row in rows:
        table.add_row(*(Text(_printable(console, cell)) for cell in row))
    console.print(table)


def _print_line(console: Console, text: str) -> None:
    # Soft wrap: a path or a command has to survive being copied.
    console.print(_printable(console, text), soft_wrap=True)


def _printable(console: Console, text: str) -> str:
    visible = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return visible.encode(console.encoding, "backslashreplace").decode(console.encoding)
