"""Trees: thresholds in float64, which a model of float32 must part values at as scikit-learn does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bundle.builder.estimator.layout import widen
from bundle.builder.estimator.load import nested
from bundle.error import BundleError
from bundle.tolerance import Array

#: They move each feature on its own, and keep the order of its values.
_ELEMENTWISE = ("MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler")
#: Every split of theirs is one of a feature that the estimator is given.
_TREES = (
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
)

#: The inverse of a scaler is off by rounding: far less than this share, which so many halvings use up.
_MARGIN = 1e-9
_HALVINGS = 32

#: Takes the features and the thresholds of some splits; returns new thresholds.
Change = Callable[[Array, Array], Array]


def fold_scalers(pipeline: Any) -> None:
    """Put the scalers right before trees into the trees' thresholds, in place.

    Thresholds lie on values of the training data, or halfway between two, which often is a third one.
    Such a value that comes as float32 and is scaled in the graph lands beside its threshold; in the
    feature's own unit value and threshold round alike. Those of histogram trees are left to be rounded.
    """
    steps = list(pipeline.steps)
    last = steps[-1][1]
    # What boosting starts from may be a model of its own, which takes scaled values.
    plain = type(last).__name__ in _TREES and getattr(last, "init", None) in (None, "zero")
    if not plain or len(steps) < 2 or not _is_elementwise(steps[-2][1]):
        return
    if not is_histogram(last):
        _change_thresholds(last, lambda _, values: _last_rounded(values))
    while len(steps) > 1 and _is_elementwise(steps[-2][1]):
        scaler = steps.pop(-2)[1]
        _change_thresholds(last, _unscaling(scaler))
    if not is_histogram(last):
        round_thresholds(last)
    pipeline.steps = steps


def is_histogram(estimator: Any) -> bool:
    """Tell whether an estimator is made of histogram trees, which compare float64 and no float32."""
    return hasattr(estimator, "_predictors")


def round_thresholds(estimator: Any) -> None:
    """Round thresholds, once, to the largest float32 that scikit-learn takes for no larger, in place."""
    _change_thresholds(estimator, lambda _, values: _floor(values))


def refuse_categories(path: Path, estimator: Any) -> None:
    """Refuse trees that split by categories, which the converter takes for numbers without a word.

    Errors: ``estimator_unsupported``.
    """
    if np.any(getattr(estimator, "is_categorical_", None)):
        expected = "an estimator that can be converted"
        found = f"a {type(estimator).__name__} with categorical features"
        hint = "encode the categories before it, as with OrdinalEncoder, and name none of them categorical"
        raise BundleError("estimator_unsupported", path.name, expected, found, hint)


def splits(estimator: Any) -> Iterator[tuple[Array, Array]]:
    """Yield (features, thresholds) of the splits in each tree that is the estimator's own."""
    if hasattr(estimator, "tree_"):
        inner = estimator.tree_.feature >= 0
        yield estimator.tree_.feature[inner], estimator.tree_.threshold[inner]
    for tree in (tree for trees in getattr(estimator, "_predictors", []) for tree in trees):
        nodes = tree.nodes[tree.nodes["is_leaf"] == 0]
        yield nodes["feature_idx"].astype(np.intp), nodes["num_threshold"]


def _is_elementwise(estimator: Any) -> bool:
    return type(estimator).__name__ in _ELEMENTWISE and not getattr(estimator, "clip", False)


def _change_thresholds(estimator: Any, change: Change) -> None:
    """Replace the thresholds of every tree in the estimator."""
    for each in nested(estimator):
        if hasattr(each, "tree_"):
            inner = each.tree_.feature >= 0
            # The array is a view of the tree's own memory.
            each.tree_.threshold[inner] = change(*next(splits(each)))
        trees = (tree for trees in getattr(each, "_predictors", []) for tree in trees)
        for tree, (features, values) in zip(trees, splits(each), strict=False):
            tree.nodes = tree.nodes.copy()
            tree.nodes["num_threshold"][tree.nodes["is_leaf"] == 0] = change(features, values)


def _unscaling(scaler: Any) -> Change:
    """Return what finds, for thresholds of scaled features, the last value that scales to no more."""

    def change(features: Array, values: Array) -> Array:
        scale, center, width = _formula(scaler, features)
        # A threshold of infinity parts what is missing from all else, in any unit.
        finite = np.isfinite(values)
        found = np.where(finite, values, 0) * width + center
        margin = _MARGIN * (np.abs(found) + np.abs(center) + np.abs(width))
        low, high = found - margin, found + margin
        for _ in range(_HALVINGS):
            middle = low + (high - low) / 2
            inside = scale(middle) <= values
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        return np.where(finite, low, values)

    return change


def _formula(scaler: Any, features: Array) -> tuple[Callable[[Array], Array], Array, Array]:
    """Return what scales values of these features in the scaler's own steps; the value at 0, and a unit."""
    factor = np.ones(scaler.n_features_in_) if scaler.scale_ is None else scaler.scale_
    factor = factor[features]
    if hasattr(scaler, "min_"):
        offset = scaler.min_[features]
        return lambda values: values * factor + offset, -offset / factor, 1 / factor
    centered = getattr(scaler, "with_mean", getattr(scaler, "with_centering", False))
    middle = getattr(scaler, "mean_", getattr(scaler, "center_", None)) if centered else None
    center = np.zeros(len(features)) if middle is None else middle[features]
    return lambda values: (values - center) / factor, center, factor


def _last_rounded(values: Array) -> Array:
    """Return the end of the float64 that, rounded to float32 as such trees do, are at most the threshold."""
    near = values.astype(np.float32)
    low = np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near)
    return (low.astype(np.float64) + np.nextafter(low, np.float32(np.inf))) / 2


def _floor(values: Array) -> Array:
    with np.errstate(over="ignore"):
        near = values.astype(np.float32)
    return np.where(widen(near) > values, np.nextafter(near, np.float32(-np.inf)), near)
