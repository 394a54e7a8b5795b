"""Golden cases for a model that came without any: made up from its signature and its graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from bundle.builder.golden import Array, Case, run_case
from bundle.builder.graph import load_graph
from bundle.builder.memory import exhausted, ran_out
from bundle.builder.model import Model, Port, Signature
from bundle.builder.ranges import Range, integer_ranges
from bundle.builder.signature import open_session
from bundle.dtype import DTYPES
from bundle.error import BundleError

if TYPE_CHECKING:
    import onnxruntime as ort

#: Sizes tried for symbols other than the batch, the likely one first; images and sound need the large ones.
_SIZES = (8, 1, 2, 4, 16, 32, 64, 128, 256, 512, 1024)
_BATCH_NAMES = ("batch", "batch_size", "n", "b")
#: The end of the range of an integer input that the graph says nothing about.
_SMALL = 10
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))


@dataclass(frozen=True)
class _Attempt:
    """One way to fill the inputs: sizes of symbols, which branch value, floats above zero or around it."""

    sizes: Mapping[str, int]
    choice: int
    positive: bool


def synthesize(model: Model, signature: Signature, seed: int = 0, count: int = 8) -> list[Case]:
    """Return ``count`` cases of batch 1 that the model answers; the same ones for the same arguments.

    Errors: ``golden_impossible`` where the model refuses every size tried, ``memory_exhausted`` where
    memory ran out.
    """
    ranges = integer_ranges(load_graph(model.path)) if model.format == "onnx" else {}
    session = open_session(model)
    answered: list[Case] = []
    reason, too_large = "", False
    for attempt in _attempts(signature, ranges):
        cases = _make_cases(signature, ranges, attempt, seed, count)
        try:
            outputs = [run_case(session, case) for case in cases]
        except Exception as error:  # one class per status code, all of them in a private module
            reason, too_large = " ".join(str(error).split())[:300], ran_out(error)
            continue
        if any(_says_something(output) for output in outputs):
            return cases
        answered = answered or cases
    if answered:
        return answered
    if too_large:
        raise exhausted(model.path.name, f"memory ran out at every size tried: {reason}")
    expected = "made-up inputs that the model answers"
    hint = "give real inputs with --golden cases.npz"
    raise BundleError("golden_impossible", model.path.name, expected, reason, hint)


def batch_symbol(signature: Signature) -> str | None:
    """Return the symbol that most likely counts the rows of a batch; None where every size is fixed."""
    symbols = [size for port in signature.inputs for size in port.shape if isinstance(size, str)]
    named = [symbol for symbol in symbols if symbol.lower() in _BATCH_NAMES]
    first = [port.shape[0] for port in signature.inputs if port.shape and isinstance(port.shape[0], str)]
    return next((str(symbol) for symbol in [*named, *first]), None)


def follow_batch(session: ort.InferenceSession, signature: Signature, case: Case) -> set[tuple[str, int]]:
    """Return the (output, axis) pairs whose size is that of the batch, found by asking with 2 and 3 rows.

    ``case`` has one row. Empty where the model has no batch symbol or refuses more rows.
    """
    batch = batch_symbol(signature)
    if batch is None:
        return set()
    following: list[set[tuple[str, int]]] = []
    for rows in (1, 2, 3):
        wider = dict(case)
        for port in signature.inputs:
            for axis in [axis for axis, size in enumerate(port.shape) if size == batch]:
                wider[port.name] = np.repeat(wider[port.name], rows, axis)
        try:
            answer = run_case(session, wider)
        except Exception:  # one class per status code, all of them in a private module
            return set()
        following.append(
            {(n, axis) for n, a in answer.items() for axis, s in enumerate(a.shape) if s == rows}
        )
    return set.intersection(*following)


def _attempts(signature: Signature, ranges: Mapping[str, Range]) -> Iterator[_Attempt]:
    batch = batch_symbol(signature)
    free = {size for port in signature.inputs for size in port.shape if isinstance(size, str)} - {batch}
    # Symbols may need sizes of their own: a state's unnamed batch beside the length of the sound.
    large: list[set[str]] = [free, *({symbol} for symbol in sorted(free) if len(free) > 1)]
    choices = max((len(each.choices) for each in ranges.values()), default=0) or 1
    for positive in (False, True):
        for size, symbols in product(_SIZES if free else _SIZES[:1], large):
            for choice in range(choices):
                yield _Attempt(dict.fromkeys(symbols, size), choice, positive)


def _make_cases(
    signature: Signature, ranges: Mapping[str, Range], attempt: _Attempt, seed: int, count: int
) -> list[Case]:
    generator = np.random.Generator(np.random.PCG64(seed))
    cases: list[Case] = []
    for _ in range(count):
        case: Case = {}
        for port in signature.inputs:
            shape = tuple(
                size if isinstance(size, int) else attempt.sizes.get(str(size), 1) for size in port.shape
            )
            values = _values(port, shape, ranges.get(port.name, Range()), attempt, generator)
            case[port.name] = np.array(values, dtype=DTYPES[port.dtype].numpy, order="C").reshape(shape)
        cases.append(case)
    return cases


def _values(
    port: Port, shape: tuple[int, ...], limits: Range, attempt: _Attempt, generator: np.random.Generator
) -> Array | list[str]:
    kind = DTYPES[port.dtype].numpy.kind
    if port.dtype == "string":
        count = int(np.prod(shape))
        return ["".join(generator.choice(_LETTERS, generator.integers(1, 9))) for _ in range(count)]
    if kind == "b":
        return generator.random(shape) < 0.5
    if "mask" in port.name.lower():
        return _mask(shape, generator)
    if kind == "f":
        return generator.random(shape) if attempt.positive else generator.standard_normal(shape)
    if limits.choices:
        return np.full(shape, limits.choices[attempt.choice % len(limits.choices)])
    return generator.integers(*_bounds(port, limits), shape)


def _bounds(port: Port, limits: Range) -> tuple[int, int]:
    """Return the first value and the end of an integer input's range."""
    info = np.iinfo(port.dtype)
    if limits.stop is not None:
        return 0, min(limits.stop, info.max)
    # Bytes in more than one axis are pixels or samples, not ids.
    if info.bits == 8 and len(port.shape) > 1:
        return int(info.min), int(info.max) + 1
    return 0, _SMALL


def _mask(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Return mostly ones; the first of each row is one, since a row without any has no answer."""
    mask = (generator.random(shape) < 0.75).astype(np.int64)
    if shape:
        mask[..., 0] = 1
    return mask


def _says_something(outputs: Case) -> bool:
    """Tell whether an answer holds more than NaN and infinities."""
    return any(array.dtype.kind != "f" or bool(np.isfinite(array).any()) for array in outputs.values())
