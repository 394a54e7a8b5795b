"""Texts of a report as HTML that says just what they say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from bundle.builder import figures

#: What a row of a file says in ``ran_on`` where nothing ran.
NOT_RUN = "not run"

#: A row of a report, of a stage or a file.
Row = Mapping[str, Any]


def text(value: Any) -> str:
    """Return a text of the report as markup that says just this."""
    return escape(figures.printable(value))


def sentence(value: Any) -> str:
    """Return a sentence of the report as markup; what stands between backticks there is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", text(value))


def file(row: Row) -> str:
    """Return the name of a verified file as markup."""
    return escape(file_name(row))


def file_name(row: Row) -> str:
    """Return the name of a verified file as text without what would be invisible."""
    return figures.printable(f"{row['variant']}.{row['format']}")


def listed(title: str, items: Iterable[str]) -> str:
    """Return a section with a list of markup; nothing where the list is empty."""
    lines = "".join(f"<li>{item}</li>\n" for item in items)
    return f'<section><h2>{title}</h2><ul class="card">\n{lines}</ul></section>' if lines else ""
