"""The word for a target in the names of bundles, archives and references, and which word suits this host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bundle.library import host_arch, host_features
from bundle.spec import table

if TYPE_CHECKING:
    from bundle.manifest import Target

WORD = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def target_word(target: Target) -> str:
    """Return the target in a bundle's name: ``arm64``, or ``arm64-dotprod`` for another CPU class."""
    default = table("targets")["targets"][target.arch]["default_cpu_class"]
    return target.arch if target.cpu_class == default else f"{target.arch}-{target.cpu_class}"


def preference(word: str) -> tuple[int, str]:
    """Return a key that sorts target words: what suits this host best comes first.

    First the classes of this host's architecture whose features it has, the most demanding first; then
    ``any``; then the rest. Equals are in byte order.
    """
    arch, _, cpu_class = word.partition("-")
    row = table("targets")["targets"].get(arch)
    if row is None:
        return 1, word
    if arch == "any":
        return 0, word
    features = row["cpu_classes"].get(cpu_class or row["default_cpu_class"], {}).get("features")
    if arch != host_arch() or features is None or not host_features().issuperset(features):
        return 1, word
    return -1 - len(features), word
