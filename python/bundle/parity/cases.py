"""The questions that all runtimes are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.bundle import Bundle
from bundle.dtype import DTYPES, word_of
from bundle.error import BundleError
from bundle.golden import load_case
from bundle.manifest import Input, Manifest

Array = NDArray[Any]

# Rows of made-up cases, in turns: an even number of floats never shows what an odd one does.
_ROWS = (1, 2, 3)


@dataclass(frozen=True)
class Case:
    """One question: tensors by the name of the input."""

    name: str
    inputs: dict[str, Array]


def golden_cases(bundle: Bundle, variant: str) -> list[Case]:
    """Return the inputs of the bundle's golden cases.

    Raises:
        BundleError: ``golden_missing`` where it has none, ``golden_malformed``.
    """
    files = bundle.manifest.golden
    if not files:
        hint = "give inputs with --inputs FILE or --random N"
        raise BundleError("golden_missing", ".", "at least one golden case", "none", hint)
    return [Case(file.name, load_case(bundle, file, variant).inputs) for file in files]


def file_cases(path: str, inputs: Sequence[Input]) -> list[Case]:
    """Return the cases of a file as ``predict`` and ``build`` read it.

    Where every input has one axis more than it should, the first one counts cases, as in a file of
    golden cases; else the file is one case.

    Raises:
        BundleError: ``input_file_unreadable``, ``usage_invalid``.
    """
    from bundle.cli import tensor_file

    tensors = tensor_file.read(path, inputs).tensors
    for name, tensor in tensors.items():
        if word_of(tensor) is None:
            found = f"elements of {tensor.dtype}"
            raise BundleError("input_file_unreadable", path, f"a dtype of the format for `{name}`", found)
    ranks = {port.name: len(port.shape) for port in inputs}
    named = {name: tensors[name] for name in ranks if name in tensors}
    counts = {len(tensor) for name, tensor in named.items() if tensor.ndim == ranks[name] + 1}
    stacked = len(counts) == 1 and all(tensor.ndim == ranks[name] + 1 for name, tensor in named.items())
    if not stacked:
        return [Case("given", tensors)]
    # Labels and the like are in such a file too, and no input.
    return [
        Case(f"given-{index}", {name: tensor[index] for name, tensor in named.items()})
        for index in range(counts.pop())
    ]


def random_cases(bundle: Bundle, variant: str, count: int, seed: int) -> list[Case]:
    """Return made-up cases; the same ones for the same arguments.

    Values are drawn from the range of the golden cases, and integers, booleans and text from what stands in
    them: a made-up index may be one that the model refuses. Shapes are those of the golden cases, with 1, 2
    or 3 rows where the batch has a symbol. A bundle without golden cases gets numbers about 0 and sizes of 1.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    manifest = bundle.manifest
    known = golden_cases(bundle, variant) if manifest.golden else []
    cases = []
    for index in range(count):
        rows = _ROWS[index % len(_ROWS)]
        like = known[index % len(known)].inputs if known else {}
        inputs = {}
        for port in manifest.inputs:
            shape = _shape(port, like, manifest, rows)
            pool = [case.inputs[port.name].ravel() for case in known]
            inputs[port.name] = _values(port, np.concatenate(pool) if pool else None, shape, generator)
        cases.append(Case(f"random-{index}", inputs))
    return cases


def _shape(port: Input, like: Mapping[str, Array], manifest: Manifest, rows: int) -> tuple[int, ...]:
    sizes: Sequence[int] = [size if isinstance(size, int) else 1 for size in port.shape]
    if port.name in like:
        sizes = like[port.name].shape
    symbol = manifest.batch.symbol if manifest.batch and not manifest.states else None
    pairs = zip(port.shape, sizes, strict=True)
    return tuple(rows if symbol is not None and entry == symbol else size for entry, size in pairs)


def _values(port: Input, pool: Array | None, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    dtype = DTYPES[port.dtype].numpy
    if pool is None or not pool.size:
        if port.dtype == "string":
            return np.full(shape, "", np.object_)
        return np.asarray(generator.standard_normal(shape)).astype(dtype)
    if dtype.kind != "f":
        return np.asarray(generator.choice(pool, shape), dtype)
    finite = pool[np.isfinite(pool)].astype(np.float64)
    low, high = (finite.min(), finite.max()) if finite.size else (-1.0, 1.0)
    return np.asarray(generator.uniform(low, high, shape)).astype(dtype)
