"""The name that a misspelt one was most likely meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``did you mean `x`?`` for the known name nearest to a text; empty where none is near.

    Case does not count, so that `cuda` finds a name that begins with `CUDA`.
    """
    from difflib import get_close_matches

    if not isinstance(name, str) or not name:
        return ""
    folded = {each.lower().replace("_", "-"): each for each in known}
    word = name.lower().replace("_", "-")
    near = get_close_matches(word, folded, n=1)
    near = near or [each for each in folded if min(len(word), len(each)) > _SHORT and _part(word, each)]
    return f"did you mean `{folded[near[0]]}`?" if near else ""


#: Up to so many letters a name is part of too many others to tell.
_SHORT = 2


def _part(word: str, known: str) -> bool:
    return known.startswith(word) or word.startswith(known)
