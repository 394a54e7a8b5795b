"""Misuse: every runtime refuses with the code and subject that the Python predictor gives."""

import importlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundle
from bundle.error import BundleError
from bundle.predictor import Predictor
from bundle.runtimes import NATIVE
from tests.runtime.make_bundle import Maker, one_node
from tests.runtime.test_predictor import grid
from tests.vectors.kit import Bundle, answer, build, given
from tests.vectors.model import node


def mixed() -> Bundle:
    """Float, bool and text inputs, each given back."""
    return build(
        [given("f", "float32", ["n", 3]), given("b", "bool", ["n"]), given("s", "string", ["n"])],
        [answer("y", "float32", ["n", 3]), answer("c", "bool", ["n"]), answer("t", "string", ["n"])],
        [node("Neg", "f", "y"), node("Not", "b", "c"), node("Identity", "s", "t")],
        lambda inputs: inputs,
    )


GOOD: dict[str, Any] = {
    "f": grid(2, 3),
    "b": np.array([True, False]),
    "s": np.array(["a", "b"], object),
}
NAN = np.array([[1, np.nan, 3]] * 2, np.float32)
BAD_TEXT = np.array(["a", b"\xff"], object)
HUGE = np.broadcast_to(np.float32(1), (10**12, 7))

# One wrong thing each, then two: the first by the checks of the format decides.
WRONG: dict[str, dict[str, Any]] = {
    "a list": {"f": [[1.0, 2.0, 3.0]]},
    "none": {"f": None},
    "text for numbers": {"f": "abc"},
    "big-endian": {"f": grid(2, 3).astype(">f4")},
    "float64": {"f": grid(2, 3).astype(np.float64)},
    "complex": {"f": grid(2, 3).astype(np.complex64)},
    "dates": {"f": np.zeros((2, 3), "datetime64[s]")},
    "records": {"f": np.zeros((2, 3), [("a", "f4")])},
    "masked": {"f": np.ma.masked_array(grid(2, 3))},
    "objects": {"f": np.array([[1, 2, 3]] * 2, object)},
    "numbers for text": {"s": np.array([1, 2])},
    "objects that are no text": {"s": np.array(["a", 1], object)},
    "bytes that are no text": {"s": BAD_TEXT},
    "half a surrogate pair": {"s": np.array(["a", "\ud800"], object)},
    "a zero byte in text": {"s": np.array(["a", "x\0y"], object)},
    "bytes for bool": {"b": np.array([0, 1], np.uint8)},
    "a bool byte of two": {"b": np.array([0, 2], np.uint8).view(np.bool_)},
    "no axis": {"f": np.float32(1)},
    "an axis more": {"f": grid(2, 3, 1)},
    "another size": {"f": grid(2, 4)},
    "nothing": {"f": grid(0, 3), "b": np.zeros(0, bool), "s": np.zeros(0, object)},
    "two sizes of one name": {"b": np.array([True] * 3)},
    "not a number": {"f": NAN},
    "larger than memory": {"f": HUGE},
    "unknown": {"g": 1},
    "unknown and a list": {"g": 1, "f": [1.0]},
    "two unknown": {"\u00fc": 1, "A": 2},
    "no name": {1: grid(1)},
    "a list after another size": {"f": grid(2, 4), "b": [True]},
    "another size after a list": {"f": [1.0], "b": np.array([True] * 3)},
    "bad text before no number": {"f": NAN, "s": BAD_TEXT},
    "bad text and a wrong type": {"s": BAD_TEXT, "f": [1.0]},
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    from tests.runtime.make_bundle import write

    folder = write(mixed(), tmp_path_factory.mktemp("mixed") / "bundle")
    return {name: bundle.open(folder, runtime=name) for name in ("python", *NATIVE)}


def refusal(work: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(BundleError) as caught:
        work()
    return caught.value.code, caught.value.subject


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_inputs_are_refused_as_python_refuses_them(
    kind: str, runtime: str, pairs: dict[str, Predictor]
) -> None:
    inputs = {**GOOD, **WRONG[kind]}
    expected = refusal(lambda: pairs["python"].predict(inputs))
    native = pairs[runtime]
    assert refusal(lambda: native.predict(inputs)) == expected
    assert refusal(lambda: native.predict_into(inputs, {})) == expected
    assert refusal(lambda: native.bind(inputs, {})) == expected
    assert native.predict(GOOD)["t"].tolist() == ["a", "b"]


@pytest.mark.parametrize("given", [[1.0], grid(2, 3), None, {}, {"f": grid(2, 3)}])
def test_inputs_that_are_not_there(given: Any, runtime: str, pairs: dict[str, Predictor]) -> None:
    expected = refusal(lambda: pairs["python"].predict(given))
    assert refusal(lambda: pairs[runtime].predict(given)) == expected


def read_only() -> np.ndarray:
    array = grid(2, 3)
    array.flags.writeable = False
    return array


BUFFERS: dict[str, dict[str, Any]] = {
    "a list": {"y": [[0.0]]},
    "read-only": {"y": read_only()},
    "turned": {"y": grid(3, 2).T},
    "float64": {"y": np.zeros((2, 3))},
    "big-endian": {"y": np.zeros((2, 3), ">f4")},
    "another shape": {"y": grid(3, 3)},
    "an axis less": {"y": grid(3)},
    "text": {"t": np.array(["a", "b"], object)},
    "unknown": {"w": grid(2, 3)},
    "unknown and read-only": {"w": grid(2, 3), "y": read_only()},
    "no name": {7: grid(2, 3)},
    "two wrong ones": {"c": np.zeros(5, bool), "y": grid(3)},
}


@pytest.mark.parametrize("kind", BUFFERS)
def test_wrong_buffers_are_refused_as_python_refuses_them(
    kind: str, runtime: str, pairs: dict[str, Predictor]
) -> None:
    python, native, outputs = pairs["python"], pairs[runtime], BUFFERS[kind]
    expected = refusal(lambda: python.predict_into(GOOD, outputs))
    assert refusal(lambda: native.predict_into(GOOD, outputs)) == expected
    assert refusal(lambda: python.bind(GOOD, outputs)) == expected
    assert refusal(lambda: native.bind(GOOD, outputs)) == expected


def test_buffers_must_not_overlap(runtime: str, place: Maker) -> None:
    from tests.runtimes.test_runtimes import two_outputs

    room = np.zeros((3, 3), np.float32)
    with bundle.open(place(two_outputs()), runtime=runtime) as predictor:
        outputs = {"z": room[:2], "a": room[1:]}
        work = lambda: predictor.predict_into(grid(2, 3), outputs)  # noqa: E731
        assert refusal(work) == ("buffer_unsuitable", "a")


def test_a_bound_input_has_to_be_the_callers_own_memory(runtime: str, pairs: dict[str, Predictor]) -> None:
    inputs = {**GOOD, "f": np.asfortranarray(grid(2, 3))}
    assert refusal(lambda: pairs[runtime].bind(inputs, {})) == ("buffer_unsuitable", "f")
    # What is wrong with the values or the names of outputs comes first.
    assert refusal(lambda: pairs[runtime].bind({**inputs, "s": BAD_TEXT}, {})) == ("input_value", "s")
    assert refusal(lambda: pairs[runtime].bind(inputs, {"w": grid(1)})) == ("output_unknown", "w")


@pytest.mark.parametrize("size", [0, -1, True, 2.0, "2", 2**63, 2**64, -(2**70)])
def test_a_piece_has_a_whole_number_of_rows(runtime: str, place: Maker, size: object) -> None:
    made = one_node("Neg")
    made.tree["batch"] = {"symbol": "batch"}
    with bundle.open(place(made), runtime=runtime) as predictor:
        work = lambda: predictor.predict_batch(grid(2, 3), size)  # type: ignore[arg-type]  # noqa: E731
        assert refusal(work) == ("batch_size_invalid", ".")
        assert predictor.predict_batch(grid(2, 3), 2**63 - 1)["y"].shape == (2, 3)


OPTIONS: dict[str, dict[str, Any]] = {
    "unknown": {"colour": 1},
    "no number": {"intra_op_threads": "two"},
    "a float": {"intra_op_threads": 1.0},
    "a number of numpy": {"intra_op_threads": np.int64(1)},
    "an object": {"intra_op_threads": object()},
    "not a number": {"intra_op_threads": float("nan")},
    "too large": {"intra_op_threads": 10**30},
    "no value": {"format": None},
    "no flag": {"mapped": 1},
    "no such input": {"finite": ["x"]},
    "a key of no text": {"config": {1: "a"}},
    "a key that is not allowed": {"config": {"session.x": "a"}},
    "no providers": {"providers": []},
    "a provider of no name": {"providers": [1]},
    "a misspelt provider": {"providers": ["CPU"]},
    "an unknown variant": {"variant": "int8"},
    "a variant of half a pair": {"variant": "\ud800"},
    "a digest of no digits": {"digest": "abc"},
    "another digest": {"digest": "0" * 64},
    "a mode": {"mode": "slow"},
    "a wrong cast": {"cast": 1},
    "two": {"mapped": 1, "format": "zip"},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_wrong_options_are_refused_as_python_refuses_them(kind: str, runtime: str, place: Maker) -> None:
    folder = place(mixed())
    expected = refusal(lambda: bundle.open(folder, **OPTIONS[kind]))
    found = refusal(lambda: bundle.open(folder, runtime=runtime, **OPTIONS[kind]))
    assert found[0] == expected[0]
    assert found[1] == expected[1].encode("utf-8", "replace").decode()


def test_options_that_say_nothing_are_fine(runtime: str, place: Maker) -> None:
    with bundle.open(place(mixed()), None, runtime=runtime, digest=None, finite=set()) as predictor:
        assert predictor.variant == "source"


@pytest.mark.parametrize("path", ["nowhere", "a\0b", "\ud800", "/dev/null", b"nowhere"])
def test_paths_that_are_no_bundle(path: Any, runtime: str) -> None:
    assert refusal(lambda: bundle.open(path, runtime=runtime)) == ("bundle_not_found", ".")


def test_a_folder_whose_name_is_no_text_opens(runtime: str, place: Maker, tmp_path: Path) -> None:
    folder = tmp_path / "b\udcff\u00fc"
    place(mixed()).rename(folder)
    with bundle.open(folder, runtime=runtime) as predictor:
        assert predictor.manifest.name


def test_an_error_says_all_that_the_native_one_says(runtime: str, pairs: dict[str, Predictor]) -> None:
    with pytest.raises(BundleError) as caught:
        pairs[runtime].predict({**GOOD, "b": np.array([True] * 3)})
    error = caught.value
    assert error.expected and error.found and str(error).startswith("input_symbol_conflict: `b`: expected ")
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.expected, again.found) == (error.code, error.expected, error.found)


def test_a_predictor_that_is_closed_answers_nothing(runtime: str, place: Maker) -> None:
    predictor = bundle.open(place(mixed()), runtime=runtime)
    predictor.close()
    closed = ("predictor_closed", ".")
    for inputs in (GOOD, {}, {"f": [1.0]}, None):
        assert refusal(lambda given=inputs: predictor.predict(given)) == closed
        assert refusal(lambda given=inputs: predictor.predict_into(given, {})) == closed
        assert refusal(lambda given=inputs: predictor.bind(given, {})) == closed
        assert refusal(lambda given=inputs: predictor.predict_batch(given, 1)) == closed


def test_a_predictor_that_is_closed_proves_nothing(runtime: str, root: Path) -> None:
    folder = root / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"
    predictor = bundle.open(folder, runtime=runtime)
    predictor.close()
    assert refusal(predictor.self_test) == ("predictor_closed", ".")


def test_a_binding_that_is_not_built_says_how_to_build_it(
    runtime: str, place: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place(mixed())
    adapter = importlib.import_module(f"bundle.runtimes.{runtime}")
    if runtime == "go":
        monkeypatch.setattr(adapter, "__file__", str(folder / "go.py"))
        adapter._binding.cache_clear()
    monkeypatch.setitem(sys.modules, f"bundle.runtimes._{runtime}", None)
    monkeypatch.delattr(f"bundle.runtimes._{runtime}", raising=False)
    try:
        with pytest.raises(BundleError) as caught:
            bundle.open(folder, runtime=runtime)
    finally:
        if runtime == "go":
            adapter._binding.cache_clear()
    assert (caught.value.code, caught.value.subject) == ("runtime_missing", runtime)
    assert "make native" in caught.value.hint


@pytest.mark.parametrize("level", ["disabled", "basic", "extended", "all"])
def test_a_model_that_contradicts_itself(runtime: str, place: Maker, level: str) -> None:
    """How soon ONNX Runtime notices a false shape depends on how far it optimizes, and on the CPU."""
    kernel = np.ones((1, 1, 2, 2), np.float32)
    made = build(
        [given("image", "float32", ["batch", 1, 5, 5])],
        [answer("pooled", "float32", ["batch", 1, 2, 2])],
        [
            node("Conv", "image kernel", "sums", kernel_shape=[2, 2]),
            node("MaxPool", "sums", "pooled", kernel_shape=[2, 2], strides=[3, 2]),
        ],
        lambda inputs: inputs,
        {"kernel": kernel},
    )
    path, image = place(made), grid(1, 1, 5, 5)

    def told(language: str) -> tuple[str, str, str]:
        at = "open"
        try:
            with bundle.open(path, runtime=language, graph_optimization_level=level) as opened:
                at = "predict"
                opened.predict(image)
        except BundleError as error:
            return at, error.code, error.subject
        raise AssertionError("no answer has the promised shape")

    assert told(runtime) == told("python")
