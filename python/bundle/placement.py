"""Tensors of the driver's requests, placed in memory as a request asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bundle.align import aligned_empty
from bundle.dtype import DTYPES
from bundle.error import BundleError
from bundle.inputs import Array

MAX_OFFSET = 15


def decode(name: str, tensor: Any) -> Array:
    """Return the array of a TENSOR of DRIVER.md, at the address and in the byte order that it asks for.

    Raises:
        BundleError: ``usage_invalid`` NAME: it is no TENSOR.
    """
    dtype, shape, offset = _form(name, tensor)
    data = tensor.get("data")
    if dtype == "string":
        return _strings(name, data, shape)
    try:
        content = bytes.fromhex(data)
    except (TypeError, ValueError):
        raise _no_tensor(name, "data in hex") from None
    array = aligned_empty(shape, DTYPES[dtype].numpy, offset)
    if len(content) != array.nbytes:
        raise _no_tensor(name, f"{array.nbytes} bytes of data for {dtype} {list(shape)}")
    array.reshape(-1).view(np.uint8)[...] = np.frombuffer(content, np.uint8)
    if tensor.get("byte_order", "little") == "big":
        swapped = array.byteswap()
        return swapped.view(swapped.dtype.newbyteorder(">"))
    return array


def buffer(name: str, tensor: Any) -> Array:
    """Return an array for an output: dtype, shape and address of a TENSOR, whatever its data says."""
    dtype, shape, offset = _form(name, tensor)
    if dtype == "string":
        return np.full(shape, "", np.object_)
    array = aligned_empty(shape, DTYPES[dtype].numpy, offset)
    array[...] = 0
    return array


def _form(name: str, tensor: Any) -> tuple[str, tuple[int, ...], int]:
    """Return dtype, shape and offset of a TENSOR."""
    if not isinstance(tensor, Mapping) or tensor.get("dtype") not in DTYPES:
        raise _no_tensor(name, "an object with a dtype of the format")
    shape, offset = tensor.get("shape"), tensor.get("offset", 0)
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise _no_tensor(name, "a shape of sizes")
    if type(offset) is not int or not 0 <= offset <= MAX_OFFSET:
        raise _no_tensor(name, f"an offset of 0 to {MAX_OFFSET}")
    return tensor["dtype"], tuple(shape), offset


def _strings(name: str, data: Any, shape: tuple[int, ...]) -> Array:
    array = np.empty(shape, np.object_)
    if not isinstance(data, list) or len(data) != array.size:
        raise _no_tensor(name, f"a list of {array.size} strings in hex")
    try:
        # As bytes: whether they are UTF-8 is for the predictor to say.
        elements = [bytes.fromhex(element) for element in data]
    except (TypeError, ValueError):
        raise _no_tensor(name, "strings in hex") from None
    for index, element in zip(np.ndindex(shape), elements, strict=True):
        array[index] = element
    return array


def _no_tensor(name: str, expected: str) -> BundleError:
    return BundleError("usage_invalid", name, expected, "another tensor")
