"""Mutations of bytes: of any, and of those of a JSON text."""

import json
import re
from collections.abc import Callable
from random import Random

_NUMBER = re.compile(rb"(?<![0-9a-zA-Z\"._-])-?[0-9]+(?![0-9a-zA-Z\"._-])")
_STRING = re.compile(rb'"([^"\\]*)"')
_NUMBERS = (
    b"1.0", b"1e0", b"-0", b"0.0", b"01", b"+1", b"1.", b".5", b"1e", b"-", b"null", b"NaN", b"Infinity",
    b"0x1", b"9007199254740992",
    b"-9007199254740992", b"18446744073709551616", b"1" * 400, b"1e999", b"-1e-999", b"true", b"tru",
    b"True", b'"1"',
)  # fmt: skip
_TOKENS = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\u0041", b"\\ud800", b"\\ud83d\\ude00",
    b"\\/", b"\\x", b" ", b"\t", b"\n",
    b"\r", b"\x0b", b"\x0c", b"\xa0", b"\0", b"\x1f", b"\x7f", b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80", b"\xef\xbb\xbf",
    b"\xe2\x80\xa8", b"null", b"//", b"/*", b"'", b'"a":1,', b"[[[[[[[[", b"]]]]]]]]", b'{"a":',
    b"\xc3\xa9", b"\xef\xbf\xbd",
)  # fmt: skip


def damage(rng: Random, data: bytes) -> bytes:
    """Cut, double, overwrite or flip a few pieces."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        data = rng.choice(_PLAIN)(rng, data)
    return data


def _flip(rng: Random, data: bytes) -> bytes:
    if not data:
        return data
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def _overwrite(rng: Random, data: bytes) -> bytes:
    place = rng.randint(0, len(data))
    piece = rng.choice([b"\0", b"\xff", b"\x7f", rng.randbytes(1), rng.randbytes(4), b"\xff" * 8, b"\0" * 8])
    return data[:place] + piece + data[place + len(piece) :]


def _delete(rng: Random, data: bytes) -> bytes:
    place = rng.randint(0, len(data))
    return data[:place] + data[place + rng.choice([1, 1, 2, 8, 64]) :]


def _insert(rng: Random, data: bytes) -> bytes:
    place = rng.randint(0, len(data))
    return (
        data[:place] + rng.choice([rng.choice(_TOKENS), rng.randbytes(rng.choice([1, 4, 16]))]) + data[place:]
    )


def _double(rng: Random, data: bytes) -> bytes:
    begin = rng.randint(0, len(data))
    end = min(len(data), begin + rng.choice([1, 4, 16, 100]))
    place = rng.choice([end, rng.randint(0, len(data))])
    return data[:place] + data[begin:end] + data[place:]


def _move(rng: Random, data: bytes) -> bytes:
    begin, count = rng.randint(0, len(data)), rng.choice([1, 4, 16])
    piece, rest = data[begin : begin + count], data[:begin] + data[begin + count :]
    place = rng.randint(0, len(rest))
    return rest[:place] + piece + rest[place:]


def _truncate(rng: Random, data: bytes) -> bytes:
    return data[: rng.choice([len(data) - 1, rng.randint(0, len(data)), 0])]


_PLAIN: list[Callable[[Random, bytes], bytes]] = [
    _flip, _flip, _overwrite, _overwrite, _delete, _insert, _double, _move, _truncate,
]  # fmt: skip


def respell(rng: Random, data: bytes) -> bytes:
    """Spell a JSON text otherwise: some of what comes out is still grammatical, little of it canonical."""
    return rng.choice(_OF_JSON)(rng, data)


def _number(rng: Random, data: bytes) -> bytes:
    return _sub(rng, _NUMBER, data, lambda _: rng.choice(_NUMBERS))


def _escape(rng: Random, data: bytes) -> bytes:
    def spelt(match: re.Match[bytes]) -> bytes:
        word = match[1].decode("utf-8", "replace")
        if not word:
            return match[0]
        place = rng.randrange(len(word))
        code = ord(word[place]) & 0xFFFF
        form = rng.choice(["\\u%04x", "\\u%04X", "\\u%03x", "\\U%04x"]) % code
        return f'"{word[:place]}{form}{word[place + 1 :]}"'.encode("utf-8", "replace")

    return _sub(rng, _STRING, data, spelt)


def _space(rng: Random, data: bytes) -> bytes:
    place = rng.choice([0, len(data), rng.randint(0, len(data))])
    return (
        data[:place]
        + rng.choice([b" ", b"\n", b"\r\n", b"\t", b"\x0c", b"\xef\xbb\xbf", b"\0", b"\xc2\xa0"])
        + data[place:]
    )


def _token(rng: Random, data: bytes) -> bytes:
    place = rng.choice([match.start() for match in re.finditer(rb"[\[\]{},:\"]", data)] or [0])
    return data[:place] + rng.choice(_TOKENS) + data[place + rng.choice([0, 1]) :]


def _order(rng: Random, data: bytes) -> bytes:
    """Write the keys in another order, with spaces, escaped, or one of them twice."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(tree, dict) or not tree:
        return data
    keys = sorted(tree)
    rng.shuffle(keys)
    if rng.random() < 0.5:
        key = json.dumps(keys[0]).encode()
        value = json.dumps(tree[keys[0]], separators=(",", ":"), sort_keys=True).encode()
        return data[:-1] + b"," + key + b":" + value + b"}"
    return json.dumps(
        {key: tree[key] for key in keys}, separators=rng.choice([(",", ":"), (", ", ": ")])
    ).encode()


def _deep(rng: Random, data: bytes) -> bytes:
    depth = rng.choice([15, 16, 17, 18, 100, 3000])
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    inner = rng.choice([b"1", b"", b"null", b"{}", data])
    return opening * depth + inner + closing * rng.choice([depth, depth, depth - 1])


def _twice(rng: Random, data: bytes) -> bytes:
    return data + rng.choice([data, b"{}", b",", b"x", b"\n" + data])


def _sub(
    rng: Random, pattern: re.Pattern[bytes], data: bytes, new: Callable[[re.Match[bytes]], bytes]
) -> bytes:
    places = list(pattern.finditer(data))
    if not places:
        return data
    match = rng.choice(places)
    return data[: match.start()] + new(match) + data[match.end() :]


_OF_JSON: list[Callable[[Random, bytes], bytes]] = [
    damage, damage, damage, _number, _number, _escape, _escape, _space, _token, _token, _order, _deep, _twice,
]  # fmt: skip
