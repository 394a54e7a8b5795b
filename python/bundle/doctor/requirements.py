"""What this package needs, as its installed metadata says: the one list that pip reads, too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata

from bundle.version import parse_version

#: The name under which this package is installed.
DISTRIBUTION = "edgebundle"

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)\s*(?P<bounds>[^;]*)(?:;.*extra == ['\"](?P<extra>[^'\"]+))?"
)
_COMPARE = {
    ">=": lambda have, bound: have >= bound,
    "<": lambda have, bound: have < bound,
}


@dataclass(frozen=True)
class Requirement:
    """A distribution that is needed.

    Attributes:
        name: as pip knows it.
        bounds: pairs of ``>=`` or ``<`` and a version.
        extra: of which extra; empty for what is always needed.
    """

    name: str
    bounds: tuple[tuple[str, str], ...]
    extra: str = ""

    @property
    def text(self) -> str:
        """The requirement as pip takes it."""
        return self.name + ",".join(operator + version for operator, version in self.bounds)

    def allows(self, version: str) -> bool:
        """Tell whether a version is within the bounds."""
        have = parse_version(version)
        return all(_COMPARE[operator](have, parse_version(bound)) for operator, bound in self.bounds)


def requirements() -> list[Requirement] | None:
    """Return all that the installed package needs; None where it is not installed, but only on the path."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    return [parse(line) for line in lines]


def parse(line: str) -> Requirement:
    """Read one line of the metadata, of the kinds that pyproject.toml has: bounds and an extra."""
    match = _REQUIREMENT.match(line)
    if match is None:
        raise ValueError(f"`{line}` is no requirement")
    bounds = bounds_of(match["bounds"])
    return Requirement(match["name"], bounds, match["extra"] or "")


def bounds_of(text: str) -> tuple[tuple[str, str], ...]:
    """Return the lower and upper bounds of a specifier such as ``>=3.11,<4``, the lower one first."""
    return tuple(sorted(re.findall(r"(>=|<)\s*([0-9][0-9.]*)", text), reverse=True))


def installed(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
