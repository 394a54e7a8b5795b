"""What becomes of the arrays that a caller hands in."""

import numpy as np
import pytest

import bundle
from bundle import BundleError
from bundle.align import aligned, aligned_empty, is_aligned
from tests.runtime.make_bundle import Maker, one_node
from tests.vectors.bases import fixed_batch, scale
from tests.vectors.kit import answer, build, given, grid
from tests.vectors.model import node


def refused(predictor: bundle.Predictor, value: object) -> BundleError:
    with pytest.raises(BundleError) as error:
        predictor.predict({"x": value})
    assert error.value.subject == "x"
    return error.value


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 2, 3, 37, 1000])
def test_the_address_of_an_input_changes_no_bit(place: Maker, dtype: type, size: int) -> None:
    word = np.dtype(dtype).name
    made = build(
        [given("x", word, ["n"])],
        [answer("y", word, [1])],
        [node("ReduceSum", "x", "y", keepdims=1)],
        lambda inputs: inputs,
    )
    values = np.random.default_rng(3).standard_normal(size).astype(dtype)
    with bundle.open(place(made)) as predictor:
        answers = set()
        for offset in range(0, 64, np.dtype(dtype).itemsize):
            x = aligned_empty((size,), np.dtype(dtype), offset)
            x[...] = values
            answers.add(predictor.predict(x)["y"].tobytes())
    assert len(answers) == 1


@pytest.mark.parametrize("offset", range(16))
def test_alignment_is_told_and_made(offset: int) -> None:
    for shape in ((3,), (2, 5), (4, 0), ()):
        array = aligned_empty(shape, np.dtype(np.uint8), offset)
        array[...] = 7
        assert is_aligned(array) == (not array.size or offset % 16 == 0)
        copy = aligned(array)
        assert is_aligned(copy)
        assert (copy is array) == is_aligned(array)
        np.testing.assert_array_equal(copy, array)


def test_views_give_what_their_copies_give(place: Maker) -> None:
    with bundle.open(place(scale())) as predictor:
        wide = grid(8, 6)
        for view in (
            wide[:, ::2],
            wide[::-1, :3],
            np.asfortranarray(wide[:, :3]),
            wide.T[:3].T,
            wide[1:, 1:4],
        ):
            expected = predictor.predict(view.copy())["y"]
            np.testing.assert_array_equal(predictor.predict(view)["y"], expected)


def test_a_read_only_array_is_fine_and_stays_as_it_is(place: Maker) -> None:
    x = grid(2, 3)
    x.flags.writeable = False
    with bundle.open(place(scale())) as predictor:
        predictor.predict(x)
    np.testing.assert_array_equal(x, grid(2, 3))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([[1.0, 2.0, 3.0]], "a Python list"),
        (grid(2, 3).astype(">f4"), "numpy >f4"),
        (np.ma.masked_array(grid(2, 3), mask=False), "a masked array"),
        (grid(2, 3, dtype="float64"), "float64"),
        (grid(2, 3, dtype="int32"), "int32"),
        (grid(2, 3, dtype="complex64"), "numpy <c8"),
        (np.array([["a", "b", "c"]]), "string"),
    ],
)
def test_nothing_is_guessed(place: Maker, value: object, found: str) -> None:
    with bundle.open(place(scale())) as predictor:
        error = refused(predictor, value)
    assert (error.code, error.found) == ("input_dtype_mismatch", found)
    assert error.hint or found in ("numpy <c8", "string", "numpy >f4")


def test_subclasses_and_scalars_are_taken_for_their_values(place: Maker) -> None:
    class Tagged(np.ndarray):
        pass

    with bundle.open(place(scale())) as predictor:
        y = predictor.predict(grid(2, 3).view(Tagged))["y"]
        assert type(y) is np.ndarray
    with bundle.open(place(one_node("Neg", shape=()))) as predictor:
        assert predictor.predict(np.float32(3))["y"] == -3


def test_the_dtype_error_names_cast(place: Maker) -> None:
    with bundle.open(place(scale())) as predictor:
        assert "cast=True" in refused(predictor, grid(2, 3, dtype="float64")).hint


