"""What callers hand over, in the one form that native predictors take.

A native library makes the checks of a call in their order. What it cannot be shown (a list, another byte
order, text that is none) is replaced by an array that it refuses at the same place and with the same code;
its refusal is then told in the words of the Python predictor, which say what the caller really gave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from bundle.align import aligned_empty
from bundle.error import BundleError
from bundle.inputs import Array, InputPlan, InputSet, _carried
from bundle.manifest import Input, Output
from bundle.outputs import OutputPlan, _fault, unsuitable

# This is text that no model can be given.
_REFUSED_TEXT = "\0"
# Of these two every element type of the format differs from at least one.
_UNLIKELY = (np.dtype(np.uint8), np.dtype(np.int8))
# Above a multiple of 16, where no element of a bound input may start.
_ODD = 8

Refusals = dict[tuple[str, str], BundleError]


class Refused:
    """Collects what stands in for arrays that were replaced: the refusals to tell, by code and name."""

    def __init__(self) -> None:
        self.refusals: Refusals = {}

    def add(self, error: BundleError) -> None:
        """Remember the refusal to tell where the native library refuses the same."""
        self.refusals[error.code, error.subject] = error

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell a refusal of the native library in the words that were collected for it."""
        try:
            yield
        except BundleError as error:
            own = self.refusals.get((error.code, error.subject))
            if own is None:
                raise
            raise own from error


class Inputs:
    """The inputs of a model. Keeps no state, so that calls may run side by side."""

    def __init__(self, ports: tuple[Input, ...], *, cast: bool) -> None:
        """Args: the model's inputs, and whether to convert what loses nothing."""
        self._set = InputSet(ports, cast=cast)
        self._plans = {plan.name: plan for plan in self._set.plans}
        # Text is not among them: its elements have to be looked at.
        self._plain = {plan.name: plan.dtype for plan in self._set.plans if plan.ready is not None}

    def are_ready(self, inputs: Any) -> bool:
        """Tell whether the inputs can be handed over as they are."""
        if type(inputs) is not dict:
            return False
        plain = self._plain
        for name, array in inputs.items():
            if type(array) is not np.ndarray or array.dtype is not plain.get(name):
                return False
            if not array.flags.c_contiguous:
                return False
        return True

    def named(self, inputs: Mapping[str, Any] | Any) -> Mapping[Any, Any]:
        """Return inputs by name; anything but a mapping is the first input, so that others are missing."""
        if isinstance(inputs, Mapping):
            return inputs
        return {next(iter(self._plans), "."): inputs}

    def handed(
        self, inputs: Mapping[str, Any] | Any, refused: Refused, *, borrowed: bool = False
    ) -> dict[str, Array]:
        """Return arrays for the native library.

        Args:
            inputs: the caller's.
            refused: takes the refusals of what was replaced.
            borrowed: whether the call is to work on the caller's own memory.
        """
        try:
            return self._handed(self.named(inputs), refused, borrowed)
        except MemoryError:
            # A view may be larger than any copy can be, and wrong as well.
            self._set.check(inputs)
            raise

    def _handed(self, inputs: Mapping[Any, Any], refused: Refused, borrowed: bool) -> dict[str, Array]:
        arrays = {}
        for key, value in inputs.items():
            name = str(key).encode("utf-8", "replace").decode()
            plan = self._plans.get(name)
            # The name is refused before anybody looks at the array.
            arrays[name] = (
                np.empty(0, _UNLIKELY[0]) if plan is None else self._one(plan, value, refused, borrowed)
            )
        return arrays

    def texts(self, inputs: Mapping[str, Any] | Any) -> dict[str, Any]:
        """Return the caller's arrays of text by name."""
        return {name: value for name, value in self.named(inputs).items() if name not in self._plain}

    def text(self, name: str, value: Any, refused: Refused) -> Array:
        """Return an array of text as an ``object`` array of ``str``, or one that the library refuses."""
        return self._one(self._plans[name], value, refused, borrowed=False)

    def _one(self, plan: InputPlan, value: Any, refused: Refused, borrowed: bool) -> Array:
        array: Array = value
        if type(array) is not np.ndarray or array.dtype is not plan.ready:
            try:
                array = self._set._converted(plan, value)
            except BundleError as error:
                refused.add(error)
                return np.empty(0, _other_than(plan.dtype))
        if plan.kind == "O":
            return _text(plan, array, refused)
        if borrowed and (found := _copied(value, array)):
            refused.add(
                BundleError("buffer_unsuitable", plan.name, "an aligned C-contiguous array to borrow", found)
            )
            odd = aligned_empty(array.shape, array.dtype, _ODD)
            odd[...] = array
            return odd
        return array if array.flags.c_contiguous else array.copy(order="C")


class Outputs:
    """The outputs of a model, as `Inputs`."""

    def __init__(self, ports: tuple[Output, ...]) -> None:
        """Args: the model's outputs."""
        self._plans = {port.name: OutputPlan(port) for port in ports}

    def are_ready(self, outputs: Any) -> bool:
        """Tell whether buffers can be handed over as they are."""
        if type(outputs) is not dict:
            return False
        for name, array in outputs.items():
            plan = self._plans.get(name)
            if plan is None or type(array) is not np.ndarray or array.dtype is not plan.dtype:
                return False
            flags = array.flags
            if plan.dtype.hasobject or not flags.c_contiguous or not flags.writeable:
                return False
        return True

    def handed(self, outputs: Mapping[str, Any], refused: Refused) -> dict[str, Array]:
        """Return buffers for the native library; arguments as of `Inputs.handed`."""
        arrays = {}
        for key, buffer in outputs.items():
            name = str(key).encode("utf-8", "replace").decode()
            plan = self._plans.get(name)
            found = _fault(plan, buffer, {}, alignment=False) if plan else "a buffer for no output"
            if plan and found:
                refused.add(unsuitable(plan, found))
            arrays[name] = np.empty(0, _other_than(plan.dtype if plan else None)) if found else buffer
        return arrays


def _other_than(dtype: np.dtype[Any] | None) -> np.dtype[Any]:
    return next(other for other in _UNLIKELY if other != dtype)


def _text(plan: InputPlan, array: Array, refused: Refused) -> Array:
    try:
        return _carried(plan, array)
    except BundleError as error:
        refused.add(error)
        replaced = np.empty(array.shape, np.object_)
        replaced.fill(_REFUSED_TEXT)
        return replaced


def _copied(given: Any, array: Array) -> str:
    """Return why a bound call could not work on the caller's memory; empty where it can."""
    if array.size and not np.may_share_memory(given, array):
        return "one that has to be converted"
    return "" if array.flags.c_contiguous else "one that is not C-contiguous"
