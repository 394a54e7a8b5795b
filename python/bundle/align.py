"""Memory that starts where ONNX Runtime's vector kernels expect it.

Sums over a graph input take other paths, and give other last bits, when the data does not start at a
multiple of 16 bytes; a view of a row of odd length then answers differently from its copy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Bytes of which the address of every tensor handed to ONNX Runtime is a multiple.
ALIGNMENT = 16

# Two 8-byte fields aligned as a whole to 16 bytes: numpy answers `aligned?` for this type in a quarter of
# the time that reading the address takes.
_BLOCK: np.dtype[Any] = np.dtype(np.clongdouble)
_BLOCK_TELLS = _BLOCK.alignment == ALIGNMENT and _BLOCK.itemsize % ALIGNMENT == 0


def is_aligned(array: Array) -> bool:
    """Tell whether a C-contiguous array of numbers starts at a multiple of 16 bytes.

    An array without elements has no bytes that could lie wrongly.
    """
    if _BLOCK_TELLS and array.nbytes >= _BLOCK.itemsize:
        return np.ndarray((), _BLOCK, array).flags.aligned
    return not array.size or array.ctypes.data % ALIGNMENT == 0


def _owned_is_aligned() -> bool:
    """Tell whether memory that numpy itself allocates, 16 bytes or more, starts at a multiple of 16.

    The C standard says so of `malloc` on every machine with 16-byte types; numpy may be told to use
    another allocator, which is why some allocations are looked at.
    """
    arrays = [np.empty(size, np.uint8) for size in range(ALIGNMENT, 1024)]
    return all(array.ctypes.data % ALIGNMENT == 0 for array in arrays)


#: Whether an array that owns at least 16 bytes needs no look at its address.
OWNED_IS_ALIGNED = _owned_is_aligned()


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any], offset: int = 0) -> Array:
    """Return a new uninitialized C-contiguous array.

    Args:
        shape: the sizes of its axes.
        dtype: the element type; not ``object``.
        offset: bytes above a multiple of 16 at which it starts.
    """
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT + offset, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT + offset
    return memory[start : start + size].view(dtype).reshape(shape)


def aligned(array: Array) -> Array:
    """Return the array itself where it is C-contiguous and aligned, else a copy that is."""
    if array.flags.c_contiguous and is_aligned(array):
        return array
    staging = aligned_empty(array.shape, array.dtype)
    staging[...] = array
    return staging
