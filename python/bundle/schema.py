"""The structure of a manifest (check M5): a walk driven by spec/bundle.schema.json.

The words of JSON Schema that the walk knows are those the schema uses; ``pattern`` is left to other
validators, because ``format`` says the same and counts bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from bundle.error import BundleError
from bundle.spec import table

_CONTROL = re.compile("[\x00-\x1f\x7f]")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NUMBER = "(?:0|[1-9][0-9]{0,8})"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BITS = re.compile(r"[0-9a-f]{8}")
_LARGEST_FLOAT32 = "7f7fffff"


#: Bytes of UTF-8 that a name may have.
LONGEST_NAME = 1024


def _text(value: str, shortest: int, longest: int) -> bool:
    if _CONTROL.search(value):
        return False
    return shortest <= len(value) and len(value.encode("utf-8")) <= longest


#: Whether a string has a `format` of the schema.
FORMATS: dict[str, Callable[[str], bool]] = {
    "float32-bits": lambda value: _BITS.fullmatch(value) is not None and value <= _LARGEST_FLOAT32,
    "identifier": lambda value: _IDENTIFIER.fullmatch(value) is not None,
    "name": lambda value: _text(value, 1, LONGEST_NAME),
    "sha256": lambda value: _SHA256.fullmatch(value) is not None,
    "text": lambda value: _text(value, 0, 4096),
    "version": lambda value: _VERSION.fullmatch(value) is not None,
}

# What each format takes, as a phrase.
_FORMS = {
    "float32-bits": "8 lower-case hex digits of a finite float32 that is not negative",
    "identifier": "1 to 64 letters, digits, `.`, `_` or `-`, the first a letter or digit",
    "name": f"a name of 1 to {LONGEST_NAME} bytes, without control characters",
    "sha256": "64 lower-case hex digits",
    "text": "at most 4096 bytes of text, without control characters",
    "version": "three numbers such as 1.0.0",
}

_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}


def check(tree: Any, schema: dict[str, Any], pointer: str = "") -> None:
    """Check a tree of canonical JSON against a schema, in the order that FORMAT.md lays down.

    Args:
        tree: what ``canonical.parse`` gave.
        schema: ``table("bundle.schema")``, or a part of it; references lead into the whole.
        pointer: the JSON Pointer of ``tree``, for messages.

    Raises:
        BundleError: ``manifest_field_unknown``, ``manifest_field_missing``, ``manifest_field_type`` or
            ``manifest_field_value``; the subject is the JSON Pointer of the key or element at fault.
    """
    if "$ref" in schema:
        schema = _definition(schema["$ref"])
    word = _TYPES[type(tree)]
    _check_type(word, schema, pointer)
    if word == "object":
        _check_count(len(tree), schema, "Properties", pointer)
        _check_object(tree, schema, pointer)
    elif word == "array":
        _check_count(len(tree), schema, "Items", pointer)
        items = schema.get("items", {})
        for index, value in enumerate(tree):
            check(value, items, f"{pointer}/{index}")
    elif word == "string":
        _check_string(tree, schema, pointer)
    elif word == "integer":
        _check_integer(tree, schema, pointer)


@cache
def _definition(reference: str) -> dict[str, Any]:
    """Return the part of the schema that a ``$ref`` names."""
    return table("bundle.schema")["$defs"][reference.removeprefix("#/$defs/")]  # type: ignore[no-any-return]


def _check_type(word: str, schema: dict[str, Any], pointer: str) -> None:
    expected = schema.get("type", word)
    allowed = expected if isinstance(expected, list) else [expected]
    if word not in allowed:
        raise BundleError("manifest_field_type", pointer, " or ".join(allowed), word)


def _check_object(tree: dict[str, Any], schema: dict[str, Any], pointer: str) -> None:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    # Keys are ASCII, so the order of their code points is that of their bytes.
    if others is False and (unknown := tree.keys() - known.keys()):
        key = min(unknown)
        raise BundleError(
            "manifest_field_unknown", _step(pointer, key), f"one of {_words(known)}", _words([key])
        )
    if missing := set(schema.get("required", ())) - tree.keys():
        key = min(missing)
        raise BundleError("manifest_field_missing", _step(pointer, key), "the key", "nothing")
    for key in sorted(tree):
        rule = known.get(key, others)
        if isinstance(rule, dict):
            check(tree[key], rule, _step(pointer, key))


def _check_count(count: int, schema: dict[str, Any], what: str, pointer: str) -> None:
    least, most = schema.get(f"min{what}", 0), schema.get(f"max{what}", count)
    if not least <= count <= most:
        expected = f"at least {least} entries" if count < least else f"at most {most} entries"
        raise BundleError("manifest_field_value", pointer, expected, str(count))


def _check_string(value: str, schema: dict[str, Any], pointer: str) -> None:
    if "enum" in schema and value not in schema["enum"]:
        raise BundleError(
            "manifest_field_value", pointer, f"one of {_words(schema['enum'])}", _words([value])
        )
    if "format" in schema and not FORMATS[schema["format"]](value):
        raise BundleError("manifest_field_value", pointer, _FORMS[schema["format"]], _words([value]))


def _check_integer(value: int, schema: dict[str, Any], pointer: str) -> None:
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    if not least <= value <= most:
        raise BundleError("manifest_field_value", pointer, f"{least} to {most}", str(value))


def _step(pointer: str, key: str) -> str:
    """Return the JSON Pointer one key further in."""
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def _words(names: Any) -> str:
    """Quote names for a message, each cut to a length that a terminal can bear."""
    return ", ".join(f"`{name if len(name) <= 80 else name[:77] + '...'}`" for name in names)
