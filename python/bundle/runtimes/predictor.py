"""Predict from a bundle with the predictor of another language."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bundle import library
from bundle.bundle import Bundle
from bundle.error import BundleError
from bundle.manifest import Input, Output
from bundle.predictor import Predictor
from bundle.runtimes.arrays import Inputs, Outputs, Refused
from bundle.runtimes.options import plain_options
from bundle.runtimes.protocol import Array, Native, NativeCall
from bundle.selftest import CaseResult, OutputResult, SelfTest
from bundle.tolerance import Difference

if TYPE_CHECKING:
    from bundle.batch import Progress

# What the native library refuses as the size of a piece, wherever it looks at it.
_NO_SIZE = 0
_LARGEST = 2**63 - 1


class NativePredictor(Predictor):
    """A model of a bundle, opened in this process by the predictor of another language.

    Attributes and methods are those of `Predictor`. In Python happens only what needs Python: lists and
    foreign byte orders are refused, arrays that are not C-contiguous are copied, text is looked at. All else
    is the native library's own.
    """

    def __init__(
        self,
        opener: Callable[[str, dict[str, Any]], Native],
        path: str | os.PathLike[str],
        variant: str | None,
        options: Mapping[str, Any],
        *,
        runtime: str,
    ) -> None:
        """Open a bundle; made by `Predictor.open`, whose arguments these are but ``opener``, an adapter's."""
        given = plain_options(options, variant)
        cast = given.pop("cast", False) if type(given.get("cast")) is bool else False
        self.runtime = runtime
        self._root = _resolved(path)
        self._native = _opened(opener, self._root, given)
        described = self._native.described()
        self.variant = described["variant"]
        self.format = described["format"]
        self.reason = described["reason"]
        self.providers = tuple(described["providers"])
        self.provider_reasons = MappingProxyType(dict(described.get("provider_reasons", {})))
        self.options = MappingProxyType(dict(described["session"]))
        ports = [(port["name"], port["dtype"], tuple(port["shape"])) for port in described["inputs"]]
        self._taken = Inputs(tuple(Input(*port, finite=False) for port in ports), cast=cast)
        ports = [(port["name"], port["dtype"], tuple(port["shape"])) for port in described["outputs"]]
        self._given = Outputs(tuple(Output(*port, decision="none") for port in ports))
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        """Read the manifest when somebody asks for what only it says; opening does without."""
        if name == "bundle":
            self.bundle = Bundle.open(self._root, mode="quick")
        elif name in ("inputs", "outputs"):
            self.inputs, self.outputs = self.bundle.manifest.inputs, self.bundle.manifest.outputs
        else:
            raise AttributeError(f"`{type(self).__name__}` has no attribute `{name}`")
        return getattr(self, name)

    def predict(self, inputs: Mapping[str, Array] | Array) -> dict[str, Array]:
        """Run the model once; as `Predictor.predict`."""
        if self._taken.are_ready(inputs):
            return self._native.predict(inputs)  # type: ignore[arg-type]
        refused = Refused()
        arrays = self._taken.handed(inputs, refused)
        with refused.told():
            return self._native.predict(arrays)

    def predict_into(self, inputs: Mapping[str, Array] | Array, outputs: Mapping[str, Array]) -> None:
        """Run the model once and write outputs into the caller's buffers; as `Predictor.predict_into`."""
        if self._taken.are_ready(inputs) and self._given.are_ready(outputs):
            return self._native.predict_into(inputs, outputs)  # type: ignore[arg-type]
        refused = Refused()
        arrays = self._taken.handed(inputs, refused)
        targets = self._given.handed(outputs, refused)
        with refused.told():
            self._native.predict_into(arrays, targets)

    def bind(self, inputs: Mapping[str, Array] | Array, outputs: Mapping[str, Array]) -> NativeCall:  # type: ignore[override]
        """Return a call over borrowed buffers, with a method `run`; as `Predictor.bind`."""
        refused = Refused()
        arrays = self._taken.handed(inputs, refused, borrowed=True)
        targets = self._given.handed(outputs, refused)
        with refused.told():
            call = self._native.bind(arrays, targets)
        texts = self._taken.texts(inputs)
        return TextCall(call, self._taken, texts, arrays) if texts else call

    def predict_batch(
        self,
        inputs: Mapping[str, Array] | Array,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Array]:
        """Run the model over pieces of the inputs and join the outputs; as `Predictor.predict_batch`."""
        refused = Refused()
        arrays = self._taken.handed(inputs, refused)
        size = batch_size
        if size is not None and (type(size) is not int or not 0 < size <= _LARGEST):
            size = _NO_SIZE
        asked = None if progress is None else _Asked(progress)
        try:
            with refused.told():
                return self._native.predict_batch(arrays, size, asked)
        except BundleError as error:
            if asked is not None and asked.failure is not None:
                raise asked.failure from None
            if error.code == "batch_size_invalid":
                raise BundleError(error.code, error.subject, error.expected, repr(batch_size)) from error
            raise

    def self_test(self) -> SelfTest:
        """Predict every golden case; as `Predictor.self_test`, without indices and ULPs."""
        tree = self._native.self_test()
        synthetic = [case.synthetic for case in self.manifest.golden]
        cases = tuple(_case(case, made) for case, made in zip(tree["cases"], synthetic, strict=True))
        return SelfTest(tree["passed"], cases)

    def close(self) -> None:
        """Wait for the calls in flight and let the model go. May be called twice, not from `progress`."""
        self._closed = True
        self._native.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self.variant}.{self.format}"
        return f"<Predictor {self.manifest.name} {self.manifest.version} ({state}, {self.runtime})>"


