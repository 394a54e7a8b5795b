"""String tensors in a tensor file: a tensor of offsets and one of UTF-8 stand for each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.dtype import word_of

Array = NDArray[Any]

_MARK = "string:"
_SIZE = "(?:0|[1-9][0-9]{0,15})"
_SIZES = re.compile(f"(?:{_SIZE}(?:,{_SIZE}){{0,7}})?")
_OFFSETS, _TEXT = ".offsets", ".utf8"


class TensorFileError(ValueError):
    """The bytes are no tensor file that is read here; the message says why."""


def join(tensors: Mapping[str, Array], metadata: Mapping[str, str], strict: bool) -> dict[str, Array]:
    """Return the tensors with each pair that the metadata calls a string as one ``object`` array of ``str``.

    Raises:
        TensorFileError: half of a pair is not there, or the two do not make the strings promised; where
            ``strict``, also metadata that is about no string.
    """
    joined = dict(tensors)
    for key, mark in metadata.items():
        if not mark.startswith(_MARK):
            if strict:
                raise TensorFileError(f"`{key}` is an entry of the metadata that is about no string")
            continue
        sizes = mark.removeprefix(_MARK)
        if not _SIZES.fullmatch(sizes):
            raise TensorFileError(f"`{key}` has sizes that are none")
        try:
            offsets, text = joined.pop(key + _OFFSETS), joined.pop(key + _TEXT)
        except KeyError as error:
            raise TensorFileError(f"{error} is not there") from None
        if key in joined:
            raise TensorFileError(f"`{key}` stands for two tensors")
        shape = tuple(int(size) for size in sizes.split(",")) if sizes else ()
        joined[key] = _strings(key, offsets, text, shape)
    return joined


def split(tensors: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the tensors with each of strings as two, and the metadata that names those.

    Raises:
        ValueError: an element is no text, no UTF-8 or holds U+0000, or a key is needed twice.
    """
    plain: dict[str, Array] = {}
    metadata: dict[str, str] = {}
    for key, array in tensors.items():
        parts = {key: array}
        if word_of(array) == "string":
            metadata[key] = _MARK + ",".join(str(size) for size in array.shape)
            texts = [_encoded(key, element) for element in array.flat]
            offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
            parts = {key + _OFFSETS: offsets, key + _TEXT: np.frombuffer(bytearray().join(texts), np.uint8)}
        if twice := parts.keys() & plain.keys():
            raise ValueError(f"the keys {sorted(twice)} are needed twice")
        plain.update(parts)
    return plain, metadata


def _strings(key: str, offsets: Array, text: Array, shape: tuple[int, ...]) -> Array:
    if word_of(offsets) != "int64" or word_of(text) != "uint8" or offsets.ndim != 1 or text.ndim != 1:
        raise TensorFileError(f"`{key}` has offsets that are not int64 or text that is not uint8, of rank 1")
    if offsets.size != math.prod(shape) + 1 or offsets[0] != 0 or offsets[-1] != text.size:
        raise TensorFileError(f"`{key}` has offsets that do not lead from 0 to the end, one per string")
    if (offsets[1:] < offsets[:-1]).any():
        raise TensorFileError(f"`{key}` has offsets that fall")
    data, positions = text.tobytes(), offsets.tolist()
    try:
        array = np.empty(shape, np.object_)
    except ValueError as error:  # sizes beyond what an array can have, beside a 0
        raise TensorFileError(f"`{key}`: {error}") from None
    for index, (begin, end) in enumerate(pairwise(positions)):
        array.flat[index] = _decoded(key, data[begin:end])
    return array


def _decoded(key: str, data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise TensorFileError(f"`{key}` holds text that is no UTF-8") from None
    if "\0" in text:
        raise TensorFileError(f"`{key}` holds U+0000")
    return text


def _encoded(key: str, element: object) -> bytes:
    if isinstance(element, bytes):
        element = element.decode()
    if not isinstance(element, str) or "\0" in element:
        raise ValueError(f"`{key}` holds an element that is no text, or U+0000")
    return element.encode()
