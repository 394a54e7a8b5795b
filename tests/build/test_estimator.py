"""Saved estimators: what is converted answers as scikit-learn does, on data that scikit-learn ships."""

import hashlib
from dataclasses import replace

import numpy as np
import onnx
import pytest
from sklearn import preprocessing
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from bundle.builder.estimator import compare_with_estimator, estimator_cases, exact
from bundle.builder.framework import compare_with_framework
from bundle.builder.gate import Reference
from bundle.builder.ingest import ingest_any, source_digest
from bundle.builder.model import Model
from bundle.builder.session import View
from bundle.builder.signature import read_signature
from bundle.builder.worker import Worker
from bundle.error import BundleError
from tests.build import estimators as made


def same(found: made.Trial) -> None:
    """Assert that the model's answers are the estimator's, label by label and within rounding."""
    names = [port.name for port in read_signature(found.model).outputs]
    assert [list(answer) for answer in found.answers] == [names] * len(found.answers)
    assert compare_with_framework(found.answers, found.reference) == []


@pytest.mark.parametrize("name", made.CLASSIFIERS)
@pytest.mark.parametrize("data", [made.WINE, made.CANCER])
def test_a_classifier_answers_as_scikit_learn_does(data, name, tmp_path, worker) -> None:
    rows, classes = made.data(data)
    estimator = made.fitted(made.CLASSIFIERS[name], rows, classes)
    # Batches of other sizes than any that the converter saw.
    cases = [made.matrix(rows[:1]), made.matrix(rows[1:])]
    found = made.trial(estimator, cases, tmp_path, worker)
    same(found)
    labels = np.concatenate([answer["label"] for answer in found.reference.outputs])
    assert np.mean(labels == classes) == estimator.score(rows, classes)
    assert labels.dtype == np.int64


@pytest.mark.parametrize("data", [made.IRIS, pytest.param(made.DIGITS, marks=pytest.mark.slow)])
def test_accuracy_on_labels_is_that_of_the_estimator(data, tmp_path, worker) -> None:
    rows, classes = made.data(data)
    for name in ("boosting", "scaled_forest", "perceptrons"):
        estimator = made.fitted(made.CLASSIFIERS[name], rows[::2], classes[::2])
        found = made.trial(estimator, [made.matrix(rows[1::2])], tmp_path, worker)
        same(found)
        label = found.reference.outputs[0]["label"]
        assert np.mean(label == classes[1::2]) == estimator.score(rows[1::2], classes[1::2])


@pytest.mark.parametrize("name", made.OTHERS)
def test_what_is_no_classifier_answers_as_scikit_learn_does(name, tmp_path, worker) -> None:
    rows, classes = made.data(made.WINE)
    estimator = made.fitted(made.OTHERS[name], rows, classes)
    same(made.trial(estimator, [made.matrix(rows[:3]), made.matrix(rows[3:])], tmp_path, worker))


def test_names_dimensions_and_operator_sets(tmp_path, worker) -> None:
    rows, classes = made.data(made.WINE)
    estimator = made.fitted(made.CLASSIFIERS["scaled_forest"], rows, classes)
    found = ingest_any(made.save(estimator, tmp_path), tmp_path, worker, trust_pickle=True)
    assert (found.format, found.advice) == ("scikit-learn", [])
    signature = read_signature(found.model)
    assert [(port.name, port.dtype, port.shape) for port in signature.inputs] == [
        ("X", "float32", ("batch", 13))
    ]
    assert [(port.name, port.dtype, port.shape) for port in signature.outputs] == [
        ("label", "int64", ("batch",)),
        ("probabilities", "float32", ("batch", 3)),
    ]
    graph = onnx.load(found.model.path)
    assert [(each.domain, each.version) for each in graph.opset_import] == [("", 18), ("ai.onnx.ml", 3)]
    # Neither a ZipMap, nor a scaler: that went into the thresholds.
    assert not {node.op_type for node in graph.graph.node} & {"ZipMap", "Scaler", "Sub", "Div"}
    assert found.decisions == {"label": "equal", "probabilities": "argmax"}
    assert found.labels == {"probabilities": ("0", "1", "2")}


@pytest.mark.parametrize("kind", ["logistic", "forest"])
def test_classes_of_words_stay_words(kind, tmp_path, worker) -> None:
    rows, classes = made.data(made.IRIS)
    words = np.array(["setosa", "versicolor", "\u00fcbrige"])[classes]
    estimator = made.fitted(made.CLASSIFIERS[kind.replace("forest", "scaled_forest")], rows, words)
    found = made.trial(estimator, [made.matrix(rows)], tmp_path, worker)
    same(found)
    assert found.reference.outputs[0]["label"].tolist() == estimator.predict(rows).tolist()


