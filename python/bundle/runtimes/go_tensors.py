"""Arrays as edgebundle_go.h has tensors: structures of C, and what keeps the memory that they point to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bundle.dtype import DTYPES, word_of
from bundle.runtimes.protocol import Array

Shape = tuple[int, ...]


class Tensors:
    """Arrays as the library reads them, which stay with the caller; names, shapes and text are copied."""

    def __init__(self, ffi: Any, arrays: Mapping[str, Array]) -> None:
        self._ffi = ffi
        self._pointer = ffi.from_buffer
        self._kept: list[Any] = []
        #: What arrays it can point to as well; nothing where there is text, which is copied.
        self.seen: list[tuple[Any, str, Any, Shape]] = []
        self.list = ffi.new("edgebundle_go_tensor[]", len(arrays))
        for one, (name, array) in zip(self.list, arrays.items(), strict=True):
            self._name(one, name, word_of(array) or f"numpy {array.dtype.str}")
            self._measure(one, array.shape)
            if array.dtype.hasobject:
                self._write(one, array)
            else:
                one.data = ffi.from_buffer(array)
                one.size = array.nbytes
        if not any(array.dtype.hasobject for array in arrays.values()):
            listed = zip(self.list, arrays.items(), strict=True)
            self.seen = [(one, name, array.dtype, array.shape) for one, (name, array) in listed]

    def takes(self, arrays: dict[str, Array]) -> bool:
        """Point to these arrays; tell whether they are like those that this was made for."""
        if len(arrays) != len(self.seen):
            return False
        for one, name, dtype, shape in self.seen:
            array = arrays.get(name)
            if array is None or array.dtype is not dtype or array.shape != shape:
                return False
            one.data = self._pointer(array)
        return True

    def _name(self, one: Any, name: str, dtype: str) -> None:
        for field, text in (("name", name), ("dtype", dtype)):
            memory = self._ffi.from_buffer(text.encode())
            self._kept.append(memory)
            setattr(one, field, memory)
            setattr(one, f"{field}_size", len(memory))

    def _measure(self, one: Any, shape: Shape) -> None:
        memory = self._ffi.new("int64_t[]", shape)
        self._kept.append(memory)
        one.rank, one.shape = len(shape), memory

    def _write(self, one: Any, array: Array) -> None:
        encoded = [text.encode() for text in array.reshape(-1).tolist()]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        memory = b"".join(encoded)
        self._kept += [offsets, memory]
        one.data, one.size = self._ffi.from_buffer(memory), len(memory)
        one.offsets = self._ffi.cast("int64_t *", self._ffi.from_buffer(offsets))


class Frame(Tensors):
    """What a call hands over and gets back."""

    def __init__(
        self, ffi: Any, inputs: dict[str, Array], ports: list[dict[str, Any]], shapes: list[Shape | None]
    ) -> None:
        """Args: the inputs, the outputs as they are described, and their shapes where inputs tell them."""
        super().__init__(ffi, inputs)
        self.inputs, self.input_count = self.list, len(inputs)
        self.outputs, self.output_count = ffi.new("edgebundle_go_tensor[]", len(ports)), len(ports)
        self.rest = ffi.new("uint64_t *")
        self._wanted: list[tuple[Any, str, Any, Shape | None]] = []
        for one, port, shape in zip(self.outputs, ports, shapes, strict=True):
            self._name(one, port["name"], port["dtype"])
            self._measure(one, shape or (0,) * len(port["shape"]))
            self._wanted.append((one, port["name"], DTYPES[port["dtype"]].numpy, shape))

    def offer(self) -> dict[str, Array]:
        """Return arrays for the results as far as their shapes are known, and point to them."""
        results = {}
        for one, name, dtype, shape in self._wanted:
            array = None if shape is None else _empty(shape, dtype)
            results[name] = array
            if array is not None:
                one.data, one.size = self._pointer(array), array.nbytes
        return results  # type: ignore[return-value]

    def room(self, results: dict[str, Array]) -> dict[str, tuple[Array, bytearray]]:
        """Make arrays for what was not written; return offsets and bytes of text by name, still empty."""
        texts = {}
        for one, name, dtype, _ in self._wanted:
            if one.written:
                continue
            shape = tuple(self._ffi.unpack(one.shape, one.rank))
            array = results[name] = np.empty(shape, dtype)
            if dtype.hasobject:
                offsets, memory = np.zeros(array.size + 1, np.int64), bytearray(one.size)
                one.data = self._pointer(memory)
                one.offsets = self._ffi.cast("int64_t *", self._pointer(offsets))
                texts[name] = offsets, memory
            else:
                one.data, one.size = self._pointer(array), array.nbytes
        return texts


def _empty(shape: Shape, dtype: np.dtype[Any]) -> Array | None:
    """Return memory for a result; none where it would be too large, which the library then says."""
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):
        return None
