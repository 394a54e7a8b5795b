"""The Go predictor in this process, through cffi: go/cabi, as edgebundle_go.h declares it."""

from __future__ import annotations

import functools
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

from bundle.error import BundleError
from bundle.runtimes import missing
from bundle.runtimes.go_tensors import Frame, Shape, Tensors
from bundle.runtimes.protocol import Array, Native, NativeCall, Progress


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
        self._closed = False
        handle = binding.ffi.new("uint64_t *")
        fault = functions.edgebundle_go_open(path, len(path), options, len(options), handle)
        if fault:
            raise binding.failed(fault)
        self._handle = handle[0]
        self._described = binding.tree(functions.edgebundle_go_describe, self._handle)
        self._inputs = {port["name"]: port["shape"] for port in self._described["inputs"]}
        self._outputs = self._described["outputs"]
        # What calls that ended leave to others like them. Taking is atomic, so that no two share it.
        self._frames: list[Frame] = []
        self._pairs: list[tuple[Tensors, Tensors]] = []

    def __del__(self) -> None:
        if self._handle:
            self._functions.edgebundle_go_release(self._handle)

    def described(self) -> dict[str, Any]:
        return self._described

    def predict(self, inputs: dict[str, Array]) -> dict[str, Array]:
        frame: Frame | None = _one_of(self._frames)
        if frame is None or not frame.takes(inputs):
            frame = self._frame(inputs)
        results = frame.offer()
        fault = self._functions.edgebundle_go_predict(
            self._handle, frame.inputs, frame.input_count, frame.outputs, frame.output_count, frame.rest
        )
        if fault:
            raise self.failed(fault)
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
            raise self.failed(fault)
        return self._taken(frame, results) if frame.rest[0] else results

    def predict_into(self, inputs: dict[str, Array], outputs: dict[str, Array]) -> None:
        pair: tuple[Tensors, Tensors] | None = _one_of(self._pairs)
        if pair is None or not (pair[0].takes(inputs) and pair[1].takes(outputs)):
            pair = Tensors(self._binding.ffi, inputs), Tensors(self._binding.ffi, outputs)
        fault = self._functions.edgebundle_go_predict_into(
            self._handle, pair[0].list, len(inputs), pair[1].list, len(outputs)
        )
        if fault:
            raise self.failed(fault)
        if pair[0].seen:
            self._pairs.append(pair)

    def bind(self, inputs: dict[str, Array], outputs: dict[str, Array]) -> NativeCall:
        return _Call(self, inputs, outputs)

    def self_test(self) -> dict[str, Any]:
        return self._binding.tree(self._functions.edgebundle_go_self_test, self._handle)

    def close(self) -> None:
        self._closed = True
        fault = self._functions.edgebundle_go_close(self._handle)
        # A forked process has nothing to let go.
        if fault and (error := self._binding.failed(fault)).code != "process_forked":
            raise error

    def failed(self, fault: Any) -> BundleError:
        """Return the error that a function told of; one that was closed says so in a forked process too."""
        error = self._binding.failed(fault)
        if self._closed and error.code == "process_forked":
            return BundleError("predictor_closed", ".", "an open predictor", "a closed one")
        return error

    def _frame(self, inputs: dict[str, Array]) -> Frame:
        symbols: dict[str, int] = {}
        for name, dims in self._inputs.items():
            if name in inputs:
                for dim, size in zip(dims, inputs[name].shape, strict=False):
                    symbols[dim] = size
        shapes: list[Shape | None] = []
        for port in self._outputs:
            shape = tuple(dim if type(dim) is int else symbols.get(dim, -1) for dim in port["shape"])
            shapes.append(None if port["dtype"] == "string" or -1 in shape else shape)
        return Frame(self._binding.ffi, inputs, self._outputs, shapes)

    def _taken(self, frame: Frame, results: dict[str, Array]) -> dict[str, Array]:
        """Return the results with those that the library still holds."""
        rest = frame.rest[0]
        try:
            texts = frame.room(results)
            fault = self._functions.edgebundle_go_take(rest, frame.outputs, frame.output_count)
            if fault:
                raise self.failed(fault)
        except MemoryError as error:
            raise BundleError("runtime_failure", ".", "memory for the outputs", str(error)) from error
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
        given, buffers = Tensors(ffi, inputs), Tensors(ffi, outputs)
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
            raise self._owner.failed(fault)

    def _rewritten(self) -> Any:
        """Hand over text anew; return the fault, if there was one."""
        texts = Tensors(self._owner._binding.ffi, self._texts)
        return self._owner._functions.edgebundle_go_rewrite(self._handle, texts.list, len(self._texts))


def _one_of(kept: list[Any]) -> Any:
    try:
        return kept.pop()
    except IndexError:
        return None


def _split(memory: bytearray, offsets: Array) -> list[str]:
    ends = offsets.tolist()
    try:
        return [str(memory[start:end], "utf-8") for start, end in pairwise(ends)]
    except UnicodeDecodeError as error:
        raise BundleError("runtime_failure", ".", "text in UTF-8", str(error)) from error
