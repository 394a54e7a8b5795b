"""What an estimator itself answers: for the worker only."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bundle.builder.estimator.convert import outputs_of
from bundle.builder.estimator.layout import layout_of, rows_of
from bundle.builder.estimator.load import load
from bundle.dtype import DTYPES
from bundle.error import BundleError
from bundle.tolerance import Array

#: (name, dtype word, shape) of an output of the converted model.
Port = tuple[str, str, tuple[int | str | None, ...]]


def answer(
    source: Path, ports: Sequence[Port], cases: Sequence[Mapping[str, Array]]
) -> list[dict[str, Array]]:
    """Return the answers to each case by the name of the output, in its dtype and rank.

    Errors: ``model_unreadable``, ``estimator_unsupported``, ``source_failed``.
    """
    estimator, _ = load(source)
    layout = layout_of(source, estimator)
    if layout.frame and importlib.util.find_spec("pandas") is None:
        expected, found = "the library for the tables that this estimator takes", "an installation without it"
        raise BundleError("extra_missing", "pandas", expected, found, "pip install pandas")
    methods = outputs_of(estimator)
    answers = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, case in enumerate(cases):
            try:
                rows = rows_of(layout, case)
                answers.append(
                    {
                        port[0]: _shaped(getattr(estimator, methods[port[0]])(rows), port)
                        for port in ports
                        if port[0] in methods
                    }
                )
            except MemoryError:
                raise
            except Exception as error:  # whatever scikit-learn has against the values
                line = (str(error).strip().splitlines() or ["no message"])[0][:200]
                found = f"{type(error).__name__} in case {number}: {line}"
                expected = "an estimator that answers the golden cases"
                raise BundleError("source_failed", source.name, expected, found) from error
    return answers


def _shaped(values: Any, port: Port) -> Array:
    """Return what a method gave as the converted model spells it."""
    _, dtype, shape = port
    array = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    if dtype == "string":
        array = array.astype(str).astype(object)
    if len(shape) == 2 and array.ndim == 1:
        array = array[:, None]
    elif len(shape) == 1 and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return np.ascontiguousarray(array.astype(DTYPES[dtype].numpy))
