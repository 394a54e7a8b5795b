"""Canonical JSON: the one spelling in which manifests and golden headers are written and read.

Four JSON parsers agree about little beyond it, so a reader parses by the grammar first and then asks
whether writing the tree again gives the same bytes.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

#: The integers that every JSON library carries exactly: those within ±(2^53 - 1).
MAX_INTEGER = 2**53 - 1

# The closing quote is optional: a string that never ends must be eaten whole too, or the search would
# begin again at each quote inside it and take quadratic time.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


class Malformed(ValueError):
    """The bytes are not one JSON text; the message says why."""


class NotCanonical(ValueError):
    """The bytes are JSON, but not canonical; the message says why."""


def dumps(tree: Any) -> bytes:
    """Return the canonical bytes of a tree of dict (str keys), list, str, bool and int.

    Raises:
        ValueError: something else is in the tree, an integer is beyond ±(2^53 - 1), or a string holds
            half a surrogate pair.
    """
    _refuse_foreign(tree)
    return _encode(tree)


def parse(data: bytes, *, ascii_keys: bool, max_depth: int, exact: bool = True) -> Any:
    """Return the tree of one JSON text.

    Args:
        data: the text in UTF-8.
        ascii_keys: whether object keys must be ASCII.
        max_depth: how deep arrays and objects may nest; a scalar has depth 0.
        exact: False accepts white space, any order of keys and any escapes; duplicate keys, null,
            fractions and integers beyond ±(2^53 - 1) are refused all the same.

    Raises:
        Malformed: it is no JSON by the grammar of RFC 8259, not UTF-8, begins with a byte-order mark, or
            nests deeper than ``max_depth``. This outranks every fault of the canonical form.
        NotCanonical: the bytes are not the ones that ``dumps`` would write.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"invalid UTF-8 at byte {error.start}") from None
    bare = _STRING.sub(b"", data)
    _refuse_depth(bare, max_depth)
    reader = _Reader(ascii_keys)
    try:
        tree = reader.decoder.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"{error.msg} at character {error.pos}") from None
    if b"n" in bare:  # of the three literals only `null` has an n, and strings are gone
        reader.fault = reader.fault or "null"
    if reader.fault:
        raise NotCanonical(reader.fault)
    if exact and not _same(tree, data):
        raise NotCanonical("white space, order of keys or escapes are not the canonical ones")
    return tree


class _Reader:
    """A stdlib decoder whose hooks note the first fault of the canonical form and read on.

    Reading on matters: a grammar fault further behind outranks it.
    """

    def __init__(self, ascii_keys: bool) -> None:
        self.fault = ""
        self._ascii_keys = ascii_keys
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._float,
            parse_int=self._integer,
            parse_constant=_constant,
        )

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(pairs)
        if len(tree) != len(pairs):
            self.fault = self.fault or "a key that stands twice in one object"
        if self._ascii_keys and not all(map(str.isascii, tree)):
            self.fault = self.fault or "a key that is not ASCII"
        return tree

    def _float(self, text: str) -> int:
        self.fault = self.fault or f"the number {text[:32]}, which is no plain integer"
        return 0

    def _integer(self, text: str) -> int:
        # Longer ones are not converted: Python refuses more than 4,300 digits with an error of its own.
        value = int(text) if len(text) <= len(str(-MAX_INTEGER)) else MAX_INTEGER + 1
        if abs(value) > MAX_INTEGER or text == "-0":
            self.fault = self.fault or f"the integer {text[:32]}, which not every library carries"
        return value


def _constant(text: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and no grammar has."""
    raise Malformed(f"`{text}` is no JSON")


def _refuse_depth(bare: bytes, max_depth: int) -> None:
    """Count brackets outside of strings; where they do not match, the parser says so afterwards."""
    depth = 0
    for byte in bare.translate(None, _NO_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        if depth > max_depth:
            raise Malformed(f"arrays and objects nest deeper than {max_depth}")


def _same(tree: Any, data: bytes) -> bool:
    try:
        return _encode(tree) == data
    except UnicodeEncodeError:  # half a surrogate pair, which UTF-8 cannot hold
        return False


def _encode(tree: Any) -> bytes:
    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False)
    return text.encode("utf-8")


def _refuse_foreign(tree: Any) -> None:
    """Refuse what ``json.dumps`` would write although no reader takes it."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r} is not text")
            _refuse_foreign(value)
    elif isinstance(tree, list):
        for value in tree:
            _refuse_foreign(value)
    elif isinstance(tree, int):
        if abs(tree) > MAX_INTEGER:
            raise ValueError(f"{tree} is beyond ±(2^53 - 1)")
    elif not isinstance(tree, str):
        raise ValueError(f"canonical JSON holds no {type(tree).__name__}")
