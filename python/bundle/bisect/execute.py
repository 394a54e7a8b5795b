"""How a way answers: the file as it is, and models that were made to look inside it."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from bundle.bisect.graph import with_outputs, with_types
from bundle.bisect.sealed import Port, seal_file
from bundle.bisect.ways import Way
from bundle.builder.graph import save_graph
from bundle.cli.tensor_json import exact, from_exact
from bundle.dtype import BY_ORT, word_of
from bundle.error import BundleError
from bundle.inputs import ready
from bundle.parity.client import Client, Reply
from bundle.session import CPU, load_session, sentence
from bundle.tolerance import Array

Tensors = dict[str, Array]

_HANDLE = "bisect"
#: Options that are about the bundle's own files, and mean nothing to a model that was made.
_OF_THE_FILE = frozenset({"variant", "format", "mapped", "finite", "graph_optimization_level", "digest"})
# What no program can carry at its edge without an axis (`tensor_unsupported`).
_NO_SCALARS = frozenset({"float16", "string"})


class Runs(ABC):
    """A way that can be asked.

    Args:
        way: the way.
        folder: where models that are made may be written; a runner sees it at the same path.
    """

    def __init__(self, way: Way, folder: Path) -> None:
        self.way = way
        self._folder = folder
        self._numbers = count()

    @abstractmethod
    def whole(self, inputs: Mapping[str, Array]) -> Tensors:
        """Run the file as it is, and return its outputs.

        Raises:
            BundleError: as the way refuses.
        """

    @abstractmethod
    def tensors(
        self, model: ModelProto, inputs: Mapping[str, Array], names: Sequence[str], level: str
    ) -> Tensors:
        """Run a model that was made, and return inner tensors or outputs.

        Args:
            model: with its weights inside.
            inputs: for all its inputs.
            names: of tensors of its main graph; those of a kind that cannot be carried are left out.
            level: the graph optimization level.

        Raises:
            BundleError: as the way refuses.
        """

    def _save(self, model: ModelProto) -> Path:
        path = self._folder / f"{next(self._numbers)}.onnx"
        try:
            save_graph(model, path)
        except OSError:
            raise
        except Exception as error:  # protobuf's own classes differ between its implementations
            expected = "a copy of the model below the 2 GB that one file can hold"
            raise BundleError("memory_exhausted", ".", expected, sentence(error)) from error
        return path


class Here(Runs):
    """A session in this process."""

    def __init__(self, way: Way, folder: Path) -> None:
        super().__init__(way, folder)
        self._session: Any = None

    def whole(self, inputs: Mapping[str, Array]) -> Tensors:
        """Run the file as it is; the session stays for the next case."""
        if self._session is None:
            self._session = self._open(self.way.model, self.way.level, self.way.mapped)
        return _run(self._session, inputs, [port.name for port in self._session.get_outputs()])

    def tensors(
        self, model: ModelProto, inputs: Mapping[str, Array], names: Sequence[str], level: str
    ) -> Tensors:
        """Run a model that was made, in a session of its own."""
        path = self._save(with_outputs(model, names))
        try:
            session = self._open(path, level, mapped=False)
            types = {port.name: port.type for port in session.get_outputs()}
            return _run(session, inputs, [name for name in names if types[name] in BY_ORT])
        finally:
            path.unlink()

    def _open(self, path: Path, level: str, mapped: bool) -> Any:
        choices = self.way.choices
        values = {**self.way.values, "graph_optimization_level": level, "mapped": mapped}
        providers = choices.providers or ((CPU, {}),)
        return load_session(
            path, path.name, values, choices.config, providers, choices.provider_policy
        ).session


class Program(Runs):
    """A `bundle-predict` program; what it is asked is put into bundles.

    Args:
        way: the way.
        folder: see `Runs`.
        bundle: the bundle that it opens to run the file as it is.
        client: the program.
        scout: a session here that tells the types and ranks of inner tensors.
    """

    def __init__(self, way: Way, folder: Path, bundle: Path, client: Client, scout: Here) -> None:
        super().__init__(way, folder)
        self._bundle = bundle
        self._client = client
        self._scout = scout
        self._is_open = False

    def whole(self, inputs: Mapping[str, Array]) -> Tensors:
        """Ask about the bundle itself; it stays open for the next case."""
        if not self._is_open:
            self._ask_open(self._bundle, self.way.options)
            self._is_open = True
        return self._predict(inputs)

    def tensors(
        self, model: ModelProto, inputs: Mapping[str, Array], names: Sequence[str], level: str
    ) -> Tensors:
        """Ask about a bundle that is made for this call."""
        kept = {name: array for name, array in self._scout.tensors(model, inputs, names, level).items()
                if array.ndim or word_of(array) not in _NO_SCALARS}  # fmt: skip
        if not kept:
            return {}
        path = self._save(with_types(model, kept))
        folder = path.with_suffix("")
        options = {name: value for name, value in self.way.options.items() if name not in _OF_THE_FILE}
        try:
            seal_file(path, folder, _ports(inputs), _ports(kept))
            self._close_bundle()
            self._ask_open(folder, {**options, "graph_optimization_level": level})
            self._is_open = True
            return self._predict(inputs)
        finally:
            self._close_bundle()
            path.unlink()
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End the program."""
        self._client.close()

    def _close_bundle(self) -> None:
        if self._is_open:
            self._is_open = False
            self._client.ask({"op": "close", "handle": _HANDLE})

    def _ask_open(self, bundle: Path, options: Mapping[str, Any]) -> None:
        request = {"op": "open", "bundle": str(bundle), "handle": _HANDLE, "options": dict(options)}
        self._checked(self._client.ask(request))

    def _predict(self, inputs: Mapping[str, Array]) -> Tensors:
        given = {name: exact(array) for name, array in inputs.items()}
        reply = self._checked(self._client.ask({"op": "predict", "handle": _HANDLE, "inputs": given}))
        try:
            return {name: from_exact(tensor) for name, tensor in reply["outputs"].items()}
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            found = f"no tensors of the protocol: {error}"
            raise BundleError("runtime_crashed", self.way.word, "tensors by name", found) from error

    def _checked(self, reply: Reply) -> Reply:
        if reply["ok"]:
            return reply
        error = reply.get("error", {})
        told = [str(error.get(name, "")) for name in ("subject", "expected", "found")]
        told[0] = f"{self.way.word}: {told[0]}"
        raise BundleError(str(error.get("code", "runtime_crashed")), *told)


def _run(session: Any, inputs: Mapping[str, Array], names: list[str]) -> Tensors:
    feeds = ready({name: np.asarray(array) for name, array in inputs.items()})
    try:
        values = session.run(names, feeds) if names else []
    except Exception as error:
        raise BundleError("runtime_failure", ".", "a run without an error", sentence(error)) from error
    return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}


def _ports(tensors: Mapping[str, Array]) -> list[Port]:
    return [_port(name, array) for name, array in tensors.items()]


def _port(name: str, array: Array) -> Port:
    # An axis with a symbol may not be empty.
    sizes = [f"{name}/{axis}" if size else 0 for axis, size in enumerate(array.shape)]
    return name, word_of(array) or "", sizes
