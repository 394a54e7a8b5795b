"""What the Go predictor in this process does with memory: results in place, panics, handles."""

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundle
from bundle.error import BundleError
from bundle.runtimes import go
from tests.runtime.make_bundle import Maker, mlp, one_node
from tests.vectors.kit import answer, build, given
from tests.vectors.model import node


@pytest.fixture
def folder(place: Maker) -> Path:
    """A bundle that negates."""
    return place(one_node("Neg"))


def handle_of(folder: Path) -> Any:
    """What the adapter made of an open predictor."""
    predictor: Any = bundle.open(folder, runtime="go")
    return predictor._native


@pytest.mark.parametrize("handle", [0, 2**40])
def test_a_panic_is_an_error_and_the_predictor_lives_on(folder: Path, handle: int) -> None:
    native = handle_of(folder)
    x = np.ones((1, 3), np.float32)
    right, native._handle = native._handle, handle
    for call in (native.self_test, native.close, lambda: native.predict({"x": x})):
        with pytest.raises(BundleError, match="Handle") as caught:
            call()
        assert (caught.value.code, caught.value.subject) == ("internal_error", ".")
    native._handle = right
    np.testing.assert_array_equal(native.predict({"x": x})["y"], -x)


def test_a_fault_of_memory_in_go_is_an_error(folder: Path) -> None:
    native = handle_of(folder)
    frame = native._frame({"x": np.ones((1, 3), np.float32)})
    frame.offer()
    frame.inputs[0].shape = native._binding.ffi.cast("int64_t *", 8)
    functions = native._functions
    fault = functions.edgebundle_go_predict(native._handle, frame.inputs, 1, frame.outputs, 1, frame.rest)
    error = native._binding.failed(fault)
    assert error.code == "internal_error" and "memory" in error.found
    assert native.predict({"x": np.ones((1, 3), np.float32)})["y"].sum() == -3


def test_a_handle_of_another_kind_is_an_error(folder: Path) -> None:
    native = handle_of(folder)
    x, y = np.ones((4, 3), np.float32), np.ones((4, 3), np.float32)
    call: Any = native.bind({"x": x}, {"y": y})
    right, call._handle = call._handle, native._handle
    with pytest.raises(BundleError) as caught:
        call.run()
    assert caught.value.code == "internal_error"
    call._handle = right
    call.run()
    np.testing.assert_array_equal(y, -x)


def test_a_bound_call_outlives_its_predictor_and_buffers_in_callers_hands(folder: Path) -> None:
    x, y = np.full((4, 3), 2, np.float32), np.empty((4, 3), np.float32)
    call = bundle.open(folder, runtime="go").bind({"x": x}, {"y": y})
    expected = -x
    del x
    gc.collect()
    call.run()
    np.testing.assert_array_equal(y, expected)


def test_what_is_dropped_is_let_go(folder: Path) -> None:
    binding = go._binding()
    native = handle_of(folder)
    call: Any = native.bind({"x": np.ones((4, 3), np.float32)}, {})
    handles = [native._handle, call._handle]
    del native, call
    gc.collect()
    for handle, function in zip(handles, ["close", "run"], strict=True):
        fault = getattr(binding.functions, f"edgebundle_go_{function}")(handle)
        assert binding.failed(fault).code == "internal_error"


def test_results_are_written_to_their_arrays(folder: Path) -> None:
    native = handle_of(folder)
    frame = native._frame({"x": np.ones((5, 3), np.float32)})
    offered = frame.offer()["y"]
    before = offered.ctypes.data
    functions = native._functions
    fault = functions.edgebundle_go_predict(native._handle, frame.inputs, 1, frame.outputs, 1, frame.rest)
    assert not fault and frame.rest[0] == 0 and frame.outputs[0].written
    assert offered.ctypes.data == before and (offered == -1).all()


def test_sizes_that_only_the_model_knows_and_text_come_in_new_arrays(place: Maker) -> None:
    x = np.array([0, 3, 0, 5, 7], np.float32)
    folder = place(one_node("NonZero", "float32", ("length",), ("axes", "found"), "int64"))
    with bundle.open(folder, runtime="go") as predictor:
        for _ in range(2):
            found = predictor.predict({"x": x})["y"]
            np.testing.assert_array_equal(found, [[1, 3, 4]])
            assert found.flags.owndata and found.flags.writeable
    words = np.array([["", "é", "a\nb"], ["文", "x" * 5000, " "]], object)
    with bundle.open(place(one_node("Identity", "string", ("rows", 3))), runtime="go") as predictor:
        assert predictor.predict({"x": words})["y"].tolist() == words.tolist()
        batch = predictor.predict({"x": words[:1]})["y"]
        assert (batch.dtype, batch.shape) == (np.dtype(object), (1, 3))


def test_an_output_that_no_memory_holds_is_an_error(place: Maker) -> None:
    made = build(
        [given("x", "int64", [4])],
        [answer("y", "float32", ["a", "b", "c", "d"])],
        [node("ConstantOfShape", "x", "y")],
        lambda inputs: inputs,
    )
    with bundle.open(place(made), runtime="go") as predictor:
        with pytest.raises(BundleError) as caught:
            predictor.predict({"x": np.full(4, 2**14, np.int64)})
        assert caught.value.code == "runtime_failure"
        assert predictor.predict({"x": np.full(4, 2, np.int64)})["y"].shape == (2, 2, 2, 2)


@pytest.mark.parametrize("size", [1, 3, 4, 7, 100, None])
def test_pieces_of_a_batch_are_those_of_python(place: Maker, size: int | None) -> None:
    folder = place(mlp())
    x = np.random.default_rng(0).standard_normal((21, 64)).astype(np.float32)
    seen: list[tuple[int, int]] = []
    with bundle.open(folder) as python, bundle.open(folder, runtime="go") as native:

        def progress(done: int, rows: int) -> None:
            seen.append((done, rows))
            native.predict({"x": x[:1]})

        y = native.predict_batch(x, size, progress)["y"]
        assert y.tobytes() == python.predict_batch(x, size)["y"].tobytes() and y.flags.owndata
    step = size or 21
    assert seen == [(min(start + step, 21), 21) for start in range(0, 21, step)]


def test_threads_with_other_shapes_get_their_own_answers(folder: Path) -> None:
    failures: list[str] = []
    with bundle.open(folder, runtime="go") as predictor:

        def work(rows: int) -> None:
            for turn in range(300):
                x = np.full((rows + turn % 2, 3), rows * 1000 + turn, np.float32)
                if not np.array_equal(predictor.predict({"x": x})["y"], -x):
                    failures.append(f"{rows} rows, turn {turn}")

        threads = [threading.Thread(target=work, args=(rows,)) for rows in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
