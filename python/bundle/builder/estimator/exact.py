"""Changes to an estimator before its conversion, so that ONNX computes what scikit-learn computes."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from bundle.builder.estimator.layout import is_table, parts
from bundle.builder.estimator.load import nested
from bundle.builder.estimator.trees import fold_scalers, is_histogram, refuse_categories, round_thresholds

#: What only shifts, scales or projects numbers. Means far from zero cancel, and results meet thresholds
#: of trees: in float32 a split goes the other way where float64 goes the right one.
_LINEAR = ("MaxAbsScaler", "MinMaxScaler", "PCA", "RobustScaler", "StandardScaler", "TruncatedSVD")


def make_exact(path: Path, estimator: Any) -> Any:
    """Return an estimator that converts to the same answers; the one given is changed, too.

    Errors: ``estimator_unsupported`` for what the converter would turn into another model silently.
    """
    for each in nested(estimator):
        if hasattr(each, "flatten_transform"):
            each.flatten_transform = False
        if hasattr(each, "steps"):
            fold_scalers(each)
        if is_table(each):
            _number_columns(each)
    for each in nested(estimator):
        if is_histogram(each):
            refuse_categories(path, each)
            round_thresholds(each)
    return in_float64(estimator)


def in_float64(estimator: Any) -> Any:
    """Return the estimator with each run of linear steps between a cast to float64 and one back."""
    if hasattr(estimator, "steps"):
        estimator.steps = _cast_runs(estimator.steps)
    elif is_table(estimator):
        estimator.transformers_ = [
            (name, in_float64(each), columns) for name, each, columns in estimator.transformers_
        ]
    elif hasattr(estimator, "transformer_list"):
        estimator.transformer_list = [(name, in_float64(each)) for name, each in estimator.transformer_list]
    elif hasattr(estimator, "named_estimators_"):
        estimator.estimators_ = [in_float64(each) for each in estimator.estimators_]
    elif _is_linear(estimator):
        from sklearn.pipeline import Pipeline

        return Pipeline(_cast_runs([("linear", estimator)]))
    return estimator


def _cast_runs(steps: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return steps in which neighbors that are linear share one pair of casts."""
    from skl2onnx.sklapi import CastTransformer

    cast: list[tuple[str, Any]] = []
    for linear, run in groupby(steps, key=lambda step: _is_linear(step[1])):
        if not linear:
            cast += [(name, in_float64(each)) for name, each in run]
            continue
        members = list(run)
        cast.append((f"{members[0][0]}_to_float64", CastTransformer(dtype=np.float64)))
        cast += members
        cast.append((f"{members[-1][0]}_to_float32", CastTransformer(dtype=np.float32)))
    return cast


def _is_linear(estimator: Any) -> bool:
    return type(estimator).__name__ in _LINEAR and type(estimator).__module__.startswith("sklearn.")


def _number_columns(table: Any) -> None:
    """Say columns by their numbers: names mean nothing in a graph whose input is one matrix."""
    numbers = {id(each): indices for each, indices in parts(table)}
    table.transformers_ = [
        (name, each, numbers.get(id(each), columns)) for name, each, columns in table.transformers_
    ]
