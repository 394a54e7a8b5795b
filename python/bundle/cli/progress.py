"""Progress on a terminal; in a pipe, and without the library that draws it, nothing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def visible() -> bool:
    """Whether progress is drawn: stderr is a terminal and rich is installed."""
    return sys.stderr.isatty() and importlib.util.find_spec("rich") is not None


@contextmanager
def status() -> Iterator[Callable[[str], None] | None]:
    """Show what is being done. Yields a function that takes a phrase, or None where nothing is drawn."""
    if not visible():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("starting") as spinner:
        yield lambda phrase: spinner.update(escape(phrase))


@contextmanager
def bar(title: str, *, still: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """Show how far something is. Yields a function of (done, total), or None where nothing is drawn.

    ``still``: drawn only while that function is called, so that no thread disturbs what is measured between.
    """
    if not visible():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, auto_refresh=not still) as progress:
        task = progress.add_task(title)
        yield lambda done, total: progress.update(task, completed=done, total=total, refresh=still)
