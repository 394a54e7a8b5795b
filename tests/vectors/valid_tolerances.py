"""What tolerances.json says of special values, other dtypes and decisions."""

import numpy as np

from tests.vectors.case import Case, call, open_, valid
from tests.vectors.kit import answer, bits, build, given
from tests.vectors.model import node
from tests.vectors.tensor import word

Pair = tuple[str, list, list, bool]
CLOSE = {"word": "close"}


def compared(
    dtype: str, tolerance: dict, *pairs: Pair, decision: str = "none", symbol: str | int = "n", **counts: int
) -> Case:
    """Identity over one axis; each pair is a name, the answer, the recording and whether that passes."""
    made = build(
        [given("x", dtype, [symbol], finite=False)],
        [answer("y", dtype, [symbol], decision)],
        [node("Identity", "x", "y")],
        lambda inputs: {"y": inputs["x"]},
    )
    made.tree["variants"][0]["tolerances"] = [tolerance]
    told = []
    for name, found, recorded, passed in pairs:
        values = np.array(found, dtype)
        assert word(values) == dtype
        made.golden_case(name, {"x": values}, source={"y": np.array(recorded, dtype)})
        told.append({"name": name, "passed": passed, "outputs": [{"name": "y", "passed": passed, **counts}]})
    expect = {"ok": True, "passed": all(passed for *_, passed in pairs), "cases": told}
    return Case([open_(), call("self_test", expect)], bundle=made.seal())


@valid("section 7")
def close_with_special_values() -> Case:
    """NaN meets NaN, an infinity the same one; neither makes the bound of the others wider."""
    inf, nan = np.inf, np.nan
    return compared(
        "float32",
        CLOSE,
        ("same", [nan, inf, -inf, 0], [nan, inf, -inf, -0.0], True),
        ("nan", [nan, 1], [1, 1], False),
        ("number", [1, 1], [nan, 1], False),
        ("sign", [inf, 1], [-inf, 1], False),
        ("largest", [inf, 1], [3e38, 1], False),
        ("narrow", [inf, 1], [inf, 1.125], False),
        ("empty", [nan, nan], [nan, nan], True),
    )


@valid("section 7")
def close_in_float16() -> Case:
    """A thousandth of the largest value, and a thousandth."""
    pairs = (("inside", [512, 0.5], [512, 0], True), ("outside", [512, 0.75], [512, 0], False))
    return compared("float16", CLOSE, *pairs)


@valid("section 7")
def close_in_float64() -> Case:
    """Ten digits, and not the five of float32."""
    pairs = (("inside", [1, 1e-10], [1, 0], True), ("outside", [1, 1e-9], [1, 0], False))
    return compared("float64", CLOSE, *pairs)


@valid("section 7")
def close_of_integers() -> Case:
    """Integers are compared exactly, also where float64 cannot tell them apart."""
    large = 1 << 53
    pairs = (("same", [large], [large], True), ("next", [large + 1], [large], False))
    return compared("int64", CLOSE, *pairs)


@valid("section 7")
def absolute_of_integers() -> Case:
    """The bound alone, on both sides."""
    pairs = (("inside", [-3, 5], [-1, 3], True), ("outside", [-3, 5], [0, 5], False))
    return compared("int32", {"word": "absolute", "bound": bits(2)}, *pairs)


@valid("section 7")
def decisions_by_threshold() -> Case:
    """0.5 is not above 0.5. The bound is an eighth: one near tie at a margin of a sixteenth, no flip."""
    bound = {"word": "absolute", "bound": bits(0.125)}
    pair = ("near", [0.5, 0.9375, 0.25], [0.5625, 0.875, 0.25], True)
    return compared("float32", bound, pair, decision="threshold", flips=0, near_ties=1)


@valid("section 7")
def flips_by_threshold() -> Case:
    """A margin of a quarter is above the bound: a flip, and the case fails for its value too."""
    bound = {"word": "absolute", "bound": bits(0.125)}
    pair = ("far", [0.25, 0.75], [0.75, 0.75], False)
    return compared("float32", bound, pair, decision="threshold", flips=1, near_ties=0)


@valid("section 7")
def flips_by_equality() -> Case:
    """Labels: every difference is a flip."""
    pair = ("labels", [1, 2, 3, 4], [1, 3, 2, 4], False)
    return compared("int64", {"word": "exact"}, pair, decision="equal", flips=2, near_ties=0)


@valid("section 7")
def argmax_of_one_entry() -> Case:
    """The first of one is always the largest: no flip, whatever the value."""
    pair = ("one", [1], [-1], False)
    return compared("float32", {"word": "exact"}, pair, decision="argmax", flips=0, near_ties=0)


@valid("section 7")
def argmax_takes_the_first_of_equals() -> Case:
    """Two largest values: the first decides, and the margin is 0."""
    pair = ("tie", [2, 2, 1], [1.75, 2, 1], True)
    bound = {"word": "absolute", "bound": bits(0.25)}
    return compared("float32", bound, pair, decision="argmax", flips=0, near_ties=1)
