"""The inputs of a call: checks C2 to C10 of the format."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bundle.align import ALIGNMENT, OWNED_IS_ALIGNED, aligned, is_aligned
from bundle.dtype import DTYPES, word_of
from bundle.error import BundleError
from bundle.strings import is_text, to_objects

if TYPE_CHECKING:
    from bundle.manifest import Input

Array = NDArray[Any]

_CAST_HINT = "convert the array, or open with cast=True (float64 to float32, and lossless widening)"
_LIST_HINT = "pass a numpy array, so that its dtype is your decision: numpy.array(value, dtype=...)"

# Up to this many elements one dot product is cheaper than an array of booleans.
_DOT_LIMIT = 4096


# Looked up once: the short way of `feed` is counted in tens of nanoseconds.
_Plain, _dot, _finite = np.ndarray, np.vdot, math.isfinite

# Name, element type, shape, and whether it must be finite, of an input that passed.
_Seen = tuple[str, np.dtype[Any], tuple[int, ...], bool]


class InputPlan:
    """What one input must be, in the form that is quickest to check."""

    __slots__ = (
        "dtype",
        "finite",
        "fixed",
        "kind",
        "multiple",
        "name",
        "rank",
        "ready",
        "shape",
        "symbols",
        "word",
    )

    def __init__(self, port: Input, finite: bool, multiple: int | None = None) -> None:
        """Args: the manifest's entry, whether NaN is refused, and of what axis 0 may be a multiple."""
        row = DTYPES[port.dtype]
        self.name = port.name
        self.word = port.dtype
        self.dtype = row.numpy
        self.kind = row.numpy.kind
        # The type that needs no second look; text in any type does, element by element.
        self.ready = None if self.kind == "O" else row.numpy
        self.shape = port.shape
        self.rank = len(port.shape)
        self.finite = finite and self.kind == "f"
        self.multiple = multiple
        sizes = list(enumerate(port.shape))
        self.fixed = [
            (axis, size) for axis, size in sizes if isinstance(size, int) and not (multiple and axis == 0)
        ]
        self.symbols = [(axis, size) for axis, size in sizes if isinstance(size, str)]


