"""The named tolerances: what is equal enough, where it is not, and which decisions flipped."""

import math

import numpy as np
import pytest

from bundle.spec import table
from bundle.tolerance import Tolerance, compare, limit

EXACT, CLOSE = Tolerance("exact"), Tolerance("close")
FLOATS = ("float16", "float32", "float64")


def next_float(value: np.ndarray, steps: int) -> np.ndarray:
    """Return the float that lies ``steps`` representable numbers above."""
    for _ in range(steps):
        value = np.nextafter(value, np.asarray(np.inf, value.dtype))
    return value


def test_exact_means_bits_except_nan() -> None:
    nan, other_nan = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert compare(np.array([nan, 1.0], "f4"), np.array([other_nan, 1.0], "f4"), EXACT).ok
    assert not compare(np.array([-0.0], "f4"), np.array([0.0], "f4"), EXACT).ok
    assert not compare(np.array([1], "i8"), np.array([2], "i8"), EXACT).ok


@pytest.mark.parametrize("dtype", FLOATS)
def test_close_scales_with_the_largest_value_of_the_whole_tensor(dtype: str) -> None:
    bounds = table("tolerances")["words"]["close"]["bounds"][dtype]
    reference = np.array([0.0, 256.0, np.inf, np.nan], dtype)
    assert limit(reference, CLOSE) == bounds["atol"] + bounds["rtol"] * 256.0
    inside, outside = reference.copy(), reference.copy()
    inside[0] = limit(reference, CLOSE) * 0.99
    outside[0] = limit(reference, CLOSE) * 1.01
    assert compare(inside, reference, CLOSE).ok
    assert compare(outside, reference, CLOSE).index == (0,)


@pytest.mark.parametrize(
    ("actual", "reference"),
    [(np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0), (np.inf, -np.inf), (np.nan, np.inf)],
)
def test_not_a_number_and_infinities_must_meet_their_like(actual: float, reference: float) -> None:
    for tolerance in (CLOSE, EXACT, Tolerance("absolute", bound=1e30)):
        difference = compare(np.array([actual], "f4"), np.array([reference], "f4"), tolerance)
        assert not difference.ok
        assert difference.worst == math.inf
        assert compare(np.array([actual], "f4"), np.array([actual], "f4"), tolerance).ok


@pytest.mark.parametrize("dtype", ["int8", "uint64", "bool", "object"])
def test_what_is_no_float_is_close_only_when_equal(dtype: str) -> None:
    reference = np.array(["a", "b"], object) if dtype == "object" else np.array([0, 1], dtype)
    assert compare(reference.copy(), reference, CLOSE).ok
    assert compare(reference[::-1].copy(), reference, CLOSE).index == (0,)


def test_quantized_and_absolute_widen_the_limit() -> None:
    reference = np.array([0.0, 1.0], "f4")
    close = limit(reference, CLOSE)
    assert limit(reference, Tolerance("quantized", quanta=2, step=0.25)) == 0.5 + close
    assert limit(reference, Tolerance("absolute", bound=0.125)) == 0.125 + close
    one_level = Tolerance("absolute", bound=1.0)
    assert compare(np.array([3], "u1"), np.array([4], "u1"), one_level).ok
    assert not compare(np.array([2], "u1"), np.array([4], "u1"), one_level).ok


@pytest.mark.parametrize(
    "wrong",
    [
        {"word": "roughly"},
        {"word": "absolute"},
        {"word": "close", "bound": 1.0},
        {"word": "quantized", "quanta": 1},
    ],
)
def test_a_word_takes_exactly_its_parameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(wrong["word"])):
        Tolerance(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", FLOATS)
def test_distance_in_representable_numbers(dtype: str) -> None:
    one = np.array([1.0], dtype)
    assert compare(next_float(one, 3), one, EXACT).max_ulp == 3
    smallest = np.nextafter(np.zeros(1, dtype), np.ones(1, dtype))
    assert compare(smallest, -smallest, EXACT).max_ulp == 2
    largest = np.array([np.finfo(dtype).max], dtype)
    width = largest.itemsize * 8
    top = int(largest.view(f"i{largest.itemsize}")[0])
    assert compare(largest, -largest, EXACT).max_ulp == 2 * top > 2 ** (width - 1)


def test_decisions_flip_only_beyond_the_tolerance() -> None:
    reference = np.array([[0.0, 1.0], [0.5, 0.5 + 1e-6], [3.0, 0.0], [1.0, 1.0]], "f4")
    actual = reference[:, ::-1].copy()
    difference = compare(actual, reference, CLOSE, "argmax")
    assert (difference.decisions, difference.flips, difference.near_ties) == (4, 2, 1)


def test_thresholds_and_labels() -> None:
    reference = np.array([0.1, 0.5 + 1e-6, 0.9], "f4")
    difference = compare(np.array([0.9, 0.4, 0.9], "f4"), reference, CLOSE, "threshold")
    assert (difference.decisions, difference.flips, difference.near_ties) == (3, 1, 1)
    labels = compare(np.array(["x", "b"], object), np.array(["a", "b"], object), CLOSE, "equal")
    assert (labels.decisions, labels.flips, labels.near_ties) == (2, 1, 0)


def test_nothing_to_decide() -> None:
    for array in (np.array(1.0, "f4"), np.zeros((0, 3), "f4"), np.zeros((3, 0), "f4")):
        assert compare(array, array, CLOSE, "argmax").decisions == 0
    column = np.array([[1.0], [2.0]], "f4")
    assert compare(-column, column, CLOSE, "argmax").flips == 0


def test_another_form_is_a_failure_of_its_own() -> None:
    three = np.zeros(3, "f4")
    assert compare(np.zeros((3, 1), "f4"), three, CLOSE).describe() == "shape [3, 1] instead of [3]"
    assert compare(np.zeros(3, "f8"), three, CLOSE).describe() == "dtype float64 instead of float32"
    assert not compare(three.astype("c8"), three.astype("c8"), EXACT).ok


def test_the_sentence_names_place_values_distance_and_flips() -> None:
    reference = np.array([[1.0, 0.0]], "f4")
    sentence = compare(np.array([[1.0, 2.0]], "f4"), reference, CLOSE, "argmax").describe()
    assert sentence == (
        "first outside at [0, 1]: 2.0 instead of 0.0, largest difference 2, 1073741824 ULP, "
        "1 of 1 decisions flipped, 0 at near ties"
    )
    assert compare(reference, reference, EXACT).describe() == "equal"


def test_one_element_without_axes() -> None:
    difference = compare(np.array(2.0, "f4"), np.array(1.0, "f4"), CLOSE)
    assert difference.index == ()
    assert compare(np.array("a", object), np.array("a", object), EXACT).ok


def test_nan_is_one_label() -> None:
    labels = np.array([np.nan, 1.0, 2.0], np.float32)
    other = np.array([np.nan, 1.0, 3.0], np.float32)
    assert compare(other, labels, Tolerance("close"), "equal").flips == 1


@pytest.mark.parametrize("decision", ["argmax", "threshold", "equal", "none"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_nan_that_signals_is_compared_without_a_warning(dtype: str, decision: str) -> None:
    """Warnings are errors here, and for some callers."""
    bits = {"float16": np.uint16(0x7C01), "float32": np.uint32(0x7F800001)}[dtype]
    values = np.array([bits, 0], bits.dtype).view(dtype)
    assert compare(values, values, Tolerance("close"), decision).ok
