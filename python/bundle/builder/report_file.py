"""Reads ``attest/report.json``: whatever lies there is shown to people only where the schema takes it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn, cast

from bundle import files
from bundle.builder.report import INFINITE, Report
from bundle.canonical import MAX_INTEGER
from bundle.error import BundleError
from bundle.manifest import MAX_BYTES
from bundle.spec import table

#: Where the report lies in a bundle's folder.
NAME = "attest/report.json"
_MANIFEST = "bundle.json"

#: The words of JSON Schema that ``check`` goes by, and those that tell a validator nothing.
WORDS = frozenset(
    {
        "$ref",
        "anyOf",
        "const",
        "enum",
        "items",
        "minimum",
        "maximum",
        "pattern",
        "properties",
        "required",
        "type",
    }
)
SILENT = frozenset({"$schema", "$defs", "title", "description", "additionalProperties"})

_TYPES: dict[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


def read(folder: Path) -> Report:
    """Return the report of the bundle in ``folder``; ``path`` says where that is.

    Raises:
        BundleError: ``bundle_not_found``; ``file_missing`` or ``file_not_regular`` without a report;
            ``report_malformed`` where it is not what spec/report.schema.json says;
            ``bundle_digest_mismatch`` where it is about another bundle than the one in the folder.
    """
    if not folder.is_dir():
        raise BundleError("bundle_not_found", ".", f"a folder at `{folder}`", "none")
    tree = _parse(_read_file(folder))
    check(tree, table("report.schema"))
    if (identity := _identity(folder)) not in (None, tree["digest"]):
        raise BundleError(
            "bundle_digest_mismatch",
            NAME,
            f"a report about {identity}",
            f"one about {tree['digest']}",
            "the report is that of another build; build the bundle again",
        )
    for row in (*tree["stages"], *tree["verify"]):
        if row["worst_error"] == INFINITE:
            row["worst_error"] = math.inf
    return cast("Report", {**tree, "path": str(folder)})


def _read_file(folder: Path) -> bytes:
    try:
        with files.opened(str(folder / NAME), NAME) as file:
            return file.read()
    except BundleError as error:
        hint = "`build` writes it; a bundle that was copied without its folder attest/ has none"
        raise BundleError(error.code, NAME, error.expected, error.found, hint) from None


def _identity(folder: Path) -> str | None:
    """Return the identity of the bundle in the folder; None where only a report is there."""
    if not (folder / _MANIFEST).exists():
        return None
    with files.opened(str(folder / _MANIFEST), _MANIFEST) as file:
        return hashlib.sha256(files.head(file, MAX_BYTES + 1)).hexdigest()


def _parse(data: bytes) -> Any:
    try:
        return json.loads(
            data.decode("utf-8"), parse_constant=_refuse, parse_int=_integer, parse_float=_fraction
        )
    except RecursionError:
        raise _malformed("", "JSON in UTF-8", "arrays within arrays without an end") from None
    except UnicodeDecodeError as error:
        raise _malformed("", "JSON in UTF-8", f"invalid UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise _malformed("", "JSON in UTF-8", str(error)) from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"the number {word[:20]}")


def _integer(word: str) -> int:
    # No count of bytes is longer, and every such number can be a float.
    return int(word) if len(word) <= len(str(MAX_INTEGER)) else _refuse(word)


def _fraction(word: str) -> float:
    value = float(word)
    return value if math.isfinite(value) else _refuse(word)


def check(tree: Any, schema: dict[str, Any], pointer: str = "") -> None:
    """Check a tree against ``table("report.schema")`` or a part of it, and stop at the first fault.

    Raises:
        BundleError: ``report_malformed``; its subject ends with the JSON Pointer of what is wrong.
    """
    if "$ref" in schema:
        return check(tree, _definition(schema["$ref"]), pointer)
    if "anyOf" in schema:
        return _check_any(tree, schema["anyOf"], pointer)
    allowed = _listed(schema.get("type", []))
    if allowed and not any(_is(tree, word) for word in allowed):
        raise _malformed(pointer, " or ".join(allowed), _shown(tree))
    _check_value(tree, schema, pointer)
    if isinstance(tree, dict):
        _check_object(tree, schema, pointer)
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            check(value, schema.get("items", {}), f"{pointer}/{index}")


def _definition(reference: str) -> dict[str, Any]:
    return table("report.schema")["$defs"][reference.removeprefix("#/$defs/")]  # type: ignore[no-any-return]


def _listed(words: str | list[str]) -> list[str]:
    return [words] if isinstance(words, str) else words


def _is(tree: Any, word: str) -> bool:
    # Python takes a truth value for a number; JSON does not.
    return isinstance(tree, _TYPES[word]) and (word == "boolean" or not isinstance(tree, bool))


def _check_any(tree: Any, choices: list[dict[str, Any]], pointer: str) -> None:
    faults = []
    for schema in choices:
        try:
            return check(tree, schema, pointer)
        except BundleError as error:
            faults.append(error)
    raise _malformed(pointer, " or ".join(error.expected for error in faults), _shown(tree))


def _check_object(tree: dict[str, Any], schema: dict[str, Any], pointer: str) -> None:
    if missing := set(schema.get("required", ())) - tree.keys():
        raise _malformed(f"{pointer}/{min(missing)}", "the key", "nothing")
    for key, rule in schema.get("properties", {}).items():
        if key in tree:
            check(tree[key], rule, f"{pointer}/{key}")


def _check_value(tree: Any, schema: dict[str, Any], pointer: str) -> None:
    choices = schema.get("enum", [schema["const"]] if "const" in schema else [tree])
    if tree not in choices:
        raise _malformed(pointer, " or ".join(map(_shown, choices)), _shown(tree))
    if isinstance(tree, str) and not re.search(schema.get("pattern", ""), tree):
        raise _malformed(pointer, f"a text like {schema['pattern']}", _shown(tree))
    if _is(tree, "number"):
        least, most = schema.get("minimum", tree), schema.get("maximum", tree)
        if not least <= tree <= most:
            bounds = f"at least {least}" if tree < least else f"at most {most}"
            raise _malformed(pointer, bounds, _shown(tree))


def _shown(value: Any) -> str:
    """Return a value for a message, cut to a length that a terminal can bear."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = json.dumps(value)
    return f"`{text if len(text) <= 80 else text[:77] + '...'}`"


def _malformed(pointer: str, expected: str, found: str) -> BundleError:
    subject = f"{NAME}#{pointer}" if pointer else NAME
    return BundleError("report_malformed", subject, expected, found)