class TextCall:
    """A bound call with text among its inputs, which is looked at again at every run."""

    def __init__(
        self, call: NativeCall, inputs: Inputs, texts: Mapping[str, Any], arrays: Mapping[str, Array]
    ) -> None:
        """Args: the call, the model's inputs, the caller's arrays of text, and those that the call reads."""
        self._call = call
        self._inputs = inputs
        self._texts = texts
        self._arrays = arrays

    def run(self) -> None:
        """Run the model once over the buffers; as `BoundCall.run`."""
        refused = Refused()
        for name, given in self._texts.items():
            self._arrays[name][...] = self._inputs.text(name, given, refused)
        with refused.told():
            self._call.run()


class _Asked:
    """A caller's progress function, which may raise, as one that does not."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.failure: BaseException | None = None

    def __call__(self, done: int, rows: int) -> bool:
        try:
            return self._progress(done, rows) is not False
        except BaseException as error:
            self.failure = error
            return False


def _resolved(path: str | os.PathLike[str]) -> str:
    """Return the folder with links resolved, so that the manifest is read where the model was."""
    name = os.fsdecode(path)
    try:
        os.fsencode(name)
        return os.path.realpath(name)
    except ValueError as error:  # a zero byte, or half a surrogate pair
        raise BundleError("bundle_not_found", ".", "a folder", "a text that is no path") from error


def _opened(opener: Callable[[str, dict[str, Any]], Native], path: str, options: dict[str, Any]) -> Native:
    """Open with the library of the wheel, where no other one is asked for."""
    if "library" in options or os.environ.get("ORT_DYLIB_PATH"):
        return opener(path, options)
    wheel = library.shared_library()
    if wheel is None:
        return opener(path, options)
    if options.get("trust_bundle_library") is True:
        # The bundle's own comes first; the wheel's stands where a system's would be.
        try:
            return opener(path, options)
        except BundleError as error:
            if error.code != "library_not_found":
                raise
    return opener(path, {**options, "library": str(wheel)})


def _case(tree: Mapping[str, Any], synthetic: bool) -> CaseResult:
    outputs = tuple(_output(output) for output in tree["outputs"])
    return CaseResult(tree["name"], synthetic, tree["passed"], outputs)


def _output(tree: Mapping[str, Any]) -> OutputResult:
    worst = tree.get("source_worst")
    difference = Difference(
        tree["passed"], float(tree["worst"]), flips=tree["flips"], near_ties=tree["near_ties"]
    )
    source = None if worst is None else Difference(math.isfinite(float(worst)), float(worst))
    return OutputResult(tree["name"], tree["passed"], difference, source)
