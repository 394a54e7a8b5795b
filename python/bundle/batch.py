"""Predict many rows in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bundle.error import BundleError
from bundle.inputs import Array, ready

if TYPE_CHECKING:
    from bundle.manifest import Manifest
    from bundle.predictor import Predictor

#: Called with (rows done, rows in all) after each piece; returning False cancels.
Progress = Callable[[int, int], Any]


def predict_batch(
    predictor: Predictor,
    inputs: Mapping[str, Array] | Array,
    batch_size: int | None,
    progress: Progress | None,
) -> dict[str, Array]:
    """Cut the inputs along the batch axis, predict each piece, join: `Predictor.predict_batch`."""
    manifest = predictor.manifest
    predictor._gate.enter()
    try:
        axes_in, axes_out = batch_axes(manifest)
        fixed = manifest.batch.size if manifest.batch else None
        size = _piece(batch_size, fixed, invariant=predictor._variant.batch_invariant)
        arrays, _ = predictor._whole_batch_inputs(fixed).check(inputs)
        rows = _rows(arrays, axes_in)
        pieces: dict[str, list[Array]] = {name: [] for name in axes_out}
        for start, stop in _bounds(rows, size):
            piece = {name: _cut(array, axes_in.get(name), start, stop) for name, array in arrays.items()}
            results = predictor._outputs.check(predictor._run(ready(piece), predictor._outputs.names))
            for name, axis in axes_out.items():
                pieces[name].append(_part(name, results[name], axis, stop - start))
            if progress is not None and progress(stop, rows) is False:
                found = f"cancelled at {stop} of {rows}"
                raise BundleError("predict_cancelled", ".", "a call that is let finish", found)
    finally:
        predictor._gate.leave()
    return {name: _join(name, parts, axes_out[name]) for name, parts in pieces.items()}


def batch_axes(manifest: Manifest) -> tuple[dict[str, int], dict[str, int]]:
    """Return the batch axis of each input that has one, and of each output (B1).

    Raises:
        BundleError: ``batch_unsupported``.
    """
    batch = manifest.batch
    if batch is None or manifest.states or not manifest.inputs:
        found = "a model with states" if manifest.states else "a model without a batch axis"
        raise BundleError("batch_unsupported", ".", "a model that can be fed in pieces", found)
    if batch.size is not None:
        return {port.name: 0 for port in manifest.inputs}, {port.name: 0 for port in manifest.outputs}
    inputs: dict[str, int] = {}
    for port in manifest.inputs:
        count = port.shape.count(batch.symbol or "")
        if count > 1:
            raise _unsplittable(port.name, "input", count)
        if count:
            inputs[port.name] = port.shape.index(batch.symbol or "")
    outputs: dict[str, int] = {}
    for output in manifest.outputs:
        count = output.shape.count(batch.symbol or "")
        if count != 1:
            raise _unsplittable(output.name, "output", count)
        outputs[output.name] = output.shape.index(batch.symbol or "")
    return inputs, outputs


def _unsplittable(name: str, kind: str, count: int) -> BundleError:
    found = f"{kind} `{name}` has {count or 'no'} batch axes"
    return BundleError("batch_unsupported", ".", "a model that can be fed in pieces", found)


def _piece(batch_size: int | None, fixed: int | None, *, invariant: bool) -> int | None:
    """Return the rows of a piece, or None for all at once (B2, B3)."""
    if batch_size is None:
        if not invariant:
            reason = "a model whose rows depend on their batch-mates"
            raise BundleError("batch_size_required", ".", "batch_size", reason)
        return fixed
    wanted = "an integer of at least 1" if fixed is None else f"{fixed}, the model's fixed size"
    good = type(batch_size) is int and batch_size >= 1 and fixed in (None, batch_size)
    if not good:
        raise BundleError("batch_size_invalid", ".", wanted, repr(batch_size))
    return batch_size


def _rows(arrays: Mapping[str, Array], axes: Mapping[str, int]) -> int:
    name, axis = next(iter(axes.items()))
    return int(arrays[name].shape[axis])


def _part(name: str, array: Array, axis: int, rows: int) -> Array:
    """Return a piece's output, which must have as many rows as the piece."""
    if array.shape[axis] != rows:
        found = f"{array.shape[axis]} on axis {axis}"
        raise BundleError("batch_unsupported", name, f"{rows} rows for a piece of as many", found)
    return array


def _bounds(rows: int, size: int | None) -> Iterator[tuple[int, int]]:
    step = size or rows
    for start in range(0, rows, step):
        yield start, min(start + step, rows)


def _cut(array: Array, axis: int | None, start: int, stop: int) -> Array:
    if axis is None:
        return array
    return array[(slice(None),) * axis + (slice(start, stop),)]


def _join(name: str, parts: list[Array], axis: int) -> Array:
    if len(parts) == 1:
        return parts[0]
    others = {part.shape[:axis] + part.shape[axis + 1 :] for part in parts}
    if len(others) > 1:
        found = " and ".join(str(list(shape)) for shape in sorted(others))
        raise BundleError("batch_unsupported", name, "pieces of one shape beside the batch axis", found)
    return np.concatenate(parts, axis=axis)