@pytest.mark.parametrize("name", ["nested", "linear_svc", "ridge", "descent"])
def test_of_two_classes_there_is_one_score(name, tmp_path, worker) -> None:
    rows, classes = made.data(made.CANCER)
    estimator = made.fitted(made.CLASSIFIERS[name], rows, classes)
    found = made.trial(estimator, [made.matrix(rows)], tmp_path, worker)
    scores = found.reference.outputs[0]["scores"]
    expected = estimator.decision_function(rows.astype(np.float32).astype(np.float64))
    assert scores.shape == (len(rows), 1)
    assert np.array_equal(scores[:, 0] > 0, expected > 0)


def test_what_outputs_mean(tmp_path, worker) -> None:
    rows, classes = made.data(made.CANCER)
    words = np.array(["malignant", "benign"])[classes]
    meaning = {}
    for name in ("nested", "logistic"):
        source = made.save(made.fitted(made.CLASSIFIERS[name], rows, words), tmp_path)
        found = ingest_any(source, tmp_path, worker, trust_pickle=True)
        meaning[name] = found.decisions, found.labels
    assert meaning["nested"] == ({"label": "equal", "scores": "none"}, {})
    assert meaning["logistic"][1] == {"probabilities": ("benign", "malignant")}
    source = made.save(made.fitted(made.OTHERS["clusters"], rows, classes), tmp_path)
    found = ingest_any(source, tmp_path, worker, trust_pickle=True)
    assert found.decisions == {"label": "equal", "scores": "none"}


@pytest.mark.parametrize("scaler", ["StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler"])
def test_thresholds_take_a_scaler_in(scaler, tmp_path, worker) -> None:
    rows, classes = made.data(made.IRIS)
    for trees in (
        HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2, random_state=0),
        GradientBoostingClassifier(n_estimators=5, random_state=0),
        ExtraTreesClassifier(9, random_state=0),
    ):
        steps = make_pipeline(MinMaxScaler((-3, 5)), getattr(preprocessing, scaler)(), trees)
        estimator = made.fitted(lambda steps=steps: steps, rows, classes)
        found = made.trial(estimator, [made.matrix(rows)], tmp_path, worker)
        same(found)
        assert np.array_equal(found.reference.outputs[0]["label"], estimator.predict(rows))


@pytest.mark.parametrize("count", [6, 20, 100])
def test_a_tie_of_an_even_forest_is_the_first_class(count, tmp_path, worker) -> None:
    rows, classes = made.data(made.CANCER)
    forest = RandomForestClassifier(count, random_state=0).fit(rows[::2], classes[::2])
    found = made.trial(forest, [made.matrix(rows)], tmp_path, worker)
    same(found)
    assert np.array_equal(found.reference.outputs[0]["label"], forest.predict(rows))


def test_what_boosting_starts_from_takes_scaled_values(tmp_path, worker) -> None:
    rows, classes = made.data(made.CANCER)
    boosting = GradientBoostingRegressor(n_estimators=3, init=Ridge(), random_state=0)
    estimator = made.fitted(lambda: make_pipeline(StandardScaler(), boosting), rows, classes)
    with pytest.raises(BundleError) as caught:
        made.trial(estimator, [made.matrix(rows)], tmp_path, worker)
    # The converter cannot do it; what counts is that no scaler was lost on the way.
    assert (caught.value.code, "init" in caught.value.found) == ("estimator_unsupported", True)


def test_a_table_has_one_input_for_each_column_that_counts(tmp_path, worker) -> None:
    found = made.trial(made.table_classifier(), made.table_cases(), tmp_path, worker)
    same(found)
    assert [(port.name, port.dtype, port.shape) for port in read_signature(found.model).inputs] == [
        ("age (years)", "float32", ("batch", 1)),
        ("town", "string", ("batch", 1)),
        ("label_input", "string", ("batch", 1)),
        ("rooms", "float32", ("batch", 1)),
    ]
    assert set(found.reference.outputs[1]["label"]) == {"yes", "no"}


def test_a_word_never_seen_is_no_category(tmp_path, worker) -> None:
    case = {name: rows[:1].copy() for name, rows in made.table_cases()[0].items()}
    case["town"][0, 0] = "Rom"
    same(made.trial(made.table_classifier(), [case], tmp_path, worker))


def test_texts_need_no_locale_of_the_machine(tmp_path, worker) -> None:
    texts = ["A CAT, a cat", "b dogs_bark", "", "loud-dogs sat 3 x 42", "stra\u00dfe c\u00e4t"]
    cases = [{"X": np.array([[text]], object)} for text in texts]
    found = made.trial(made.text_classifier(), cases, tmp_path, worker)
    same(found)
    advice = ingest_any(found.source, tmp_path, worker, trust_pickle=True).advice
    assert [each.code for each in advice] == ["text_lowered_ascii"]


