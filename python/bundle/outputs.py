"""The outputs of a call: check C12 of the format, and buffers that the caller owns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bundle.align import is_aligned
from bundle.dtype import DTYPES
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.manifest import Output

Array = NDArray[Any]


_Plain = np.ndarray


class OutputPlan:
    """What one output must be, in the form that is quickest to check."""

    __slots__ = ("dtype", "fixed", "name", "rank", "seen", "shape", "word")

    def __init__(self, port: Output) -> None:
        """Args: the manifest's entry."""
        self.name = port.name
        self.word = port.dtype
        self.dtype = DTYPES[port.dtype].numpy
        self.shape = port.shape
        self.rank = len(port.shape)
        #: A shape that passed; most calls give the same one again.
        self.seen: tuple[int, ...] | None = None
        self.fixed = [(axis, size) for axis, size in enumerate(port.shape) if isinstance(size, int)]

    def sizes(self, symbols: Mapping[str, int]) -> list[int | None]:
        """Return the size of each axis as far as the inputs of a call tell it."""
        return [size if isinstance(size, int) else symbols.get(size) for size in self.shape]


class OutputSet:
    """The outputs of a model."""

    def __init__(self, ports: Iterable[Output]) -> None:
        self.plans = [OutputPlan(port) for port in ports]
        self.names = [plan.name for plan in self.plans]
        self.by_name = {plan.name: plan for plan in self.plans}

    def check(self, values: Sequence[Any], plans: Sequence[OutputPlan] | None = None) -> dict[str, Array]:
        """Return the arrays by name (C12).

        Args:
            values: what ONNX Runtime gave.
            plans: the outputs that were asked for, in the same order; None for all.
        """
        result = {}
        # ONNX Runtime gives one value for each name it was asked for; `strict` would only cost time.
        for plan, value in zip(self.plans if plans is None else plans, values, strict=False):
            array = value
            if type(array) is not _Plain or array.dtype is not plan.dtype or array.shape != plan.seen:
                array = _checked(plan, value)
                plan.seen = array.shape
            result[plan.name] = array
        return result

    def check_names(self, outputs: Mapping[str, Any]) -> None:
        """Refuse (``output_unknown``) the first buffer, in byte order, for an output that is none."""
        unknown = [str(name) for name in outputs if name not in self.by_name]
        if unknown:
            first = min(unknown, key=lambda name: name.encode("utf-8", "surrogatepass"))
            listed = ", ".join(f"`{name}`" for name in self.names)
            raise BundleError("output_unknown", first, f"outputs: {listed}", "a name the model does not have")

    def buffers(
        self, outputs: Mapping[str, Any], symbols: Mapping[str, int], *, alignment: bool
    ) -> list[tuple[OutputPlan, Array]]:
        """Check buffers for some or all outputs, and return them in manifest order.

        Args:
            outputs: the caller's buffers by name.
            symbols: the values of the symbols in this call.
            alignment: whether the buffers must start at a multiple of 16 bytes.

        Raises:
            BundleError: ``buffer_unsuitable``.
        """
        chosen = [(plan, outputs[plan.name]) for plan in self.plans if plan.name in outputs]
        for index, (plan, buffer) in enumerate(chosen):
            fault = _fault(plan, buffer, symbols, alignment) or _overlap(buffer, chosen[:index])
            if fault:
                raise unsuitable(plan, fault)
        return chosen


def unsuitable(plan: OutputPlan, found: str) -> BundleError:
    """Return the refusal of a buffer."""
    expected = f"a writable C-contiguous numpy array of {plan.word} {list(plan.shape)}"
    return BundleError("buffer_unsuitable", plan.name, expected, found)


def _checked(plan: OutputPlan, value: Any) -> Array:
    """Return a value as an array of the promised type and shape (C12)."""
    if not isinstance(value, (np.ndarray, np.generic)):
        found = f"a {type(value).__name__}"
        raise BundleError("output_mismatch", plan.name, f"a tensor of {plan.word}", found)
    # A tensor without axes comes as a numpy scalar from some versions of ONNX Runtime.
    array = np.asarray(value)
    if array.dtype != plan.dtype:
        raise BundleError("output_mismatch", plan.name, plan.word, f"numpy {array.dtype}")
    shape = array.shape
    if len(shape) != plan.rank or any(shape[axis] != size for axis, size in plan.fixed):
        raise BundleError("output_mismatch", plan.name, f"shape {list(plan.shape)}", f"{list(shape)}")
    return array


def _fault(plan: OutputPlan, buffer: Any, symbols: Mapping[str, int], alignment: bool) -> str:
    """Return what is wrong with a buffer; empty where nothing is."""
    if type(buffer) is not np.ndarray or buffer.dtype != plan.dtype:
        return f"numpy {buffer.dtype}" if isinstance(buffer, np.ndarray) else f"a {type(buffer).__name__}"
    if plan.dtype.hasobject:
        return "strings, which nobody can write in place"
    if not _fits(buffer.shape, plan.sizes(symbols)):
        return f"shape {list(buffer.shape)}"
    if not buffer.flags.c_contiguous or not buffer.flags.writeable:
        return "one that is not C-contiguous" if buffer.flags.writeable else "a read-only one"
    if alignment and not is_aligned(buffer):
        return "an address that is no multiple of 16"
    return ""


def _fits(shape: tuple[int, ...], sizes: list[int | None]) -> bool:
    if len(shape) != len(sizes):
        return False
    return all(size in (None, has) for size, has in zip(sizes, shape, strict=True))


def _overlap(buffer: Array, before: Iterable[tuple[OutputPlan, Array]]) -> str:
    for plan, other in before:
        if np.may_share_memory(buffer, other):
            return f"memory that it shares with `{plan.name}`"
    return ""
