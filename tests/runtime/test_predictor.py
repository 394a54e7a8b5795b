"""Opening, predicting, closing, and doing so from many threads."""

import os
import pickle
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest

import bundle
from bundle import BundleError
from bundle.bundle import Bundle
from tests.runtime.make_bundle import Maker, mlp, one_node, slow
from tests.vectors.bases import fixed_batch, mixed, mixed_inputs, not_invariant, scale
from tests.vectors.kit import answer, build, given, grid
from tests.vectors.model import node


def code(error: pytest.ExceptionInfo[BundleError]) -> tuple[str, str]:
    return error.value.code, error.value.subject


def test_what_a_predictor_says_of_itself(place: Maker) -> None:
    with bundle.open(place(scale())) as predictor:
        assert [(port.name, port.dtype, port.shape) for port in predictor.inputs] == [
            ("x", "float32", ("batch", 3))
        ]
        assert [port.name for port in predictor.outputs] == ["y"]
        assert (predictor.variant, predictor.format) == ("source", "onnx")
        assert "no .ort" in predictor.reason
        assert predictor.providers == ("CPUExecutionProvider",)
        assert predictor.options["intra_op_threads"] == 1
        assert "vector 1.0.0" in repr(predictor)
    assert "closed" in repr(predictor)


def test_one_array_is_the_input_of_a_model_with_one_input(place: Maker) -> None:
    x = grid(2, 3)
    with bundle.open(place(scale())) as predictor:
        np.testing.assert_array_equal(predictor.predict(x)["y"], predictor.predict({"x": x})["y"])
    with bundle.open(place(mixed())) as predictor, pytest.raises(BundleError) as error:
        predictor.predict(x)
    assert code(error) == ("input_missing", "other")


def test_the_bundle_opens_a_predictor_too(place: Maker) -> None:
    with Bundle.open(place(scale())).predictor() as predictor:
        assert predictor.predict(grid(1, 3))["y"].shape == (1, 3)


def test_outputs_are_the_callers_own(place: Maker) -> None:
    made = build(
        [given("x", "float32", [3])],
        [answer("same", "float32", [3]), answer("constant", "float32", [3])],
        [node("Identity", "x", "same"), node("Identity", "c", "constant")],
        lambda inputs: inputs,
        {"c": grid(3)},
    )
    x = grid(3)
    with bundle.open(place(made)) as predictor:
        first = predictor.predict(x)
        for array in first.values():
            array[...] = 99
        np.testing.assert_array_equal(x, grid(3))
        again = predictor.predict(x)
    np.testing.assert_array_equal(again["same"], grid(3))
    np.testing.assert_array_equal(again["constant"], grid(3))


def test_eight_threads_get_the_bytes_that_one_gets(place: Maker) -> None:
    random = np.random.default_rng(1)
    rows = [random.standard_normal((1 + index % 5, 64)).astype(np.float32) for index in range(200)]
    with bundle.open(place(mlp())) as predictor:
        alone = [predictor.predict(x)["y"].tobytes() for x in rows]
        with ThreadPoolExecutor(8) as pool:
            runs = list(pool.map(lambda _: [predictor.predict(x)["y"].tobytes() for x in rows], range(8)))
    assert all(run == alone for run in runs)


def test_close_waits_for_the_calls_in_flight(place: Maker) -> None:
    predictor = bundle.open(place(slow()))
    x = np.ones((256, 1024), np.float32)
    started = threading.Event()
    results: list[object] = []

    def call() -> None:
        started.set()
        results.append(predictor.predict(x)["y"].sum())

    thread = threading.Thread(target=call)
    thread.start()
    started.wait()
    while not predictor._gate.flight and thread.is_alive():
        time.sleep(0)
    assert predictor._gate.flight, "the call was over before it could be waited for"
    predictor.close()
    assert not predictor._gate.flight
    thread.join()
    assert results == [x.sum()]
    predictor.close()
    with pytest.raises(BundleError) as error:
        predictor.predict(x)
    assert code(error) == ("predictor_closed", ".")


def test_a_forked_child_is_refused(place: Maker) -> None:
    predictor = bundle.open(place(scale()), intra_op_threads=2)
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork beside other threads, which is what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        status = 1
        try:
            predictor.predict(grid(1, 3))
        except BundleError as error:
            predictor.close()
            status = 0 if error.code == "process_forked" else 2
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert predictor.predict(grid(1, 3))["y"].shape == (1, 3)


def test_a_predictor_does_not_cross_to_another_process(place: Maker) -> None:
    with bundle.open(place(scale())) as predictor, pytest.raises(TypeError, match="other process"):
        pickle.dumps(predictor)


