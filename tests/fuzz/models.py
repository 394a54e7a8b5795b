"""Mutations of model files (.onnx and .ort): of their bytes, and of names and numbers inside them."""

import re
from collections.abc import Callable, Sequence
from random import Random

from bundle.host_specific import SIGNS
from tests.fuzz import spelling

_WORD = re.compile(rb"[A-Za-z_]{2,24}")
_OPERATORS = (
    b"Add",
    b"Sub",
    b"Mul",
    b"Div",
    b"Relu",
    b"Tanh",
    b"Neg",
    b"Abs",
    b"Not",
    b"Identity",
    b"MatMul",
    b"Conv",
    b"ReduceSum",
    b"ReduceMax",
)


def mutate(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Change a model file; `others` are model files to take pieces of."""
    for _ in range(rng.choice([1, 1, 1, 2])):
        data = rng.choice(_OPERATIONS)(rng, data, others)
    return data


def _damage(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return spelling.damage(rng, data)


def _overwrite_byte(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Without a change of length the messages around it stay whole, so more of these files load."""
    if not data:
        return data
    place = rng.randrange(len(data))
    value = rng.choice(
        [0, 1, 2, 3, 7, 8, 9, 10, 11, 16, 127, 128, 255, data[place] ^ 1, (data[place] + 1) % 256]
    )
    return data[:place] + bytes([value]) + data[place + 1 :]


def _name(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Put a word in another's place, mostly one that is as long."""
    words = list(_WORD.finditer(data))
    if not words:
        return data
    old = rng.choice(words)
    new = rng.choice([*_OPERATORS, *(word[0] for word in words), b"x" * len(old[0]), old[0].swapcase()])
    if rng.random() < 0.7:
        new = (new + old[0])[: len(old[0])]
    return data[: old.start()] + new + data[old.end() :]


def _operator(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Make one operator another one whose name is as long."""
    there = [word for word in _OPERATORS if word in data]
    if not there:
        return data
    old = rng.choice(there)
    return data.replace(old, rng.choice([word for word in _OPERATORS if len(word) == len(old)]), 1)


def _sign(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Plant the mark of a file that is right on one CPU alone, or most of it."""
    sign = rng.choice(list(SIGNS.values()))
    place = rng.choice([0, len(data), rng.randint(0, len(data))])
    return data[:place] + rng.choice([sign, sign, sign[:-1], sign[1:]]) + data[place:]


def _other(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    if rng.random() < 0.6:
        return other
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


_OPERATIONS: list[Callable[[Random, bytes, Sequence[bytes]], bytes]] = [
    _damage, _damage, _overwrite_byte, _overwrite_byte, _overwrite_byte, _name, _name, _operator, _sign,
    _other,
]  # fmt: skip