def test_a_value_beside_a_threshold_goes_where_scikit_learn_sends_it(tmp_path, worker) -> None:
    rows, classes = made.data(made.CANCER)
    estimator = made.fitted(made.CLASSIFIERS["boosting"], rows, classes)
    nodes = np.concatenate([tree.nodes for trees in estimator._predictors for tree in trees])
    cases = []
    for node in nodes[nodes["is_leaf"] == 0]:
        near = np.float32(node["num_threshold"])
        for value in (np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))):
            row = rows[:1].astype(np.float32)
            row[0, node["feature_idx"]] = value
            cases.append(made.matrix(row))
    same(made.trial(estimator, [{"X": np.concatenate([case["X"] for case in cases])}], tmp_path, worker))


def test_a_scaler_before_trees_needs_float64(tmp_path, worker, monkeypatch) -> None:
    estimator, rows = made.steep_tree()
    same(made.trial(estimator, [made.matrix(rows)], tmp_path, worker))
    monkeypatch.setattr(exact, "fold_scalers", lambda _: None)
    monkeypatch.setattr(exact, "in_float64", lambda each: each)
    monkeypatch.setattr(Worker, "call", lambda _, job, *args, **kwargs: job(*args, **kwargs))
    found = made.trial(estimator, [made.matrix(rows)], tmp_path, worker)
    with pytest.raises(BundleError) as caught:
        compare_with_framework(found.answers, found.reference)
    assert (caught.value.code, caught.value.subject) == ("golden_mismatch", "outputs/label")


def test_what_converts_to_another_model_is_refused(tmp_path, worker) -> None:
    # Of two classes the converter takes the score twice; scikit-learn takes it once.
    rows, classes = made.data(made.CANCER)
    estimator = made.fitted(LinearDiscriminantAnalysis, rows, classes)
    source = made.save(estimator, tmp_path)
    for cases in ([made.matrix(rows)], estimator_cases(source, worker)):
        found = made.trial(estimator, cases, tmp_path, worker)
        with pytest.raises(BundleError) as caught:
            compare_with_estimator(source, found.model, found.reference, worker)
        assert (caught.value.code, caught.value.subject) == ("golden_mismatch", "outputs/probabilities")
        assert "estimator" in caught.value.expected and "skl2onnx" in caught.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("name", ["voting_soft", "perceptrons", "boosting"])
def test_the_same_file_gives_the_same_bytes(name, tmp_path) -> None:
    rows, classes = made.data(made.IRIS)
    source = made.save(made.fitted(made.CLASSIFIERS[name], rows, classes), tmp_path)
    digests = set()
    for _ in range(2):
        with Worker() as child:
            path = ingest_any(source, tmp_path, child, trust_pickle=True).model.path
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_digest_of_the_source_is_that_of_the_pickle(tmp_path) -> None:
    source = tmp_path / "model.pkl"
    source.write_bytes(b"\x80\x04never opened")
    assert source_digest(source) == hashlib.sha256(source.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["forest", "boosting", "neighbors", "logistic"])
def test_made_up_cases_lie_where_the_estimator_decides(name, tmp_path, worker) -> None:
    rows, classes = made.data(made.WINE)
    estimator = made.fitted(made.CLASSIFIERS[name], rows, classes)
    source = made.save(estimator, tmp_path)
    cases = estimator_cases(source, worker, seed=3, count=32)
    again = estimator_cases(source, worker, seed=3, count=32)
    assert all(np.array_equal(one["X"], two["X"]) for one, two in zip(cases, again, strict=True))
    assert len({str(estimator.predict(case["X"])) for case in cases}) > 1
    same(made.trial(estimator, cases, tmp_path, worker))


def test_made_up_cases_of_words_are_words_that_the_estimator_knows(tmp_path, worker) -> None:
    cases = estimator_cases(made.save(made.table_classifier(), tmp_path), worker)
    towns = {case["town"][0, 0] for case in cases}
    assert towns <= set(made.houses()["town"]) and len(towns) > 1
    cases = estimator_cases(made.save(made.text_classifier(), tmp_path), worker)
    assert {word for case in cases for word in case["X"][0, 0].split()} & {"cat", "dogs", "bark"}


def test_what_is_no_estimator_is_not_asked(tmp_path, worker) -> None:
    source = tmp_path / "model.onnx"
    assert estimator_cases(source, worker) is None
    reference = Reference(View((), ()), [], (), ())
    assert compare_with_estimator(source, Model(source, "onnx"), reference, worker) == []


def test_what_is_off_by_more_than_rounding_is_told(tmp_path, worker) -> None:
    rows, classes = made.data(made.WINE)
    found = made.trial(made.fitted(Ridge, rows, classes), [made.matrix(rows)], tmp_path, worker)
    outputs = ({"variable": found.reference.outputs[0]["variable"] * np.float32(1.001)},)
    reference = replace(found.reference, outputs=outputs)
    (advice,) = compare_with_estimator(found.source, found.model, reference, worker)
    assert advice.code == "golden_differs"
    assert advice.text.startswith("`variable` is not quite what the estimator itself answers: 1 of 1 cases")