def test_after_an_error_the_predictor_answers_as_before(place: Maker) -> None:
    inputs = {
        name: value.astype(object) if value.dtype.kind in "TU" else value
        for name, value in mixed_inputs().items()
    }
    with bundle.open(place(mixed())) as predictor:
        before = predictor.predict(inputs)
        for index, expected in (
            (np.array([0, 9]), "runtime_failure"),
            (np.array([0]), "input_symbol_conflict"),
        ):
            with pytest.raises(BundleError) as error:
                predictor.predict({**inputs, "index": index})
            assert error.value.code == expected
        after = predictor.predict(inputs)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_a_model_that_is_garbage_leaves_stdout_clean(place: Maker, capfd: pytest.CaptureFixture[str]) -> None:
    made = scale()
    made.files["models/source.onnx"] = b"\xff\xfe no model"
    with pytest.raises(BundleError) as error:
        bundle.open(place(made))
    assert code(error) == ("model_rejected", "models/source.onnx")
    assert capfd.readouterr().out == ""


def test_pieces_join_where_the_symbol_stands(place: Maker) -> None:
    made = build(
        [given("x", "float32", ["t", "batch", 2]), given("shift", "float32", [2])],
        [answer("y", "float32", ["t", "batch", 2]), answer("turned", "float32", ["batch", 2, "t"])],
        [node("Add", "x shift", "y"), node("Transpose", "x", "turned", perm=[1, 2, 0])],
        lambda inputs: inputs,
    )
    made.tree["batch"] = {"symbol": "batch"}
    inputs = {"x": grid(3, 7, 2), "shift": grid(2)}
    with bundle.open(place(made)) as predictor:
        whole = predictor.predict(inputs)
        joined = predictor.predict_batch(inputs, 3)
    for name, value in whole.items():
        np.testing.assert_array_equal(joined[name], value)


def test_a_fixed_batch_takes_multiples(place: Maker) -> None:
    with bundle.open(place(fixed_batch())) as predictor:
        assert predictor.predict_batch(grid(6, 3))["y"].shape == (6, 3)
        for rows in (0, 3):
            with pytest.raises(BundleError) as error:
                predictor.predict_batch(grid(rows, 3))
            assert code(error) == ("input_shape_mismatch", "x")


def test_rows_that_depend_on_each_other_need_a_size(place: Maker) -> None:
    x = grid(5, 3)
    with bundle.open(place(not_invariant())) as predictor:
        joined = predictor.predict_batch(x, 2)["y"]
        pieces = [predictor.predict(x[start : start + 2])["y"] for start in (0, 2, 4)]
    np.testing.assert_array_equal(joined, np.concatenate(pieces))


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "2"])
def test_a_piece_has_a_whole_number_of_rows(place: Maker, size: object) -> None:
    with bundle.open(place(scale())) as predictor, pytest.raises(BundleError) as error:
        predictor.predict_batch(grid(4, 3), size)  # type: ignore[arg-type]
    assert code(error) == ("batch_size_invalid", ".")


def test_progress_counts_rows(place: Maker) -> None:
    seen = []
    with bundle.open(place(scale())) as predictor:
        predictor.predict_batch(grid(5, 3), 2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_a_cancelled_batch_says_so(place: Maker) -> None:
    with bundle.open(place(scale())) as predictor:
        with pytest.raises(BundleError) as error:
            predictor.predict_batch(grid(5, 3), 2, progress=lambda done, _: done < 4)
        assert code(error) == ("predict_cancelled", ".")
        assert predictor.predict_batch(grid(5, 3), 2)["y"].shape == (5, 3)


def test_pieces_of_other_shapes_are_not_joined(place: Maker) -> None:
    made = build(
        [given("x", "float32", ["batch", 2])],
        [answer("y", "float32", ["batch", "n"])],
        [
            node("ReduceMax", "x", "top", keepdims=0),
            node("Cast", "top", "columns", to=onnx.TensorProto.INT64),
            node("Unsqueeze", "columns axis", "one"),
            node("Shape", "x", "rows", start=0, end=1),
            node("Concat", "rows one", "shape", axis=0),
            node("ConstantOfShape", "shape", "y"),
        ],
        lambda inputs: inputs,
        {"axis": np.array([0])},
    )
    made.tree["batch"] = {"symbol": "batch"}
    with bundle.open(place(made)) as predictor, pytest.raises(BundleError) as error:
        predictor.predict_batch(np.array([[1, 1], [4, 4]], np.float32), 1)
    assert code(error) == ("batch_unsupported", "y")


def test_the_self_test_reports_a_wrong_answer(place: Maker) -> None:
    made = scale()
    made.golden_case("changed", {"x": grid(1, 3)}, source={"y": grid(1, 3)})
    with bundle.open(place(made)) as predictor:
        report = predictor.self_test()
    assert [case.passed for case in report.cases] == [True, False]
    assert not report.passed
    wrong = report.cases[1].outputs[0]
    assert wrong.difference.index == (0, 0)
    assert wrong.source is not None and wrong.source.ok, "the source is reported, not judged"


def test_a_bundle_without_cases_has_no_self_test(place: Maker) -> None:
    with bundle.open(place(one_node("Neg"))) as predictor, pytest.raises(BundleError) as error:
        predictor.self_test()
    assert code(error) == ("golden_missing", ".")
