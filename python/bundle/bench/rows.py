"""The inputs of a benchmark: real rows, as many as a batch should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bundle.align import aligned
from bundle.batch import batch_axes
from bundle.bench.plan import Inputs
from bundle.bundle import Bundle
from bundle.error import BundleError
from bundle.golden import load_case
from bundle.inputs import InputSet
from bundle.manifest import Manifest


def cases(bundle: Bundle, variant: str, file: str | None) -> list[Inputs]:
    """Return the golden cases' inputs, or those of a file as ``predict`` reads it, ready for a call.

    Raises:
        BundleError: ``golden_missing``, ``golden_malformed``, ``input_file_unreadable``, and those of the
            inputs of `Predictor.predict`.
    """
    manifest = bundle.manifest
    if file is not None:
        from bundle.cli import tensor_file

        return [_ready(manifest, tensor_file.read(file, manifest.inputs).tensors)]
    if not manifest.inputs:
        return [{}]
    if not manifest.golden:
        hint = "give inputs with --input FILE"
        raise BundleError("golden_missing", ".", "at least one golden case", "none", hint)
    return [_ready(manifest, load_case(bundle, golden, variant).inputs) for golden in manifest.golden]


def with_rows(manifest: Manifest, known: Sequence[Inputs], count: int | None) -> Inputs:
    """Return inputs with ``count`` rows along the batch axis; None: the first case as it is.

    The rows of all cases that fit to the first one are joined, and repeated as often as it takes. Inputs
    without a batch axis come from the first case.

    Raises:
        BundleError: ``batch_unsupported``.
    """
    if count is None:
        return known[0]
    batch = manifest.batch
    if batch is not None and batch.symbol is None:
        found = f"a model with a fixed batch of {batch.size}"
        raise BundleError("batch_unsupported", ".", "a model whose batch has a symbol", found)
    axes, _ = batch_axes(manifest)
    first = _beside(known[0], axes)
    alike = [case for case in known if _beside(case, axes) == first]
    made = dict(known[0])
    for name, axis in axes.items():
        joined = np.concatenate([case[name] for case in alike], axis)
        taken = np.take(joined, np.arange(count) % joined.shape[axis], axis)
        made[name] = taken if taken.dtype.hasobject else aligned(taken)
    return made


def row_count(manifest: Manifest, inputs: Inputs) -> int:
    """Return the rows of a call: 1 for a model without a batch."""
    batch = manifest.batch
    for port in manifest.inputs:
        if batch is not None and batch.size is not None:
            return int(inputs[port.name].shape[0])
        if batch is not None and batch.symbol in port.shape:
            return int(inputs[port.name].shape[port.shape.index(batch.symbol)])
    return 1


def _ready(manifest: Manifest, inputs: Mapping[str, Any]) -> Inputs:
    """Return arrays that no runtime has to copy, so that all are handed the same."""
    arrays, _ = InputSet(manifest.inputs).check(inputs)
    # A copy, since golden arrays are views of a file's bytes, in a dtype that is spelt in another way.
    copies = {
        name: np.array(array, array.dtype.newbyteorder("="), order="C") for name, array in arrays.items()
    }
    return {name: copy if copy.dtype.hasobject else aligned(copy) for name, copy in copies.items()}


def _beside(case: Inputs, axes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Return the sizes of all axes but the batch axis."""
    return {name: case[name].shape[:axis] + case[name].shape[axis + 1 :] for name, axis in axes.items()}
