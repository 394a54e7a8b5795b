"""Mutations of golden files that know their form: a length, a canonical header, tensors in key order."""

import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

from bundle.canonical import dumps
from tests.fuzz import spelling, values

Header = dict[str, Any]

_DTYPES = {
    "BOOL": 1,
    "F16": 2,
    "F32": 4,
    "F64": 8,
    "I8": 1,
    "I16": 2,
    "I32": 4,
    "I64": 8,
    "U8": 1,
    "U16": 2,
    "U32": 4,
    "U64": 8,
}
_WORDS = (*_DTYPES, "BF16", "f32", "", "F8_E4M3")
_MARKS = (
    "string:",
    "string:1",
    "string:2",
    "string:0",
    "string:01",
    "string:3,1",
    "string:1,3",
    "string:,",
    "string",
    "text",
    "string:2,",
    "string:1000000000",
    "string:9007199254740991",
    "string:0,9007199254740991",
    "string:9999999999999999",
)
_META = "__metadata__"
_LENGTH = 8


def mutate(rng: Random, data: bytes) -> bytes:
    """Change a golden file; half of the time what comes out has a header of the right form."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[_LENGTH : _LENGTH + length])
        body = bytearray(data[_LENGTH + length :])
    except (struct.error, ValueError):
        return spelling.damage(rng, data)
    match rng.randrange(10):
        case 0 | 1:
            return spelling.damage(rng, data)
        case 2:
            return _frame(rng, spelling.respell(rng, dumps(_bounded(header))), bytes(body))
        case 3 | 4:
            _edit_body(rng, header, body)
            return _frame(rng, dumps(_bounded(header)), bytes(body), exact=True)
    for _ in range(rng.choice([1, 1, 2])):
        rng.choice(_OPERATIONS)(rng, header, body)
    if rng.random() < 0.6:
        _tile(header)
    return _frame(rng, dumps(_bounded(header)), bytes(body), exact=rng.random() < 0.9)


def _frame(rng: Random, text: bytes, body: bytes, exact: bool = False) -> bytes:
    """Put length, header, padding and data together, mostly as they should be."""
    padded = text + b" " * (-len(text) % _LENGTH)
    length = len(padded)
    if not exact:
        padded += rng.choice([b"", b"", b" " * 8, b" ", b"\0" * 8, b"\n       "])
        length = rng.choice(
            [len(padded), len(padded), len(text), length - 8, 2**20, 2**20 + 8, 2**63, 2**64 - 8, 0]
        )
        body += rng.choice([b"", b"", b"\0"])
    return struct.pack("<Q", length % 2**64) + padded + body


def _bounded(value: Any) -> Any:
    """The same with integers that canonical JSON has."""
    if isinstance(value, dict):
        return {key: _bounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_bounded(inner) for inner in value]
    return max(-values.LARGEST, min(value, values.LARGEST)) if type(value) is int else value


def _tile(header: Header) -> None:
    """Let the tensors follow each other again, each with its own length."""
    end = 0
    for key in sorted(header, key=str.encode):
        entry = header[key]
        if key == _META or not isinstance(entry, dict) or not isinstance(entry.get("data_offsets"), list):
            continue
        offsets = entry["data_offsets"]
        if len(offsets) == 2 and all(type(offset) is int for offset in offsets):
            length = max(0, offsets[1] - offsets[0])
            if end + length <= values.LARGEST:
                entry["data_offsets"] = [end, end + length]
                end += length


def _entries(header: Header) -> list[str]:
    return [key for key in header if key != _META and isinstance(header[key], dict)]


def _edit_body(rng: Random, header: Header, body: bytearray) -> None:
    """Change the elements of one tensor: bits, special values, offsets, text."""
    keys = [key for key in _entries(header) if _span(header[key])]
    if not keys:
        return
    key = rng.choice(keys)
    begin, end = _span(header[key])
    size = _DTYPES.get(header[key].get("dtype"), 1)
    for _ in range(rng.choice([1, 1, 3])):
        if end - begin < size:
            return
        place = begin + size * rng.randrange((end - begin) // size)
        piece = _element(rng, str(header[key].get("dtype")), size)
        if rng.random() < 0.3:
            piece = bytes([body[place] ^ 1 << rng.randrange(8)]) if place < len(body) else b""
        body[place : place + len(piece)] = piece


def _span(entry: Header) -> tuple[int, int]:
    offsets = entry.get("data_offsets")
    if isinstance(offsets, list) and len(offsets) == 2 and all(type(offset) is int for offset in offsets):
        return offsets[0], offsets[1]
    return 0, 0


def _element(rng: Random, dtype: str, size: int) -> bytes:
    if dtype in ("F32", "F64"):
        value = rng.choice(
            [
                0.0,
                -0.0,
                1.0,
                -1.0,
                0.5,
                1e-40,
                3e38,
                float("inf"),
                float("-inf"),
                float("nan"),
                rng.uniform(-9, 9),
            ]
        )
        return struct.pack("<f" if dtype == "F32" else "<d", value)
    return rng.choice(
        [
            b"\0" * size,
            b"\xff" * size,
            b"\x01" + b"\0" * (size - 1),
            b"\x02" + b"\0" * (size - 1),
            rng.randbytes(size),
        ]
    )


def _drop(rng: Random, header: Header, body: bytearray) -> None:
    if header:
        key = rng.choice(sorted(header))
        begin, end = _span(header[key]) if isinstance(header[key], dict) else (0, 0)
        del header[key]
        if rng.random() < 0.7 and 0 <= begin <= end:
            del body[begin:end]
            for other in _entries(header):
                first, last = _span(header[other])
                if first >= end:
                    header[other]["data_offsets"] = [first - end + begin, last - end + begin]


def _rename(rng: Random, header: Header, body: bytearray) -> None:
    if header:
        key = rng.choice(sorted(header))
        new = rng.choice(
            [key + ".offsets", key + ".utf8", key.replace("inputs/", "source/"), key.replace("source",
            "recorded/none"), key + "é", "",
             "\U0001f600", "\uffff", key[:-1], key.removesuffix(".utf8"), _META]
        )  # fmt: skip
        header[new] = header.pop(key)


def _describe(rng: Random, header: Header, body: bytearray) -> None:
    if keys := _entries(header):
        entry = header[rng.choice(keys)]
        match rng.randrange(6):
            case 0:
                entry["dtype"] = rng.choice(_WORDS)
            case 1:
                size = _DTYPES.get(entry.get("dtype"), 0)
                entry["dtype"] = rng.choice(
                    [word for word, other in _DTYPES.items() if other == size] or _WORDS
                )
            case 2:
                entry["data_offsets"] = [
                    offset + rng.choice([0, 0, 1, -1, 8, values.LARGEST // 2]) for offset in _span(entry)
                ]
            case 3:
                entry[rng.choice(["dtype", "shape", "data_offsets", "more"])] = values.other_type(rng)
            case 4:
                entry.pop(rng.choice(sorted(entry)), None)
            case _:
                entry["shape"] = [0, *([values.LARGEST] * rng.choice([1, 2, 3, 8]))]


def _reshape(rng: Random, header: Header, body: bytearray) -> None:
    if keys := _entries(header):
        entry = header[rng.choice(keys)]
        shape = entry.get("shape")
        if isinstance(shape, list):
            place = rng.randint(0, len(shape))
            entry["shape"] = rng.choice(
                [shape[::-1], [*shape[:place], 1, *shape[place:]], shape[1:], shape + [1] * 8,
                [size + 1 if type(size) is int else 0 for size in shape],
                 [*shape[:place], rng.choice([0, -1, True, "n", 2**31, values.LARGEST]), *shape[place + 1 :]]]
            )  # fmt: skip


def _add(rng: Random, header: Header, body: bytearray) -> None:
    end = len(body)
    key = rng.choice(
        [
            "a",
            "inputs/none",
            "recorded/none/y",
            "source/y",
            "source/y.offsets",
            "source/y.utf8",
            "zz",
            "\U0001f600",
            "\ufb01",
        ]
    )
    size = rng.choice([0, 0, 4])
    body += b"\0" * size
    header[key] = {
        "data_offsets": [end, end + size],
        "dtype": rng.choice(_WORDS[:12]),
        "shape": [rng.choice([0, 1, 4])],
    }


def _metadata(rng: Random, header: Header, body: bytearray) -> None:
    known = header.get(_META)
    keys = [
        *(known if isinstance(known, dict) else ()),
        *(key.removesuffix(".utf8") for key in header),
        "source/y",
    ]
    if rng.random() < 0.15:
        header[_META] = values.other_type(rng)
    elif isinstance(known, dict) and known and rng.random() < 0.3:
        del known[rng.choice(sorted(known))]
    else:
        header[_META] = {
            **(known if isinstance(known, dict) else {}),
            rng.choice(keys): rng.choice([*_MARKS, values.other_type(rng)]),
        }


def _swap(rng: Random, header: Header, body: bytearray) -> None:
    """Exchange two tensors' descriptions, so that another dtype, shape or place belongs to each key."""
    keys = _entries(header)
    if len(keys) > 1:
        first, second = rng.sample(keys, 2)
        header[first], header[second] = header[second], header[first]


_OPERATIONS: list[Callable[[Random, Header, bytearray], None]] = [
    _drop, _rename, _describe, _describe, _reshape, _reshape, _add, _metadata, _metadata, _swap,
]  # fmt: skip
