"""Whether a reduced ONNX Runtime has the operators and types that a bundle uses (check L13)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.doctor.finding import Finding, of_error
from bundle.error import BundleError

_CHECK = "library operators"
_GLOBAL, _ALL = "!globally_allowed_types;", "!no_ops_specified_means_all_ops_are_required"

#: The types of an operator: by place, such as ``inputs 0``, the C++ names of the allowed ones.
Types = dict[str, frozenset[str]]


@dataclass
class Operators:
    """A configuration of ONNX Runtime's reduced build.

    Attributes:
        listed: by domain and operator: by operator set, the types, where they are given.
        types: those that all operators may have, or None.
        all_when_empty: whether a list of none means all.
    """

    listed: dict[tuple[str, str], dict[int, Types]] = field(default_factory=dict)
    types: frozenset[str] | None = None
    all_when_empty: bool = False


def read_operators(path: Path, subject: str) -> Operators:
    """Read a configuration.

    Raises:
        BundleError: ``runtime_config_invalid``.
    """
    try:
        return parse(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        expected = "a configuration of a reduced build of ONNX Runtime"
        raise BundleError("runtime_config_invalid", subject, expected, str(error)) from error


def parse(text: str) -> Operators:
    """Read the text of a configuration.

    Raises:
        ValueError: it is none; the text names the line.
    """
    operators = Operators()
    for number, line in enumerate((line.strip() for line in text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        if line.startswith(_GLOBAL):
            operators.types = frozenset(_split(line.removeprefix(_GLOBAL)))
        elif line == _ALL:
            operators.all_when_empty = True
        else:
            try:
                _add(operators, line)
            except ValueError as error:
                raise ValueError(f"line {number} is not DOMAIN;OPSET;OPERATORS: {error}") from error
    return operators


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _add(operators: Operators, line: str) -> None:
    domain, opsets, names = line.split(";", 2)
    for name, types in _named(names):
        rows = operators.listed.setdefault((domain.strip() or "ai.onnx", name), {})
        for opset in _split(opsets):
            rows[int(opset)] = types


def _named(text: str) -> Iterable[tuple[str, Types]]:
    """Yield each operator of a list, some of which have JSON behind their names."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        end = min((place for place in (rest.find(","), rest.find("{")) if place >= 0), default=len(rest))
        name, rest = rest[:end].strip(), rest[end:]
        if not name:
            raise ValueError("an operator without a name")
        types: Types = {}
        if rest.startswith("{"):
            tree, used = decoder.raw_decode(rest)
            types, rest = _types(tree), rest[used:].lstrip()
            if rest and not rest.startswith(","):
                raise ValueError(f"`{rest[:20]}` behind the types of {name}")
        yield name, types
        rest = rest.removeprefix(",").strip()


def _types(tree: Any) -> Types:
    """Return the types of one operator: of its inputs and outputs, or ``custom`` combinations."""
    try:
        found = {
            f"{side} {index}": names
            for side in ("inputs", "outputs")
            for index, names in tree.get(side, {}).items()
        }
        custom = {"custom": [json.dumps(each) for each in tree["custom"]]} if "custom" in tree else {}
        return {place: frozenset(names) for place, names in (found | custom).items()}
    except (AttributeError, TypeError) as error:
        raise ValueError("types that are no object of lists") from error


def compare(needed: Operators, there: Operators) -> list[Finding]:
    """Return what a runtime lacks that was built with a configuration."""
    if not there.listed and there.all_when_empty and there.types is None:
        return [Finding(_CHECK, "ok", "the runtime has all operators")]
    found = []
    for (domain, name), rows in sorted(needed.listed.items()):
        for opset, types in sorted(rows.items()):
            finding = _one(f"{domain}:{name}", opset, types, _rows(there, domain, name, opset), there.types)
            found += [finding] if finding else []
    if found:
        return found
    return [Finding(_CHECK, "ok", f"the runtime has all {len(needed.listed)} operators of the bundle")]


def _rows(there: Operators, domain: str, name: str, opset: int) -> dict[int, Types]:
    """Return what the runtime lists of an operator, by operator set."""
    if not there.listed and there.all_when_empty:
        return {opset: {}}
    return there.listed.get((domain, name), {})


def _one(
    subject: str, opset: int, types: Types, rows: dict[int, Types], everywhere: frozenset[str] | None
) -> Finding | None:
    if not rows:
        expected = f"this operator, of operator set {opset}, in the reduced runtime"
        return of_error(
            _CHECK, BundleError("library_operator", subject, expected, "a runtime built without it")
        )
    if opset not in rows:
        others = ", ".join(map(str, sorted(rows)))
        sentence = (
            f"{subject} is listed for operator set {others} and used of {opset}: its kernel may be the same"
        )
        return Finding(
            _CHECK, "unknown", sentence, "add the line to the configuration and build the runtime again"
        )
    for place, wanted in sorted(types.items()):
        allowed = rows[opset].get(place, everywhere)
        if allowed is not None and not wanted <= allowed:
            expected = f"{', '.join(sorted(wanted))} for {place} in the reduced runtime"
            found = f"one built for {', '.join(sorted(allowed))}"
            return of_error(_CHECK, BundleError("library_operator", subject, expected, found))
    return None