CASTS = [
    ("float64", "float32", True),
    ("float16", "float32", True),
    ("int16", "float32", True),
    ("int32", "float32", False),
    ("int32", "float64", True),
    ("int64", "float64", False),
    ("uint64", "float64", False),
    ("int32", "int64", True),
    ("int64", "int32", False),
    ("uint8", "int16", True),
    ("int8", "uint8", False),
    ("float32", "float16", False),
    ("bool", "int32", False),
    ("float32", "int32", False),
]


@pytest.mark.parametrize(("source", "target", "allowed"), CASTS)
def test_cast_takes_what_loses_nothing(place: Maker, source: str, target: str, allowed: bool) -> None:
    with bundle.open(place(one_node("Identity", target)), cast=True) as predictor:
        x = grid(2, 3, start=0, dtype=source)
        if allowed:
            y = predictor.predict(x)["y"]
            assert y.dtype == target
            np.testing.assert_array_equal(y, x.astype(target))
        else:
            assert refused(predictor, x).code == "input_dtype_mismatch"


def test_a_number_too_large_for_the_cast_is_not_finite(place: Maker) -> None:
    with bundle.open(place(scale()), cast=True) as predictor:
        assert refused(predictor, np.full((1, 3), 1e300)).code == "input_not_finite"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("rows", [1, 5000])
def test_every_value_that_is_not_finite_is_found(place: Maker, dtype: str, rows: int) -> None:
    with bundle.open(place(one_node("Neg", dtype))) as predictor:
        largest = np.full((rows, 3), np.finfo(dtype).max, dtype)
        np.testing.assert_array_equal(predictor.predict(largest)["y"], -largest)
        for bad in (np.nan, np.inf, -np.inf):
            x = np.ones((rows, 3), dtype)
            x[-1, -1] = bad
            error = refused(predictor, x)
            assert error.code == "input_not_finite"
            assert str([rows - 1, 2]) in error.found
        x = np.ones((rows, 3), dtype)
        x[0, :2] = np.inf, -np.inf
        assert refused(predictor, x).code == "input_not_finite"


def test_the_option_finite_tightens(place: Maker) -> None:
    made = one_node("Neg")
    made.input("x")["finite"] = False
    folder = place(made)
    x = np.full((1, 3), np.nan, np.float32)
    with bundle.open(folder) as predictor:
        assert np.isnan(predictor.predict(x)["y"]).all()
    with bundle.open(folder, finite=["x"]) as predictor:
        assert refused(predictor, x).code == "input_not_finite"
    with pytest.raises(BundleError, match="option_invalid: `finite`"):
        bundle.open(folder, finite=["z"])


@pytest.mark.parametrize(
    "value",
    [
        np.array(["a", "größe"]),
        np.array(["a", "größe"], np.object_),
        np.array(["a", "größe"], np.dtypes.StringDType()),
        np.array([b"a", "größe".encode()], np.object_),
        np.array([b"a", "größe".encode()]),
        np.array(["größe", "", "a"])[::-2],
    ],
)
def test_text_comes_in_every_form_that_numpy_has(place: Maker, value: np.ndarray) -> None:
    with bundle.open(place(one_node("Identity", "string", ("n",)))) as predictor:
        assert predictor.predict(value)["y"].tolist() == ["a", "größe"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\0b", "input_value"),
        (b"\xff", "input_value"),
        ("\ud800", "input_value"),
        (7, "input_dtype_mismatch"),
    ],
)
def test_text_that_cannot_be_carried_is_refused(place: Maker, value: object, expected: str) -> None:
    with bundle.open(place(one_node("Identity", "string", ("n",)))) as predictor:
        assert refused(predictor, np.array(["a", value], np.object_)).code == expected


def test_a_bool_byte_of_two_is_refused(place: Maker) -> None:
    with bundle.open(place(one_node("Not", "bool"))) as predictor:
        assert predictor.predict(np.array([[True, False, True]]))["y"].tolist() == [[False, True, False]]
        assert refused(predictor, np.array([[0, 1, 2]], np.uint8).view(np.bool_)).code == "input_value"


def test_only_a_batch_may_be_a_multiple_of_a_fixed_size(place: Maker) -> None:
    with bundle.open(place(fixed_batch())) as predictor:
        assert refused(predictor, grid(4, 3)).code == "input_shape_mismatch"
