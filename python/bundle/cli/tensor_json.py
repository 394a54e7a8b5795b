"""Tensors in JSON, in two forms: nested lists for people, and the exact tensors of the driver protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bundle.dtype import DTYPES, word_of
from bundle.tolerance import Array

#: How numbers that JSON lacks are written in nested lists.
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

# What a cell of a nested list may be, by the kind of the tensor's elements.
_CELLS: dict[str, tuple[type, ...]] = {"b": (bool,), "i": (int,), "u": (int,), "f": (int, float), "O": (str,)}


def decode(data: bytes, dtypes: Mapping[str, str]) -> tuple[dict[str, Array], bool]:
    """Read an object of tensors by name; return them, and whether any came in the exact form.

    Args:
        data: JSON text.
        dtypes: name to dtype word; a nested list takes it, an exact tensor has its own. A nested list
            of another name stays an ``object`` array.

    Raises:
        ValueError: with what is wrong, and where.
    """
    try:
        tree = json.loads(data)
    except RecursionError:
        raise ValueError("lists nested too deep") from None
    if not isinstance(tree, dict):
        raise ValueError("not an object of tensors by name")
    tensors = {}
    for name, value in tree.items():
        try:
            if isinstance(value, dict):
                tensors[name] = from_exact(value)
            else:
                tensors[name] = _from_nested(value, dtypes.get(name))
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"`{name}`: {error}") from error
    return tensors, any(isinstance(value, dict) for value in tree.values())


def nested(tensor: Array) -> Any:
    """Return a tensor as nested lists; floats have the fewest digits that give their bits back."""
    if tensor.dtype.kind != "f":
        return tensor.tolist()
    # Through text: the digits of a float32 are fewer than those of the float64 that equals it.
    short = tensor.astype(np.str_).astype(np.float64)
    if np.isfinite(short).all():
        return short.tolist()
    cells = short.astype(np.object_)
    cells[np.isnan(short)] = "NaN"
    cells[short == math.inf] = "Infinity"
    cells[short == -math.inf] = "-Infinity"
    return cells.tolist()


def exact(tensor: Array) -> dict[str, Any]:
    """Return a tensor as DRIVER.md writes it: dtype, shape, elements in hex."""
    word = word_of(tensor)
    assert word is not None, "a bundle has no output of another type"
    if word == "string":
        data: Any = [str(element).encode().hex() for element in tensor.flat]
    else:
        data = tensor.astype(tensor.dtype.newbyteorder("<")).tobytes().hex()
    return {"dtype": word, "shape": list(tensor.shape), "data": data}


def _from_nested(value: Any, word: str | None) -> Array:
    # An object array first: it shows lists of unequal length, and keeps 1.5 from becoming an integer.
    cells = np.array(value, dtype=np.object_)
    if word is None:
        return cells
    dtype = DTYPES[word].numpy
    if dtype.kind == "f":
        for index, cell in np.ndenumerate(cells):
            if isinstance(cell, str):
                cells[index] = _SPECIAL.get(cell, cell)
    kinds: set[type] = {type(cell) for cell in cells.flat}
    wrong = kinds - set(_CELLS[dtype.kind])
    if list in wrong:
        raise ValueError("lists of unequal length")
    if wrong:
        raise ValueError(f"{min(kind.__name__ for kind in wrong)} where {word} is needed")
    with np.errstate(over="ignore"):  # beyond the largest float lies infinity, which predict judges
        return _cast(cells, dtype)


def _cast(cells: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "iu" and cells.size:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if not (low <= min(cells.flat) and max(cells.flat) <= high):
            raise ValueError(f"a number outside of {low} to {high}")
    return cells.astype(dtype)


def from_exact(value: dict[str, Any]) -> Array:
    """Read a tensor of DRIVER.md; where its bytes lie in memory and their order are matters of the driver.

    Raises:
        ValueError: it is none.
    """
    word, shape, data = value.get("dtype"), value.get("shape"), value.get("data")
    if word not in DTYPES:
        raise ValueError(f"`dtype` is {word!r}, none of {', '.join(DTYPES)}")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("`shape` is not a list of sizes")
    if word == "string":
        if not isinstance(data, list):
            raise ValueError("`data` is not a list of hex texts")
        flat: Array = np.empty(len(data), np.object_)
        flat[:] = [bytes.fromhex(element).decode("utf-8") for element in data]
    else:
        if not isinstance(data, str):
            raise ValueError("`data` is not a text of hex digits")
        stored = DTYPES[word].numpy.newbyteorder("<")
        flat = np.frombuffer(bytes.fromhex(data), stored).astype(DTYPES[word].numpy)
    if flat.size != math.prod(shape):
        raise ValueError(f"{flat.size} elements for the shape {shape}")
    return flat.reshape(shape)
