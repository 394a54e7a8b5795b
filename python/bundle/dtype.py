"""The element types of a bundle, under the four names they go by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Dtype:
    """One element type.

    Attributes:
        word: the name in manifests, drivers and messages (``float32``).
        numpy: the numpy type; strings are ``object`` arrays of ``str``.
        ort: the type string of ONNX Runtime (``tensor(float)``).
        safetensors: the word in a safetensors header; None for strings, which are two tensors there.
        onnx: the number in ``TensorProto.DataType``.
        size: bytes of one element; 0 for strings, which have no fixed size.
    """

    word: str
    numpy: np.dtype[np.generic]
    ort: str
    safetensors: str | None
    onnx: int
    size: int


def _row(word: str, numpy: type[np.generic], ort: str, safetensors: str | None, onnx: int) -> Dtype:
    dtype: np.dtype[np.generic] = np.dtype(numpy)
    return Dtype(word, dtype, f"tensor({ort})", safetensors, onnx, dtype.itemsize if safetensors else 0)


_ROWS = (
    _row("bool", np.bool_, "bool", "BOOL", 9),
    _row("float16", np.float16, "float16", "F16", 10),
    _row("float32", np.float32, "float", "F32", 1),
    _row("float64", np.float64, "double", "F64", 11),
    _row("int16", np.int16, "int16", "I16", 5),
    _row("int32", np.int32, "int32", "I32", 6),
    _row("int64", np.int64, "int64", "I64", 7),
    _row("int8", np.int8, "int8", "I8", 3),
    _row("string", np.object_, "string", None, 8),
    _row("uint16", np.uint16, "uint16", "U16", 4),
    _row("uint32", np.uint32, "uint32", "U32", 12),
    _row("uint64", np.uint64, "uint64", "U64", 13),
    _row("uint8", np.uint8, "uint8", "U8", 2),
)

#: Every element type a bundle may have at its edge, by its word.
DTYPES: dict[str, Dtype] = {row.word: row for row in _ROWS}
#: The same rows by ONNX Runtime's type string.
BY_ORT: dict[str, Dtype] = {row.ort: row for row in _ROWS}
#: The same rows by ONNX's type number.
BY_ONNX: dict[int, Dtype] = {row.onnx: row for row in _ROWS}
#: The same rows, except strings, by the word of safetensors.
BY_SAFETENSORS: dict[str, Dtype] = {row.safetensors: row for row in _ROWS if row.safetensors}


def word_of(array: np.ndarray) -> str | None:
    """Return the word for an array's element type, or None where a bundle has no such type.

    Arrays of unicode text (``<U5``) are strings; an ``object`` array is taken for strings too, its
    elements are not looked at.
    """
    if array.dtype.kind in "UO":
        return "string"
    native = array.dtype.newbyteorder("=")
    return next((row.word for row in _ROWS if row.numpy == native), None)
