"""Made-up inputs in the range of what an estimator has learned from: for the worker only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bundle.builder.estimator.layout import Layout, is_table, is_text, layout_of, parts
from bundle.builder.estimator.load import first_step, load, nested
from bundle.builder.estimator.trees import splits
from bundle.tolerance import Array

#: How many standard deviations around a mean values are drawn from.
_DEVIATIONS = 2.0
#: The range of a feature that the estimator tells nothing about, as scaled features have it.
_UNKNOWN = (-_DEVIATIONS, _DEVIATIONS)
#: By how much of their spread values go beyond the outermost threshold, so that both sides occur.
_BEYOND = 0.25
#: Words in a made-up text.
_LENGTH = 8

Values = dict[int, Any]


def make_cases(source: Path, seed: int, count: int) -> list[dict[str, Array]]:
    """Return ``count`` cases of one row, the same ones for the same file and seed.

    Errors: ``model_unreadable``, ``estimator_unsupported``.
    """
    estimator, _ = load(source)
    layout = layout_of(source, estimator)
    generator = np.random.Generator(np.random.PCG64(seed))
    known = _known(estimator)
    return [_case(layout, known, generator) for _ in range(count)]


def _case(layout: Layout, known: Values, generator: np.random.Generator) -> dict[str, Array]:
    if layout.kind == "text":
        words: Any = generator.choice(known[0], _LENGTH) if 0 in known else []
        return {layout.columns[0].name: np.array([[" ".join(words)]], object)}
    row = [
        _value(known.get(index, _UNKNOWN), column.dtype, generator)
        for index, column in enumerate(layout.columns)
    ]
    kind = {"float32": np.float32, "string": object}
    if layout.kind == "columns":
        pairs = zip(layout.columns, row, strict=True)
        return {
            column.name: np.array([[value]], kind[column.dtype]) for column, value in pairs if column.used
        }
    name, dtype, _ = layout.inputs[0]
    return {name: np.array([row], kind[dtype])}


def _value(known: Any, dtype: str, generator: np.random.Generator) -> Any:
    if isinstance(known, tuple):
        number = generator.uniform(*known)
        return str(round(number)) if dtype == "string" else number
    return known[generator.integers(len(known))]


def _known(estimator: Any) -> Values:
    """Return by feature (low, high), or the list of values that it may take; what is unknown is absent."""
    if hasattr(estimator, "steps"):
        for _, step in estimator.steps:
            found = _known(step)
            # What fills gaps leaves the features as they are, and the next step may know their range.
            if found or not hasattr(step, "statistics_"):
                return found
        return {}
    if is_table(estimator):
        found = {}
        for transformer, indices in parts(estimator):
            own = _known(transformer)
            found |= {index: own[place] for place, index in enumerate(indices) if place in own}
        return found
    if is_text(estimator):
        return {0: sorted(estimator.vocabulary_)}
    categories = getattr(estimator, "categories_", None)
    if isinstance(categories, list):
        return {index: list(words) for index, words in enumerate(categories) if len(words)}
    return _ranges(estimator)


def _ranges(estimator: Any) -> Values:
    low, high = _bounds(estimator) or (None, None)
    if low is None or high is None:
        return _thresholds(estimator)
    return {i: (float(a), float(b)) for i, (a, b) in enumerate(zip(low, high, strict=True))}


def _bounds(estimator: Any) -> tuple[Array, Array] | None:
    """Return the range of each feature that an attribute of the estimator tells."""
    own = vars(estimator)
    if "data_min_" in own:
        return own["data_min_"], own["data_max_"]
    if own.get("mean_") is not None and own.get("var_") is not None:
        return _around(own["mean_"], np.sqrt(own["var_"]))
    if own.get("center_") is not None and own.get("scale_") is not None:
        return _around(own["center_"], own["scale_"])
    if "explained_variance_" in own and own.get("mean_") is not None:
        variance = (own["components_"] ** 2 * own["explained_variance_"][:, None]).sum(axis=0)
        return _around(own["mean_"], np.sqrt(variance))
    for name in ("cluster_centers_", "_fit_X", "support_vectors_", "means_", "theta_"):
        rows = own.get(name)
        if isinstance(rows, np.ndarray) and rows.ndim == 2 and len(rows) > 1:
            return rows.min(axis=0), rows.max(axis=0)
    return None


def _around(mean: Array, deviation: Array) -> tuple[Array, Array]:
    return mean - _DEVIATIONS * deviation, mean + _DEVIATIONS * deviation


def _thresholds(estimator: Any) -> Values:
    """Return the range of the thresholds of every tree in the estimator, and somewhat beyond."""
    found: dict[int, list[float]] = {}
    for each in nested(estimator):
        if first_step(each) is not each or is_table(each):
            return {}
        for features, thresholds in splits(each):
            for feature, threshold in zip(features.tolist(), thresholds.tolist(), strict=True):
                found.setdefault(feature, []).append(threshold)
    return {feature: _wider(min(values), max(values)) for feature, values in found.items()}


def _wider(low: float, high: float) -> tuple[float, float]:
    spread = (high - low) or abs(high) or 1.0
    return low - _BEYOND * spread, high + _BEYOND * spread
