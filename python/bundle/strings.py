"""String tensors: arrays of text in the forms numpy has, as ONNX Runtime takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Kinds of numpy types that may hold text: fixed-width unicode, variable-width strings, bytes, objects.
_KINDS = "UTSO"


def is_text(array: Array) -> bool:
    """Tell whether every element is text: ``str``, or ``bytes`` that are to be UTF-8."""
    if array.dtype.kind != "O":
        return array.dtype.kind in _KINDS
    return all(isinstance(element, (str, bytes)) for element in array.flat)


def to_objects(array: Array) -> Array:
    """Return a C-contiguous ``object`` array of ``str`` of the same shape.

    Raises:
        ValueError: an element is not valid UTF-8 or holds U+0000.
    """
    result = np.empty(array.shape, np.object_)
    for index, element in np.ndenumerate(array):
        result[index] = _carried(element)
    return result


def _carried(element: Any) -> str:
    text = element.decode("utf-8") if isinstance(element, bytes) else str(element)
    # A `str` may hold half a surrogate pair, which UTF-8 cannot carry.
    text.encode("utf-8")
    if "\0" in text:
        raise ValueError("it holds U+0000")
    return text
