"""Outputs in the caller's memory: `predict_into` and `bind`."""

import numpy as np
import pytest

import bundle
from bundle import BundleError
from bundle.align import aligned_empty
from tests.runtime.make_bundle import Maker, one_node
from tests.vectors.bases import scale
from tests.vectors.kit import MODEL, answer, build, given, grid
from tests.vectors.model import encode, model, node

F32 = np.dtype(np.float32)


def rows(count: int = 2) -> np.ndarray:
    buffer = aligned_empty((count, 3), F32)
    buffer[...] = -1
    return buffer


def two_outputs() -> bundle.Bundle:
    return build(
        [given("x", "float32", ["n"])],
        [answer("minus", "float32", ["n"]), answer("places", "int64", [1, "found"])],
        [node("Neg", "x", "minus"), node("NonZero", "x", "places")],
        lambda inputs: inputs,
    )


def test_predict_into_writes_what_predict_gives(place: Maker) -> None:
    x = grid(2, 3)
    with bundle.open(place(scale())) as predictor:
        expected = predictor.predict(x)["y"]
        for offset in (0, 4, 12):
            buffer = aligned_empty((2, 3), F32, offset)
            predictor.predict_into(x, {"y": buffer})
            np.testing.assert_array_equal(buffer, expected)
        # The result may go where the input was.
        predictor.predict_into(x, {"y": x})
        np.testing.assert_array_equal(x, expected)
        predictor.predict_into(grid(2, 3), {})


@pytest.mark.parametrize("call", ["predict_into", "bind"])
@pytest.mark.parametrize(
    ("buffer", "word"),
    [
        (rows(3), "shape"),
        (np.zeros((2, 3)), "float64"),
        (np.zeros((3, 2), np.float32).T, "contiguous"),
        ([[0.0] * 3] * 2, "list"),
        (np.zeros((2, 3), ">f4"), ">f4"),
    ],
)
def test_buffers_that_cannot_be_written_are_refused(
    place: Maker, call: str, buffer: object, word: str
) -> None:
    with bundle.open(place(scale())) as predictor, pytest.raises(BundleError) as error:
        getattr(predictor, call)(rows(), {"y": buffer})
    assert (error.value.code, error.value.subject) == ("buffer_unsuitable", "y")
    assert word in error.value.found


def test_a_read_only_buffer_is_refused(place: Maker) -> None:
    buffer = rows()
    buffer.flags.writeable = False
    with bundle.open(place(scale())) as predictor, pytest.raises(BundleError, match="read-only"):
        predictor.predict_into(rows(), {"y": buffer})


def test_buffers_must_not_overlap(place: Maker) -> None:
    with bundle.open(place(scale())) as predictor:
        x = rows()
        with pytest.raises(BundleError, match="shares with an input"):
            predictor.bind(x, {"y": x})
    made = build(
        [given("x", "float32", [4])],
        [answer("a", "float32", [4]), answer("b", "float32", [4])],
        [node("Neg", "x", "a"), node("Abs", "x", "b")],
        lambda inputs: inputs,
    )
    shared = aligned_empty((8,), F32)
    with bundle.open(place(made)) as predictor, pytest.raises(BundleError, match="shares with `a`"):
        predictor.predict_into(grid(4), {"a": shared[:4], "b": shared[2:6]})


def test_a_bound_call_reads_and_writes_in_place(place: Maker) -> None:
    x, y = rows(), rows()
    with bundle.open(place(scale())) as predictor:
        call = predictor.bind(x, {"y": y})
        for value in range(5):
            x[...] = value
            call.run()
            np.testing.assert_array_equal(y, np.full((2, 3), 2 * value + 1))
        x[1, 1] = np.nan
        with pytest.raises(BundleError) as error:
            call.run()
        assert error.value.code == "input_not_finite"
        x[...] = 0
        call.run()
        np.testing.assert_array_equal(y, np.ones((2, 3)))
    with pytest.raises(BundleError) as error:
        call.run()
    assert error.value.code == "predictor_closed"


@pytest.mark.parametrize("kind", ["unaligned", "strided", "float64"])
def test_a_bound_input_is_not_copied(place: Maker, kind: str) -> None:
    x = {
        "unaligned": aligned_empty((2, 3), F32, 4),
        "strided": np.zeros((2, 6), np.float32)[:, ::2],
        "float64": np.zeros((2, 3)),
    }[kind]
    x[...] = 1
    with bundle.open(place(scale()), cast=True) as predictor, pytest.raises(BundleError) as error:
        predictor.bind(x, {"y": rows()})
    assert (error.value.code, error.value.subject) == ("buffer_unsuitable", "x")


def test_text_is_read_again_at_every_run(place: Maker) -> None:
    grams = {"mode": "TF", "min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0}
    counting = {**grams, "ngram_counts": [0], "ngram_indexes": [0]}
    made = build(
        [given("x", "string", ["n"])],
        [answer("y", "float32", [1])],
        [node("TfIdfVectorizer", "x", "y", **counting, pool_strings=["yes"])],
        lambda inputs: inputs,
    )
    x, y = np.array(["yes", "no"]), np.zeros(1, np.float32)
    with bundle.open(place(made)) as predictor:
        call = predictor.bind(x, {"y": y})
        call.run()
        assert y == 1
        x[...] = ["yes", "yes"]
        call.run()
        assert y == 2


def test_sizes_that_only_the_model_knows(place: Maker) -> None:
    x = np.array([1, 0, 2], np.float32)
    with bundle.open(place(two_outputs())) as predictor:
        minus, places = np.zeros(3, np.float32), np.zeros((1, 2), np.int64)
        predictor.predict_into(x, {"places": places})
        assert places.tolist() == [[0, 2]]
        call = predictor.bind(x, {"minus": minus, "places": places})
        x[...] = [0, 5, 5]
        call.run()
        assert (minus.tolist(), places.tolist()) == ([0, -5, -5], [[1, 2]])
        x[...] = 1
        for run in (call.run, lambda: predictor.predict_into(x, {"places": places})):
            with pytest.raises(BundleError) as error:
                run()
            assert (error.value.code, error.value.subject) == ("buffer_unsuitable", "places")


def test_a_model_that_breaks_its_promise_is_told_from_one_that_fails(place: Maker) -> None:
    made = scale()
    outputs = [made.tree["outputs"][0] | {"shape": ["batch", "n"]}]
    made.files[MODEL] = encode(model(made.tree["inputs"], outputs, [node("Concat", "x x", "y", axis=1)]))
    # Without the look at the model's own shapes, which finds this one out.
    with bundle.open(place(made), mode="quick") as predictor:
        call = predictor.bind(rows(), {"y": rows()})
        with pytest.raises(BundleError) as error:
            call.run()
    assert (error.value.code, error.value.subject) == ("output_mismatch", "y")


def test_strings_cannot_be_written_in_place(place: Maker) -> None:
    with bundle.open(place(one_node("Identity", "string", ("n",)))) as predictor:
        with pytest.raises(BundleError) as error:
            predictor.predict_into(np.array(["a"]), {"y": np.array(["b"], np.object_)})
        assert (error.value.code, error.value.subject) == ("buffer_unsuitable", "y")


def test_a_bound_call_without_buffers_still_runs(place: Maker) -> None:
    with bundle.open(place(scale())) as predictor:
        predictor.bind(rows(), {}).run()
