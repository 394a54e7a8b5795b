"""Pickles: never opened without the user's word, and clear about what is wrong with them."""

import importlib.util
import io
import os
import pickle
import sys
import types
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.cluster import DBSCAN
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from bundle.builder import build
from bundle.builder.estimator import convert_estimator, framework_answers, is_estimator
from bundle.builder.ingest import ingest, ingest_any
from bundle.builder.model import Model
from bundle.builder.worker import Worker
from bundle.error import BundleError
from tests.build import estimators as made
from tests.build.projects import project

ROWS = np.arange(12.0).reshape(6, 2)


class Writer:
    """A pickle of this writes the number of the process that opens it to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        code = f"import os; open({str(self.path)!r}, 'w').write(str(os.getpid()))"
        return exec, (code,)


def refused(call, *arguments, **options) -> BundleError:
    with pytest.raises(BundleError) as caught:
        call(*arguments, **options)
    return caught.value


@pytest.fixture
def malicious(tmp_path: Path) -> tuple[Path, Path]:
    """A pickle, and the file that it writes when it is opened."""
    source, witness = tmp_path / "model.pkl", tmp_path / "witness"
    source.write_bytes(pickle.dumps(Writer(witness)))
    return source, witness


def test_without_trust_nothing_is_opened(malicious, tmp_path, worker) -> None:
    source, witness = malicious
    for error in (
        refused(build, project(source, tmp_path / "bundles")),
        refused(ingest, source, tmp_path),
        refused(ingest_any, source, tmp_path, worker),
        refused(convert_estimator, source, tmp_path, worker),
    ):
        assert (error.code, error.subject) == ("pickle_untrusted", "model.pkl")
        assert "--trust-pickle" in error.hint
    assert not witness.exists()


def test_with_trust_it_is_opened_in_another_process(malicious, tmp_path, worker) -> None:
    source, witness = malicious
    error = refused(ingest_any, source, tmp_path, worker, trust_pickle=True)
    assert (error.code, error.found) == (
        "estimator_unsupported",
        "an object of class builtins.NoneType",
    )
    assert int(witness.read_text()) != os.getpid()


@pytest.mark.parametrize("name", ["m.joblib", "m.pkl", "m.pickle", "m.PKL"])
def test_endings_of_estimators(name, tmp_path, worker) -> None:
    assert is_estimator(Path(name)) and not is_estimator(Path("m.onnx"))
    source = tmp_path / name
    source.write_bytes(pickle.dumps(Ridge().fit(ROWS, ROWS[:, 0])))
    assert ingest_any(source, tmp_path, worker, trust_pickle=True).format == "scikit-learn"


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "xz", "lzma"])
def test_compressed_files_of_joblib(method, tmp_path, worker) -> None:
    source = tmp_path / "model.joblib"
    joblib.dump(Ridge().fit(ROWS, ROWS[:, 0]), source, compress=(method, 3))
    assert ingest_any(source, tmp_path, worker, trust_pickle=True).format == "scikit-learn"


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (zipped(), "a PyTorch checkpoint"),
        (b"<!doctype html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, not the file"),
    ],
)
def test_what_is_no_pickle_by_its_bytes(content, found, tmp_path, worker) -> None:
    source = tmp_path / "model.pkl"
    source.write_bytes(content)
    error = refused(ingest_any, source, tmp_path, worker)
    assert (error.code, error.subject, error.found) == ("model_unreadable", "model.pkl", found)


def test_no_such_file(tmp_path, worker) -> None:
    error = refused(ingest_any, tmp_path / "model.joblib", tmp_path, worker, trust_pickle=True)
    assert (error.code, error.found) == ("model_unreadable", "no such file")


@pytest.mark.parametrize(
    "content", [b"hello", b"\x80\x04", b"\x80\x05\xff\xff", bytes(range(256)), b"\x1f\x8b"]
)
def test_garbage(content, tmp_path, worker) -> None:
    source = tmp_path / "model.pkl"
    source.write_bytes(content)
    error = refused(ingest_any, source, tmp_path, worker, trust_pickle=True)
    assert (error.code, error.subject) == ("model_unreadable", "model.pkl")
    assert str(tmp_path) not in str(error)


def test_truncated_files(tmp_path, worker) -> None:
    source = made.save(LogisticRegression().fit(ROWS, [0, 1] * 3), tmp_path)
    whole = source.read_bytes()
    for part in (1, 2, 3):
        source.write_bytes(whole[: len(whole) * part // 4])
        error = refused(ingest_any, source, tmp_path, worker, trust_pickle=True)
        assert (error.code, error.subject) == ("model_unreadable", "model.joblib")
        assert error.found.startswith("damaged")


def test_a_class_that_is_not_here(tmp_path, worker, monkeypatch) -> None:
    module = types.ModuleType("a_script_of_someone")
    exec("class Custom:\n    pass", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    source = tmp_path / "model.pkl"
    source.write_bytes(pickle.dumps(module.Custom()))
    error = refused(ingest_any, source, tmp_path, worker, trust_pickle=True)
    assert error.code == "model_unreadable"
    assert "a_script_of_someone" in error.found and "install" in error.hint


def test_an_end_of_the_process_is_an_error_of_the_file(tmp_path) -> None:
    class Killer:
        def __reduce__(self):
            return os._exit, (3,)

    source = tmp_path / "model.pkl"
    source.write_bytes(pickle.dumps(Killer()))
    with Worker() as child:
        assert refused(ingest_any, source, tmp_path, child, trust_pickle=True).code == "model_unreadable"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"scaler": 1, "model": 2}, "an object of class builtins.dict"),
        (np.arange(3), "an object of class numpy.ndarray"),
        (Ridge(), "not fitted"),
        (DBSCAN().fit(ROWS), "DBSCAN"),
    ],
)
def test_what_is_no_estimator_that_can_be_converted(content, found, tmp_path, worker) -> None:
    error = refused(ingest_any, made.save(content, tmp_path), tmp_path, worker, trust_pickle=True)
    assert error.code == "estimator_unsupported"
    assert found in error.found


def test_trees_that_split_by_categories_are_refused(tmp_path, worker) -> None:
    rows = np.random.default_rng(0).integers(0, 4, (200, 2)).astype(float)
    trees = HistGradientBoostingRegressor(max_iter=3, categorical_features=[0]).fit(rows, rows[:, 0] % 2)
    error = refused(ingest_any, made.save(trees, tmp_path), tmp_path, worker, trust_pickle=True)
    assert error.code == "estimator_unsupported"
    assert "categorical" in error.found and "OrdinalEncoder" in error.hint


def test_another_version_of_scikit_learn_is_told(tmp_path, worker, monkeypatch) -> None:
    monkeypatch.setattr("sklearn.base.__version__", "1.2.3")
    source = made.save(Ridge().fit(ROWS, ROWS[:, 0]), tmp_path)
    (advice,) = ingest_any(source, tmp_path, worker, trust_pickle=True).advice
    assert (advice.code, advice.subject) == ("estimator_version", "model.joblib")
    assert "1.2.3" in advice.text


@pytest.mark.parametrize("missing", ["sklearn", "skl2onnx", "joblib"])
def test_a_library_that_is_not_installed(missing, tmp_path, worker, monkeypatch) -> None:
    source = made.save(Ridge().fit(ROWS, ROWS[:, 0]), tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    error = refused(ingest_any, source, tmp_path, worker, trust_pickle=True)
    assert error.code == "extra_missing"
    assert "sklearn" in error.hint


def test_a_case_that_the_estimator_refuses(tmp_path, worker) -> None:
    source = made.save(LogisticRegression().fit(ROWS, [0, 1] * 3), tmp_path)
    model = ingest_any(source, tmp_path, worker, trust_pickle=True).model
    case = made.matrix(np.array([[np.nan, 1.0]]))
    error = refused(framework_answers, source, model, [case], worker)
    assert error.code == "source_failed"
    assert "NaN" in error.found


def test_an_onnx_model_has_no_other_framework(tmp_path, worker) -> None:
    assert framework_answers(tmp_path / "model.onnx", Model(tmp_path, "onnx"), [], worker) is None
