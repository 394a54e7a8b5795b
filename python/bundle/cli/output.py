"""What the commands print: data to stdout, errors to stderr, both for people or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from bundle.error import BundleError


def print_json(tree: dict[str, Any]) -> None:
    """Print a result as one line of JSON; ValueError where it holds NaN or an infinity."""
    print(json.dumps(tree, allow_nan=False), flush=True)


def print_text(lines: Iterable[str]) -> None:
    """Print lines; characters that the terminal's encoding lacks are shown as escapes, and do not fail."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def error_tree(error: BundleError) -> dict[str, Any]:
    """Return an error as a tree for JSON, in the form of the driver protocol and with its hint."""
    fields = {name: getattr(error, name) for name in ("code", "subject", "expected", "found")}
    return {"ok": False, "error": {**fields, "message": str(error), "hint": error.hint}}


def print_error(error: BundleError) -> None:
    """Print an error for people, on stderr: one sentence, and a second line that says what to do."""
    lines = [f"error: {error}"]
    if text := error.hint:
        lines.append(f"hint: {text}")
    encoding = sys.stderr.encoding or "utf-8"
    for line in lines:
        printable = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
        print(printable.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)


def columns(rows: Sequence[Sequence[str]], indent: int = 2) -> list[str]:
    """Lay rows out in columns as wide as their longest cell; the last column is not padded."""
    count = max((len(row) for row in rows), default=0)
    widths = [max((len(row[i]) for row in rows if i < len(row)), default=0) for i in range(count)]
    return [
        " " * indent + "  ".join(cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip() for row in rows
    ]


def size_text(count: int) -> str:
    """Return a number of bytes for people: ``605,980 B``, ``6.8 MB``."""
    if count < 10**6:
        return f"{count:,} B"
    unit, name = (10**9, "GB") if count >= 10**9 else (10**6, "MB")
    return f"{count / unit:.1f} {name}"


def shape_text(shape: Iterable[int | str | None]) -> str:
    """Return a shape for people: ``[batch, 1, 8, 8]``; an axis without a size or a name is ``?``."""
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"