class InputSet:
    """The inputs of a model. Its methods keep no state, so that calls may run side by side."""

    def __init__(
        self,
        ports: tuple[Input, ...],
        finite: Collection[str] = (),
        *,
        cast: bool = False,
        multiple: int | None = None,
    ) -> None:
        """Make the plans once.

        Args:
            ports: the manifest's inputs.
            finite: inputs that must be finite although the manifest does not say so.
            cast: convert what loses nothing, and float64 to float32.
            multiple: axis 0 of every input may be any multiple of this, the same in all.
        """
        self.plans = [InputPlan(port, port.finite or port.name in finite, multiple) for port in ports]
        self._names = {plan.name for plan in self.plans}
        self._seen: list[_Seen] = []
        self._cast = cast
        # C9 and C10 come after C4 to C8 of all inputs; most inputs need neither look.
        self._values = [plan for plan in self.plans if plan.kind in "bO"]
        self._finite = [plan for plan in self.plans if plan.finite]

    def feed(self, inputs: Mapping[str, Any] | Any) -> dict[str, Array]:
        """Return the arrays as ONNX Runtime needs them, after C2 to C10.

        Most calls look like the one before. Arrays of the types and shapes that passed then need only be
        looked at for their values and their place in memory; whatever is different goes the long way.
        """
        seen = self._seen
        if seen and type(inputs) is dict and len(inputs) == len(seen):
            for name, dtype, shape, finite in seen:
                array = inputs.get(name)
                if type(array) is not _Plain or array.dtype is not dtype or array.shape != shape:
                    break
                if finite and not _finite(_dot(array, array)):
                    break
                flags = array.flags
                if not flags.c_contiguous or not ((flags.owndata and OWNED_IS_ALIGNED) or is_aligned(array)):
                    break
            else:
                return inputs
        arrays, _ = self.check(inputs)
        self._seen = self._remembered(arrays)
        return ready(arrays)

    def _remembered(self, arrays: Mapping[str, Array]) -> list[_Seen]:
        """Return what to compare the next call with; nothing where the short way would not do."""
        if not all(_is_plain(plan, arrays[plan.name]) for plan in self.plans):
            return []
        return [(plan.name, plan.dtype, arrays[plan.name].shape, plan.finite) for plan in self.plans]

    def check(self, inputs: Mapping[str, Any] | Any) -> tuple[dict[str, Array], dict[str, int]]:
        """Return the arrays in manifest order, and the value of each symbol (C2 to C10).

        The arrays are the caller's own where they need no conversion; `ready` aligns them.
        """
        if type(inputs) is not dict:
            inputs = self._mapping(inputs)
        if inputs.keys() != self._names:
            self._refuse_names(inputs)
        arrays: dict[str, Array] = {}
        symbols: dict[str, int] = {}
        for plan in self.plans:
            name = plan.name
            array = inputs[name]
            if type(array) is not np.ndarray or array.dtype is not plan.ready:
                array = self._converted(plan, array)
            _check_shape(plan, array.shape, symbols)
            arrays[name] = array
        for plan in self._values:
            arrays[plan.name] = _carried(plan, arrays[plan.name])
        for plan in self._finite:
            _check_finite(plan.name, arrays[plan.name])
        return arrays, symbols

    def check_values(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Check values (C9, C10) of arrays whose types and shapes were checked before.

        Returns the string tensors as ``object`` arrays of ``str``, which have to be handed over anew.
        """
        texts = {}
        for plan in self._values:
            array = self._converted(plan, arrays[plan.name]) if plan.kind == "O" else arrays[plan.name]
            carried = _carried(plan, array)
            if plan.kind == "O":
                texts[plan.name] = carried
        for plan in self._finite:
            _check_finite(plan.name, arrays[plan.name])
        return texts

    def _mapping(self, inputs: Any) -> Mapping[str, Any]:
        """Return inputs by name; anything but a mapping is the one input of a model that has one."""
        if isinstance(inputs, Mapping):
            return inputs
        if len(self.plans) == 1:
            return {self.plans[0].name: inputs}
        names = ", ".join(f"`{plan.name}`" for plan in self.plans)
        subject = self.plans[1].name if self.plans else "."
        code = "input_missing" if self.plans else "input_unknown"
        raise BundleError(code, subject, f"a mapping with the inputs {names or 'of none'}", "one value")

    def _refuse_names(self, inputs: Mapping[str, Any]) -> None:
        """Refuse the first unknown input (C2), else the first missing one (C3)."""
        names = [plan.name for plan in self.plans]
        listed = ", ".join(f"`{name}`" for name in names) or "none"
        unknown = [str(name) for name in inputs if name not in names]
        if unknown:
            first = min(unknown, key=lambda name: name.encode("utf-8", "surrogatepass"))
            raise BundleError("input_unknown", first, f"inputs: {listed}", "a name the model does not have")
        missing = next(name for name in names if name not in inputs)
        raise BundleError("input_missing", missing, f"inputs: {listed}", "no such input")

    def _converted(self, plan: InputPlan, value: Any) -> Array:
        """Return a plain array of the right type (C4), or refuse what would have to be guessed."""
        if isinstance(value, np.ma.MaskedArray):
            raise _wrong_type(plan, "a masked array", "fill it first: value.filled(...)")
        if not isinstance(value, (np.ndarray, np.generic)):
            raise _wrong_type(plan, f"a Python {type(value).__name__}", _LIST_HINT)
        array = np.asarray(value)
        if plan.kind == "O":
            if is_text(array):
                return array
        elif array.dtype == plan.dtype:
            # Equal types need not be one object; ONNX Runtime is given the one it knows.
            return array.view(plan.dtype)
        elif self._cast and _may_cast(array.dtype, plan.dtype):
            with np.errstate(over="ignore"):
                return array.astype(plan.dtype)
        word = word_of(array) if array.dtype.isnative else None
        hint = _CAST_HINT if plan.kind in "fiu" and array.dtype.kind in "fiu" and not self._cast else ""
        raise _wrong_type(plan, word or f"numpy {array.dtype.str}", hint)


def _wrong_type(plan: InputPlan, found: str, hint: str) -> BundleError:
    return BundleError("input_dtype_mismatch", plan.name, f"a numpy array of {plan.word}", found, hint)


def _is_plain(plan: InputPlan, array: Array) -> bool:
    """Tell whether an input's values can be checked by one dot product, if they need it at all."""
    if plan.kind in "bO" or array.nbytes < ALIGNMENT:
        return False
    return not plan.finite or _dot_tells(array)


def _dot_tells(array: Array) -> bool:
    # Squares of float16 overflow soon, and beyond some size the dot product may start threads.
    return array.itemsize > 2 and array.size <= _DOT_LIMIT


def ready(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays as ONNX Runtime needs them: C order, at a multiple of 16 bytes."""
    return {name: array if array.dtype.hasobject else aligned(array) for name, array in arrays.items()}


def _check_shape(plan: InputPlan, shape: tuple[int, ...], symbols: dict[str, int]) -> None:
    """Check rank (C5), fixed sizes (C6), symbols (C7, C8), and remember the symbols' values."""
    if len(shape) != plan.rank:
        expected, found = f"{plan.rank} axes: {_shape(plan.shape)}", f"{len(shape)} axes: {_shape(shape)}"
        raise BundleError("input_rank_mismatch", plan.name, expected, found)
    for axis, size in plan.fixed:
        if shape[axis] != size:
            raise BundleError("input_shape_mismatch", plan.name, _shape(plan.shape), _shape(shape))
    if plan.multiple:
        _check_multiple(plan, shape, symbols)
    for axis, _ in plan.symbols:
        if not shape[axis]:
            expected = f"{_shape(plan.shape)} with at least 1 for each name"
            raise BundleError("input_empty", plan.name, expected, _shape(shape))
    for axis, symbol in plan.symbols:
        if symbols.setdefault(symbol, shape[axis]) != shape[axis]:
            expected = f"{symbols[symbol]} for `{symbol}` of {_shape(plan.shape)}, as before in this call"
            raise BundleError("input_symbol_conflict", plan.name, expected, _shape(shape))


def _check_multiple(plan: InputPlan, shape: tuple[int, ...], symbols: dict[str, int]) -> None:
    """Check that axis 0 is a multiple of the fixed batch, the same in all inputs (C6 of a whole batch)."""
    rows = shape[0]
    # No symbol of a manifest is empty, so this key is free.
    if not rows or rows % (plan.multiple or 1) or symbols.setdefault("", rows) != rows:
        expected = f"a multiple of {plan.multiple} on axis 0, the same in all inputs, of {_shape(plan.shape)}"
        raise BundleError("input_shape_mismatch", plan.name, expected, _shape(shape))


def _carried(plan: InputPlan, array: Array) -> Array:
    """Check the values of a bool or string tensor (C9); strings come back as ``str`` objects."""
    if plan.kind == "b":
        if array.size and array.view(np.uint8).max() > 1:
            raise BundleError("input_value", plan.name, "bool bytes of 0 or 1", "another byte")
        return array
    try:
        return to_objects(array)
    except ValueError as error:
        raise BundleError("input_value", plan.name, "text in UTF-8 without U+0000", str(error)) from error


def _check_finite(name: str, array: Array) -> None:
    """Refuse NaN and infinities (C10)."""
    # A sum of squares is finite only if every element is: squares are never negative, so that infinities
    # cannot cancel. It may overflow where all are finite; then the exact look decides.
    if _dot_tells(array) and math.isfinite(np.vdot(array, array)):
        return
    bad = ~np.isfinite(array)
    if bad.any():
        index = [int(axis) for axis in np.unravel_index(int(bad.argmax()), bad.shape)]
        value = array[tuple(index)]
        raise BundleError("input_not_finite", name, "finite values", f"{value} at {index}")


def _may_cast(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
    """Tell whether `cast` converts: float64 to float32, or to a type that holds every value of the source."""
    if source.kind not in "fiu" or target.kind not in "fiu" or not source.isnative:
        return False
    if source == np.float64 and target == np.float32:
        return True
    # numpy calls 64-bit integers safe in a float64, which holds only 53 bits of them.
    loses = source.kind in "iu" and source.itemsize == 8 and target.kind == "f"
    return np.can_cast(source, target, "safe") and not loses


def _shape(shape: tuple[int | str, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
