"""What two models take, give and consist of, compared by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Sizes, names of axes, and None for an axis that has neither.
Shape = tuple[int | str | None, ...]


@dataclass(frozen=True)
class Port:
    """An input or an output."""

    name: str
    dtype: str
    shape: Shape

    @staticmethod
    def of_tree(tree: Mapping[str, Any]) -> Port:
        """Return the port that ``inspect`` describes."""
        return Port(tree["name"], tree["dtype"], tuple(tree["shape"]))

    def tree(self) -> dict[str, Any]:
        """Return the port as a tree for JSON."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}

    def like(self, other: Port) -> bool:
        """Tell whether both are the same; an axis without a name is like any named one."""
        if (self.name, self.dtype, len(self.shape)) != (other.name, other.dtype, len(other.shape)):
            return False
        return all(_alike(one, two) for one, two in zip(self.shape, other.shape, strict=True))


def _alike(one: int | str | None, two: int | str | None) -> bool:
    if isinstance(one, int) or isinstance(two, int):
        return one == two
    return one is None or two is None or one == two


@dataclass(frozen=True)
class Ports:
    """How the inputs or the outputs differ.

    Attributes:
        added: what only the second has.
        removed: what only the first has.
        changed: what both have by one name, with another dtype or shape.
        reordered: whether what both have stands in another order.
    """

    added: Sequence[Port]
    removed: Sequence[Port]
    changed: Sequence[tuple[Port, Port]]
    reordered: bool

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed or self.reordered)

    def tree(self) -> dict[str, Any]:
        """Return the differences as a tree for JSON."""
        changed = [{"name": one.name, "a": one.tree(), "b": two.tree()} for one, two in self.changed]
        return {
            "same": self.same,
            "added": [port.tree() for port in self.added],
            "removed": [port.tree() for port in self.removed],
            "changed": changed,
            "reordered": self.reordered,
        }


def ports(first: Sequence[Port], second: Sequence[Port]) -> Ports:
    """Compare two lists of inputs or outputs."""
    one, two = {port.name: port for port in first}, {port.name: port for port in second}
    both = [name for name in one if name in two]
    return Ports(
        added=[port for name, port in two.items() if name not in one],
        removed=[port for name, port in one.items() if name not in two],
        changed=[(one[name], two[name]) for name in both if not one[name].like(two[name])],
        reordered=both != [name for name in two if name in one],
    )


def obstacle(first: Sequence[Port], second: Sequence[Port]) -> str:
    """Return why no tensors fit the inputs of both; empty where some do."""
    one, two = {port.name: port for port in first}, {port.name: port for port in second}
    if one.keys() != two.keys():
        names = sorted(one.keys() ^ two.keys())
        return f"only one has {', '.join(f'`{name}`' for name in names)}"
    for name, port in one.items():
        other = two[name]
        if port.dtype != other.dtype:
            return f"`{name}` is {port.dtype} and {other.dtype}"
        if len(port.shape) != len(other.shape):
            return f"`{name}` has {len(port.shape)} and {len(other.shape)} axes"
        pairs = zip(port.shape, other.shape, strict=True)
        for axis, (size, another) in enumerate(pairs):
            if isinstance(size, int) and isinstance(another, int) and size != another:
                return f"axis {axis} of `{name}` is {size} and {another}"
    return ""


def counts(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return both counts of each operator whose counts differ, by name."""
    pairs = {name: (first.get(name, 0), second.get(name, 0)) for name in sorted({*first, *second})}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Entries:
    """How named entries differ: names that only one has, and the fields that differ of what both have."""

    added: Sequence[str]
    removed: Sequence[str]
    changed: Mapping[str, Sequence[str]]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed)

    def tree(self) -> dict[str, Any]:
        """Return the differences as a tree for JSON."""
        changed = {name: list(fields) for name, fields in self.changed.items()}
        return {"added": list(self.added), "removed": list(self.removed), "changed": changed}


def entries(first: Mapping[str, Mapping[str, Any]], second: Mapping[str, Mapping[str, Any]]) -> Entries:
    """Compare entries by name, field by field."""
    changed = {}
    for name in (name for name in first if name in second):
        one, two = first[name], second[name]
        fields = [key for key in sorted({*one, *two}) if one.get(key) != two.get(key)]
        if fields:
            changed[name] = fields
    return Entries(
        added=[name for name in second if name not in first],
        removed=[name for name in first if name not in second],
        changed=changed,
    )
