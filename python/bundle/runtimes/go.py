"""The Go predictor in this process, through cffi: go/cabi, as edgebundle_go.h declares it."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bundle.dtype import DTYPES, word_of
from bundle.error import BundleError
from bundle.runtimes import missing
from bundle.runtimes.protocol import Array, Native, NativeCall, Progress

_Shape = tuple[int, ...]


def open(path: str, options: dict[str, Any]) -> Native:
    """Open a bundle.

    Args:
        path: the bundle's folder.
        options: those of FORMAT.md section 5, with the types of JSON.

    Raises:
        BundleError: ``runtime_missing``; codes of the stages manifest, open and library;
            ``process_forked`` where this process was forked from one that used Go.
    """
    try:
        binding = _binding()
    except (ImportError, OSError) as error:
        raise missing("go", error) from error
    return _Predictor(binding, os.fsencode(path), json.dumps(options).encode())


class _Binding:
    """The loaded library: its functions, and how its errors are told."""

    def __init__(self) -> None:
        from cffi import FFI

        folder = Path(__file__).parent
        header = (folder / "edgebundle_go.h").read_text("utf-8")
        self.ffi: Any = FFI()
        self.ffi.cdef("\n".join(line for line in header.splitlines() if not line.startswith("#")))
        self.functions: Any = self.ffi.dlopen(str(folder / "_go.so"), self.ffi.RTLD_NOW)

    def failed(self, fault: Any) -> BundleError:
        """Return the error that a function told of."""
        return BundleError(**json.loads(self._taken(fault)))

    def tree(self, function: Any, handle: int) -> dict[str, Any]:
        """Return the JSON object that a function gives for a handle."""
        given = self.ffi.new("char **")
        fault = function(handle, given)
        if fault:
            raise self.failed(fault)
        tree: dict[str, Any] = json.loads(self._taken(given[0]))
        return tree

    def _taken(self, text: Any) -> bytes:
        try:
            return bytes(self.ffi.string(text))
        finally:
            self.functions.edgebundle_go_free(text)


@functools.cache
def _binding() -> _Binding:
    return _Binding()


class _Predictor:
    """A handle of an open predictor. `Native` says what its methods do."""

    def __init__(self, binding: _Binding, path: bytes, options: bytes) -> None:
        self._binding = binding
        self._functions = functions = binding.functions
        self._handle = 0
        handle = binding.ffi.new("uint64_t *")
        fault = functions.edgebundle_go_open(path, len(path), options, len(options), handle)
        if fault:
            raise binding.failed(fault)
        self._handle = handle[0]
        described = self.described()
        self._inputs = {port["name"]: port["shape"] for port in described["inputs"]}
        self._outputs = described["outputs"]
        # Frames of calls that ended. Taking one is atomic, so that no two calls share it.
        self._frames: list[_Frame] = []

    def __del__(self) -> None:
        if self._handle:
            self._functions.edgebundle_go_release(self._handle)

    def described(self) -> dict[str, Any]:
        return self._binding.tree(self._functions.edgebundle_go_describe, self._handle)

    def predict(self, inputs: dict[str, Array]) -> dict[str, Array]:
        try:
            frame = self._frames.pop()
        except IndexError:
            frame = None
        if frame is None or not frame.takes(inputs):
            frame = self._frame(inputs)
        results = frame.offer()
        fault = self._functions.edgebundle_go_predict(
            self._handle, frame.inputs, frame.input_count, frame.outputs, frame.output_count, frame.rest
        )
        if fault:
            raise self._binding.failed(fault)
        if frame.rest[0]:
            return self._taken(frame, results)
        if frame.seen:
            self._frames.append(frame)
        return results

    def predict_batch(
        self, inputs: dict[str, Array], batch_size: int | None, progress: Progress | None
    ) -> dict[str, Array]:
        ffi, frame = self._binding.ffi, self._frame(inputs)
        results = frame.offer()
        size = ffi.NULL if batch_size is None else ffi.new("int64_t *", batch_size)
        told = ffi.NULL
        if progress is not None:
            told = ffi.callback(
                "edgebundle_go_progress", lambda _, done, rows: progress(done, rows) is not False, error=0
            )
        fault = self._functions.edgebundle_go_predict_batch(
            self._handle, frame.inputs, frame.input_count, size, told, ffi.NULL, frame.outputs,
            frame.output_count, frame.rest,
        )  # fmt: skip
        if fault:
            raise self._binding.failed(fault)
        return self._taken(frame, results) if frame.rest[0] else results

    def predict_into(self, inputs: dict[str, Array], outputs: dict[str, Array]) -> None:
        given, buffers = _Tensors(self._binding.ffi, inputs), _Tensors(self._binding.ffi, outputs)
        fault = self._functions.edgebundle_go_predict_into(
            self._handle, given.list, len(inputs), buffers.list, len(outputs)
        )
        if fault:
            raise self._binding.failed(fault)

    def bind(self, inputs: dict[str, Array], outputs: dict[str, Array]) -> NativeCall:
        return _Call(self, inputs, outputs)

    def self_test(self) -> dict[str, Any]:
        return self._binding.tree(self._functions.edgebundle_go_self_test, self._handle)

    def close(self) -> None:
        fault = self._functions.edgebundle_go_close(self._handle)
        if fault and (error := self._binding.failed(fault)).code != "process_forked":
            # A forked process has nothing to let go.
            raise error

    def _frame(self, inputs: dict[str, Array]) -> _Frame:
        symbols: dict[str, int] = {}
        for name, dims in self._inputs.items():
            if name in inputs:
                for dim, size in zip(dims, inputs[name].shape, strict=False):
                    symbols[dim] = size
        shapes: list[_Shape | None] = []
        for port in self._outputs:
            shape = tuple(dim if type(dim) is int else symbols.get(dim, -1) for dim in port["shape"])
            known = bool(shape) and min(shape) >= 0 and port["dtype"] != "string"
            shapes.append(shape if known or (not shape and port["dtype"] != "string") else None)
        return _Frame(self._binding.ffi, inputs, self._outputs, shapes)

    def _taken(self, frame: _Frame, results: dict[str, Array]) -> dict[str, Array]:
        """Return the results with those that the library still holds."""
        rest = frame.rest[0]
        try:
            texts = frame.room(results)
            fault = self._functions.edgebundle_go_take(rest, frame.outputs, frame.output_count)
            if fault:
                raise self._binding.failed(fault)
        finally:
            self._functions.edgebundle_go_release(rest)
        for name, (offsets, memory) in texts.items():
            results[name].reshape(-1)[:] = _split(memory, offsets)
        return results


class _Call:
    """A bound call. `NativeCall` says what it does."""

    def __init__(self, owner: _Predictor, inputs: dict[str, Array], outputs: dict[str, Array]) -> None:
        self._owner = owner
        self._handle = 0
        self._run = owner._functions.edgebundle_go_run
        self._kept = (inputs, outputs)
        self._texts = {name: array for name, array in inputs.items() if array.dtype.hasobject}
        ffi = owner._binding.ffi
        given, buffers = _Tensors(ffi, inputs), _Tensors(ffi, outputs)
        handle = ffi.new("uint64_t *")
        fault = owner._functions.edgebundle_go_bind(
            owner._handle, given.list, len(inputs), buffers.list, len(outputs), handle
        )
        if fault:
            raise owner._binding.failed(fault)
        self._handle = handle[0]

    def __del__(self) -> None:
        if self._handle:
            self._owner._functions.edgebundle_go_release(self._handle)

    def run(self) -> None:
        fault = self._rewritten() if self._texts else None
        fault = fault or self._run(self._handle)
        if fault:
            raise self._owner._binding.failed(fault)

    def _rewritten(self) -> Any:
        """Hand over text anew; return the fault, if there was one."""
        texts = _Tensors(self._owner._binding.ffi, self._texts)
        return self._owner._functions.edgebundle_go_rewrite(self._handle, texts.list, len(self._texts))


class _Tensors:
    """Arrays as the library reads them: a list of structures, and what keeps the memory they point to."""

    def __init__(self, ffi: Any, arrays: Mapping[str, Array]) -> None:
        self._ffi = ffi
        self._kept: list[Any] = [arrays]
        self.list = ffi.new("edgebundle_go_tensor[]", len(arrays))
        for one, (name, array) in zip(self.list, arrays.items(), strict=True):
            self._name(one, name, word_of(array) or f"numpy {array.dtype.str}")
            self._measure(one, array.shape)
            if array.dtype.hasobject:
                self._write(one, array)
            else:
                one.data = ffi.from_buffer(array)
                one.size = array.nbytes

    def _name(self, one: Any, name: str, dtype: str) -> None:
        for field, text in (("name", name), ("dtype", dtype)):
            memory = self._ffi.from_buffer(text.encode())
            self._kept.append(memory)
            setattr(one, field, memory)
            setattr(one, f"{field}_size", len(memory))

    def _measure(self, one: Any, shape: _Shape) -> None:
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


class _Frame(_Tensors):
    """What a call hands over and gets back. Serves again where names, types and shapes are the same."""

    def __init__(
        self, ffi: Any, inputs: dict[str, Array], ports: list[dict[str, Any]], shapes: list[_Shape | None]
    ) -> None:
        """Args: the inputs, the outputs as they are described, and their shapes where inputs tell them."""
        super().__init__(ffi, inputs)
        self.inputs, self.input_count = self.list, len(inputs)
        self.outputs, self.output_count = ffi.new("edgebundle_go_tensor[]", len(ports)), len(ports)
        self.rest = ffi.new("uint64_t *")
        self._pointer = ffi.from_buffer
        #: What inputs the frame serves again; nothing where there is text, which is copied into it.
        self.seen: list[tuple[Any, str, Any, _Shape]] = []
        if not any(array.dtype.hasobject for array in inputs.values()):
            listed = zip(self.inputs, inputs.items(), strict=True)
            self.seen = [(one, name, array.dtype, array.shape) for one, (name, array) in listed]
        self._kept[0] = None
        self._wanted: list[tuple[Any, str, Any, _Shape | None]] = []
        for one, port, shape in zip(self.outputs, ports, shapes, strict=True):
            self._name(one, port["name"], port["dtype"])
            self._measure(one, shape or (0,) * len(port["shape"]))
            self._wanted.append((one, port["name"], DTYPES[port["dtype"]].numpy, shape))

    def takes(self, inputs: dict[str, Array]) -> bool:
        """Point to these inputs; tell whether they are like those that the frame was made for."""
        if len(inputs) != self.input_count:
            return False
        for one, name, dtype, shape in self.seen:
            array = inputs.get(name)
            if array is None or array.dtype is not dtype or array.shape != shape:
                return False
            one.data = self._pointer(array)
        return True

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


def _empty(shape: _Shape, dtype: np.dtype[Any]) -> Array | None:
    """Return memory for a result; none where it would be too large, which the library then says."""
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):
        return None


def _split(memory: bytearray, offsets: Array) -> list[str]:
    ends = offsets.tolist()
    try:
        return [str(memory[start:end], "utf-8") for start, end in pairwise(ends)]
    except UnicodeDecodeError as error:
        raise BundleError("runtime_failure", ".", "text in UTF-8", str(error)) from error
