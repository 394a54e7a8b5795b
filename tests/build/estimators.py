"""Estimators to convert, fitted on the data that scikit-learn brings along."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from bundle.builder.check import check
from bundle.builder.estimator import framework_answers
from bundle.builder.gate import Reference
from bundle.builder.ingest import ingest_any
from bundle.builder.model import Model
from bundle.builder.worker import Worker

IRIS, WINE, CANCER, DIGITS = "iris", "wine", "breast_cancer", "digits"


class Trial(NamedTuple):
    """A converted estimator beside what it answers itself."""

    source: Path
    model: Model
    reference: Reference
    answers: tuple[dict[str, np.ndarray], ...]


def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def matrix(rows: np.ndarray) -> dict[str, np.ndarray]:
    return {"X": np.ascontiguousarray(rows, np.float32)}


def save(estimator: Any, folder: Path, name: str = "model.joblib") -> Path:
    path = folder / name
    joblib.dump(estimator, path)
    return path


def trial(estimator: Any, cases: list[dict[str, np.ndarray]], folder: Path, worker: Worker) -> Trial:
    """Convert a fitted estimator, and ask both it and the model the same."""
    source = save(estimator, folder)
    model, _ = check(ingest_any(source, folder, worker, trust_pickle=True).model, folder)
    answers = framework_answers(source, model, cases, worker)
    assert answers is not None
    words = {"label": "equal", "probabilities": "argmax"}
    return Trial(source, model, Reference.of_source(model, cases, worker, words), answers)


def _scaled(estimator: Any) -> Any:
    return make_pipeline(StandardScaler(), estimator)


def _voting(kind: str) -> Any:
    members = [("line", _scaled(LogisticRegression())), ("trees", RandomForestClassifier(7, random_state=0))]
    return VotingClassifier(members, voting=kind)


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=10, random_state=0),
    "scaled_boosting": lambda: _scaled(HistGradientBoostingClassifier(max_iter=10, random_state=0)),
    "forest": lambda: RandomForestClassifier(20, random_state=0),
    "scaled_forest": lambda: _scaled(RandomForestClassifier(20, random_state=0)),
    "logistic": lambda: _scaled(LogisticRegression()),
    "perceptrons": lambda: MLPClassifier((16,), max_iter=30, random_state=0),
    "neighbors": lambda: make_pipeline(StandardScaler(), PCA(4), KNeighborsClassifier()),
    "nested": lambda: make_pipeline(MinMaxScaler(), _scaled(SVC())),
    "search": lambda: GridSearchCV(_scaled(LogisticRegression()), {"logisticregression__C": [1, 2]}, cv=2),
    "linear_svc": lambda: _scaled(LinearSVC(random_state=0)),
    "ridge": RidgeClassifier,
    "descent": lambda: _scaled(SGDClassifier(random_state=0)),
    "voting_soft": lambda: _voting("soft"),
    "voting_hard": lambda: _voting("hard"),
}

OTHERS: dict[str, Callable[[], Any]] = {
    "regressor": lambda: GradientBoostingRegressor(n_estimators=5, random_state=0),
    "outliers": lambda: _scaled(IsolationForest(n_estimators=10, random_state=0)),
    "clusters": lambda: _scaled(KMeans(3, random_state=0, n_init=1)),
    "projection": lambda: _scaled(PCA(3)),
    "scaler": StandardScaler,
    "union": lambda: make_union(StandardScaler(), PCA(2)),
}


def fitted(make: Callable[[], Any], rows: np.ndarray, classes: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make().fit(rows, classes)


def houses() -> pandas.DataFrame:
    """Return a table of numbers and words; its titles are no identifiers, and one is an output's name."""
    count = np.arange(60)
    return pandas.DataFrame(
        {
            "age (years)": count % 7 + 0.1,
            "town": np.array(["Ulm", "K\u00f6ln", "Bonn"])[count % 3],
            "id": count,
            "label": np.array(["new", "old"])[count // 7 % 2],
            "rooms": count % 5,
        }
    )


def table_classifier() -> Any:
    """Return a fitted pipeline that scales numbers, encodes words, and does not look at `id`."""
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age (years)", "rooms"]),
            ("town", OneHotEncoder(handle_unknown="ignore"), ["town"]),
            ("state", OrdinalEncoder(), ["label"]),
        ]
    )
    table = houses()
    wanted = np.where(table["rooms"] > 2, "yes", "no")
    return make_pipeline(columns, RandomForestClassifier(9, random_state=0)).fit(table, wanted)


def table_cases() -> list[dict[str, np.ndarray]]:
    """Return the rows of ``houses`` as two cases of different size."""
    table = houses()
    names = {"age (years)": np.float32, "town": object, "label": object, "rooms": np.float32}
    full = {
        f"{name}_input" if name == "label" else name: table[[name]].to_numpy(kind)
        for name, kind in names.items()
    }
    return [{name: rows[part] for name, rows in full.items()} for part in (slice(0, 7), slice(7, 60))]


def text_classifier() -> Any:
    texts = ["a cat sat there", "dogs bark, LOUD!", "the big cat sleeps"] * 5
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["cat", "dog", "cat"] * 5)


def steep_tree() -> tuple[Any, np.ndarray]:
    """Return a scaled tree whose thresholds float32 cannot tell from its values, and those values."""
    rows = 1e6 + np.arange(64.0)[:, None] / 16
    rows = rows.astype(np.float32).astype(np.float64)
    return _scaled(DecisionTreeClassifier(random_state=0)).fit(rows, np.arange(64) % 4), rows
