"""What an estimator takes: one matrix, one input for each column, or texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bundle.builder.estimator.load import first_step
from bundle.error import BundleError
from bundle.tolerance import Array

#: The one input of an estimator that does not need one for each column, as scikit-learn calls it.
MATRIX = "X"
#: The names of outputs, which no input may have.
OUTPUTS = ("label", "probabilities", "scores", "variable")


@dataclass(frozen=True)
class Column:
    """One feature of a table.

    Attributes:
        name: of its input, where each column has one.
        title: its name in the table.
        dtype: a dtype word.
        used: whether the estimator looks at it.
    """

    name: str
    title: str
    dtype: str
    used: bool


@dataclass(frozen=True)
class Layout:
    """How the rows of a table become inputs.

    Attributes:
        kind: ``matrix``, ``columns`` or ``text``.
        columns: all features in order; for a text the one that it is.
        frame: whether the estimator wants a table with names.
    """

    kind: str
    columns: tuple[Column, ...]
    frame: bool

    @property
    def inputs(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """Return (name, dtype word, sizes of the axes after the batch) of each input, also of unused ones."""
        if self.kind == "columns":
            return [(column.name, column.dtype, (1,)) for column in self.columns]
        return [(MATRIX, self.columns[0].dtype, (len(self.columns),))]

    @property
    def unused(self) -> set[str]:
        """The names of inputs that a caller need not bring, and the converted model does not have."""
        names = {column.name for column in self.columns if not column.used}
        return names if self.kind == "columns" else set()


def layout_of(path: Path, estimator: Any) -> Layout:
    """Find out what an estimator takes.

    Errors: ``estimator_unsupported`` where it does not tell how many features it has.
    """
    first = first_step(estimator)
    if is_text(first):
        return Layout("text", (Column(MATRIX, MATRIX, "string", True),), frame=False)
    count = getattr(estimator, "n_features_in_", getattr(first, "n_features_in_", None))
    if count is None:
        found = f"a {type(first).__name__}, which does not tell how many features it takes"
        raise BundleError("estimator_unsupported", path.name, "an estimator with `n_features_in_`", found)
    texts = _text_columns(first, count)
    names = getattr(first, "feature_names_in_", getattr(estimator, "feature_names_in_", None))
    titles = [f"column_{index}" for index in range(count)] if names is None else [str(each) for each in names]
    used = set().union(*(indices for _, indices in parts(first))) if is_table(first) else set(range(count))
    columns = tuple(
        Column(
            name=f"{title}_input" if title in OUTPUTS else title,
            title=title,
            dtype="string" if text else "float32",
            used=index in used,
        )
        for index, (title, text) in enumerate(zip(titles, texts, strict=True))
    )
    mixed = any(texts) and (not all(texts) or is_table(first))
    return Layout("columns" if mixed else "matrix", columns, names is not None and is_table(first))


def is_text(estimator: Any) -> bool:
    """Tell whether an estimator takes texts, one a row, as those that count words do."""
    return hasattr(estimator, "build_analyzer")


def is_table(estimator: Any) -> bool:
    """Tell whether an estimator takes a table whose columns go different ways."""
    return hasattr(estimator, "transformers_")


def parts(table: Any) -> list[tuple[Any, list[int]]]:
    """Return the transformers of a table with the indices of their columns; dropped columns are left out."""
    # The indices stand in no public place: `transformers_` has what the user wrote, often names.
    indices = table._transformer_to_input_indices
    return [
        (each, list(indices[name])) for name, each, _ in table.transformers_ if not _is_word(each, "drop")
    ]


def rows_of(layout: Layout, case: Mapping[str, Array]) -> Any:
    """Return a case as the estimator takes it, floats widened to float64: what most are trained on."""
    if layout.kind == "text":
        return case[MATRIX].ravel().tolist()
    if layout.kind == "columns":
        columns = [
            widen(case[column.name][:, 0]) if column.name in case else None for column in layout.columns
        ]
        count = max(len(column) for column in columns if column is not None)
        filled = [np.zeros(count) if column is None else column for column in columns]
    else:
        filled = list(widen(case[MATRIX]).T)
    if layout.frame:
        import pandas

        titles = [column.title for column in layout.columns]
        return pandas.DataFrame(dict(zip(titles, filled, strict=True)))
    if len({column.dtype for column in filled}) > 1:
        filled = [column.astype(object) for column in filled]
    return np.ascontiguousarray(np.stack(filled, axis=1))


def widen(array: Array) -> Array:
    """Return float32 as the float64 of the shortest decimals that mean it; other arrays as they are.

    Data are mostly written in decimals: 0.1 was 0.1 in float64 when an estimator learned it, and splits
    may lie on just that value, which the float32 nearest to it misses.
    """
    return array.astype(str).astype(np.float64) if array.dtype == np.float32 else array


def _text_columns(first: Any, count: int) -> list[bool]:
    """Return for each feature whether it is text."""
    texts = [False] * count
    if is_table(first):
        for transformer, indices in parts(first):
            own = _text_columns(first_step(transformer), len(indices))
            for index, text in zip(indices, own, strict=True):
                texts[index] |= text
        return texts
    if is_text(first):
        return [True] * count
    known = getattr(first, "categories_", None)
    if isinstance(known, list):
        return [all(isinstance(word, str) for word in words if word is not None) for words in known]
    filled = getattr(first, "statistics_", None)
    if filled is not None and filled.dtype == object:
        return [isinstance(value, str) for value in filled]
    return texts


def _is_word(transformer: Any, word: str) -> bool:
    return isinstance(transformer, str) and transformer == word
