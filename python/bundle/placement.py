"""Tensors of the driver's requests, placed in memory as a request asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bundle.align import ALIGNMENT, aligned_empty
from bundle.dtype import DTYPES
from bundle.inputs import Array


def decode(tensor: Any) -> Array:
    """Return the array of a TENSOR of DRIVER.md, at the address and in the byte order that it asks for.

    Raises:
        ValueError: with what is wrong: it is no TENSOR.
    """
    dtype, shape, offset = _form(tensor)
    data = tensor.get("data")
    if dtype == "string":
        return _strings(data, shape)
    if not isinstance(data, str):
        raise ValueError("`data` is not hex")
    content = bytes.fromhex(data)
    size = math.prod(shape) * DTYPES[dtype].size
    if len(content) != size:
        raise ValueError(f"{len(content)} bytes of data instead of {size}")
    array = aligned_empty(shape, DTYPES[dtype].numpy, offset)
    array.reshape(-1).view(np.uint8)[...] = np.frombuffer(content, np.uint8)
    if tensor.get("byte_order", "little") == "big":
        return array.byteswap().view(array.dtype.newbyteorder(">"))
    return array


# No request carries as much as this, so a buffer of more is a misprint, and not worth the memory.
_MOST = 1 << 30


def buffer(tensor: Any) -> Array:
    """Return an array for an output: dtype, shape and address of a TENSOR, whatever its data says.

    Raises:
        ValueError: as of `decode`.
    """
    dtype, shape, offset = _form(tensor)
    if math.prod(shape) * max(DTYPES[dtype].size, 1) > _MOST:
        raise ValueError(f"a buffer of more than {_MOST} bytes")
    if dtype == "string":
        return np.full(shape, "", np.object_)
    array = aligned_empty(shape, DTYPES[dtype].numpy, offset)
    array[...] = 0
    return array


def _form(tensor: Any) -> tuple[str, tuple[int, ...], int]:
    """Return dtype, shape and offset of a TENSOR."""
    if not isinstance(tensor, Mapping) or tensor.get("dtype") not in DTYPES:
        raise ValueError("no object with a dtype of the format")
    shape, offset = tensor.get("shape"), tensor.get("offset", 0)
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("`shape` is no list of sizes")
    if type(offset) is not int or not 0 <= offset < ALIGNMENT:
        raise ValueError(f"`offset` is not 0 to {ALIGNMENT - 1}")
    return tensor["dtype"], tuple(shape), offset


def _strings(data: Any, shape: tuple[int, ...]) -> Array:
    count = math.prod(shape)
    if not isinstance(data, list) or len(data) != count or not all(isinstance(one, str) for one in data):
        raise ValueError(f"`data` is no list of {count} strings in hex")
    array = np.empty(shape, np.object_)
    for index, element in zip(np.ndindex(shape), data, strict=True):
        # As bytes: whether they are UTF-8 is for the predictor to say.
        array[index] = bytes.fromhex(element)
    return array
