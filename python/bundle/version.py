"""Versions as numbers that compare; needs nothing but the standard library."""

from __future__ import annotations

import re


def parse_version(text: str) -> tuple[int, ...]:
    """Return a version as three numbers that compare: ``1.31.1`` gives (1, 31, 1).

    What follows them is left out, since libraries call themselves ``1.31.1+cpu`` or ``1.32.0.dev1``.
    """
    return tuple(int(number) for number in re.findall("[0-9]+", text)[:3])
