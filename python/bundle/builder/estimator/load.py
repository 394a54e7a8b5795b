"""Unpickle an estimator: for the worker only, and only where the user trusts the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bundle.error import BundleError


def load(path: Path) -> tuple[Any, list[tuple[str, str]]]:
    """Return the fitted estimator in a file, and (code, sentence) of what the user should know.

    Errors: ``model_unreadable`` where it cannot be unpickled, ``estimator_unsupported`` where it is
    something else, or not fitted.
    """
    import joblib

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = joblib.load(path)
        except MemoryError:
            raise
        except Exception as error:  # whatever the classes in the file raise
            raise _unreadable(path, error) from error
    return _fitted(path, found), _versions(caught)


def last_step(estimator: Any) -> Any:
    """Return the estimator that gives the answer: the last one of a pipeline."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return estimator


def first_step(estimator: Any) -> Any:
    """Return the estimator that takes the inputs: the first one of a pipeline that does anything."""
    while hasattr(estimator, "steps"):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        if not steps:
            return estimator.steps[-1][1]
        estimator = steps[0]
    return estimator


def nested(estimator: Any) -> Iterator[Any]:
    """Yield the estimator and every one inside it, each once, outer ones first."""
    from sklearn.base import BaseEstimator

    seen: set[int] = set()
    level = [estimator]
    while level:
        inner: list[Any] = []
        for each in level:
            if id(each) in seen:
                continue
            seen.add(id(each))
            if isinstance(each, BaseEstimator):
                yield each
            inner += _parts(each)
        level = inner


def _parts(each: Any) -> list[Any]:
    """Return what may hold estimators in an estimator, a list, a dict or an array of objects."""
    if isinstance(each, dict):
        parts = list(each.values())
    elif isinstance(each, list | tuple | np.ndarray):
        parts = list(each)
    else:
        parts = list(vars(each).values())
    return [part for part in parts if _holds_parts(part)]


def _holds_parts(each: Any) -> bool:
    from sklearn.base import BaseEstimator

    if isinstance(each, np.ndarray):
        return each.dtype.kind == "O" and each.ndim > 0
    return isinstance(each, BaseEstimator | dict | list | tuple)


def _fitted(path: Path, found: Any) -> Any:
    """Return the estimator; that of a search is the best one that it found."""
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    expected = "a scikit-learn estimator"
    if not isinstance(found, BaseEstimator):
        hint = "save the estimator itself; steps that belong together are one Pipeline"
        raise BundleError("estimator_unsupported", path.name, expected, _kind(found), hint)
    try:
        check_is_fitted(found)
    except NotFittedError as error:
        what = f"{_kind(found)} that is not fitted"
        raise BundleError("estimator_unsupported", path.name, expected, what, "save it after fit") from error
    return getattr(found, "best_estimator_", found)


def _kind(found: Any) -> str:
    return f"an object of class {type(found).__module__}.{type(found).__qualname__}"


def _versions(caught: list[warnings.WarningMessage]) -> list[tuple[str, str]]:
    """Return one note on the versions of scikit-learn that saved the file, where they are others."""
    from sklearn.exceptions import InconsistentVersionWarning

    found = [each.message for each in caught if isinstance(each.message, InconsistentVersionWarning)]
    if not found:
        return []
    saved = ", ".join(sorted({each.original_sklearn_version for each in found}))
    text = (
        f"saved with scikit-learn {saved}, opened with {found[0].current_sklearn_version}: it may answer "
        "otherwise than where it was trained; golden outputs from there would show it"
    )
    return [("estimator_version", text)]


def _unreadable(path: Path, error: Exception) -> BundleError:
    line = (str(error).strip().splitlines() or ["no message"])[0][:200]
    line = line.replace(f"{path.parent}/", "")
    hint = "copy or download it again"
    found = f"damaged, or another kind of file: {type(error).__name__}: {line}"
    if isinstance(error, ImportError | AttributeError):
        found = f"a class or function that cannot be imported here: {line}"
        hint = "install the library that defines it; what a script defines (`__main__`) cannot be converted"
    return BundleError("model_unreadable", path.name, "a saved scikit-learn estimator", found, hint)
