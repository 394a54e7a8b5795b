"""Options as Python callers write them, in the types of JSON that native predictors read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain_options(options: Mapping[str, Any], variant: str | None) -> dict[str, Any]:
    """Return options for a native library, which judges them.

    What JSON has no word for becomes null, which is a value of no option.
    """
    plain = {name: _plain(value) for name, value in options.items()}
    if options.get("digest", "") is None:
        del plain["digest"]
    providers = options.get("providers")
    if isinstance(providers, Mapping):
        plain["providers"] = [list(entry) for entry in plain["providers"].items()]
    if variant is not None:
        plain["variant"] = _plain(variant)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        known = all(isinstance(key, str) for key in value)
        return {_plain(key): _plain(entry) for key, entry in value.items()} if known else None
    if type(value) in (bool, int) or (type(value) is float and math.isfinite(value)):
        return value
    return None
