"""Where tolerances end, and what counts as a decision: tolerances.json."""

import numpy as np

from tests.vectors.bases import mixed, mixed_inputs
from tests.vectors.case import Case, call, open_, valid
from tests.vectors.kit import bits
from tests.vectors.tensor import strings
from tests.vectors.valid_tolerances import compared

EXACT = {"word": "exact"}
NAN = np.nan


@valid("section 7")
def absolute_adds_the_bound_of_close() -> Case:
    """Beside a value of 512 the bound of a half is wider by what `close` allows: about a 1/195."""
    pairs = (
        ("inside", [512, 0], [512, 0.50390625], True),
        ("outside", [512, 0], [512, 0.5078125], False),
        ("small", [0, 0], [0, 0.50390625], False),
    )
    return compared("float32", {"word": "absolute", "bound": bits(0.5)}, *pairs)


@valid("section 7")
def quantized_adds_the_bound_of_close() -> Case:
    """Two steps of a quarter, and the same beside a value of 512."""
    pairs = (
        ("inside", [512, 0], [512, 0.50390625], True),
        ("outside", [512, 0], [512, 0.5078125], False),
        ("small", [0, 0], [0, 0.50390625], False),
    )
    return compared("float32", {"word": "quantized", "quanta": 2, "step": bits(0.25)}, *pairs)


@valid("section 7")
def absolute_with_special_values() -> Case:
    """However wide the bound: NaN meets NaN, and an infinity the same one."""
    pairs = (
        ("same", [NAN, np.inf], [NAN, np.inf], True),
        ("nan", [NAN, 0], [0, 0], False),
        ("sign", [-np.inf, 0], [np.inf, 0], False),
        ("number", [np.inf, 0], [3e38, 0], False),
    )
    return compared("float32", {"word": "absolute", "bound": "7f7fffff"}, *pairs)


@valid("section 7")
def argmax_of_a_tie_in_the_recording() -> Case:
    """The first of two largest decides in the recording, the second in the answer: a near tie at margin 0."""
    pair = ("tie", [1, 2], [2, 2], False)
    return compared("float32", EXACT, pair, decision="argmax", flips=0, near_ties=1)


@valid("section 7")
def argmax_of_a_tie_in_both() -> Case:
    """Entry 0 decides in both, though entry 1 is as large: no difference, and so no near tie."""
    pair = ("tie", [2, 2], [2, 2], True)
    return compared("float32", EXACT, pair, decision="argmax", flips=0, near_ties=0)


@valid("section 7")
def argmax_of_a_tie_in_the_answer() -> Case:
    """Entry 0 decides in the answer, as it does in the recording, whose margin is wide."""
    pair = ("tie", [5, 5], [9, 0], False)
    return compared("float32", EXACT, pair, decision="argmax", flips=0, near_ties=0)


@valid("section 7")
def argmax_with_a_margin_of_the_bound() -> Case:
    """A flip needs a margin larger than the bound; this one equals it."""
    bound = {"word": "absolute", "bound": bits(2)}
    pair = ("edge", [3, 5], [5, 3], True)
    return compared("int32", bound, pair, decision="argmax", flips=0, near_ties=1)


@valid("section 7")
def argmax_with_a_margin_above_the_bound() -> Case:
    """One more, and it is a flip."""
    bound = {"word": "absolute", "bound": bits(2)}
    pair = ("far", [3, 5], [6, 3], False)
    return compared("int32", bound, pair, decision="argmax", flips=1, near_ties=0)


@valid("section 7")
def argmax_with_two_infinities() -> Case:
    """The margin of two equal infinities is 0, that of an infinity and a number infinite."""
    pair = ("tie", [0, np.inf], [np.inf, np.inf], False)
    return compared("float32", EXACT, pair, decision="argmax", flips=0, near_ties=1)


@valid("section 7")
def argmax_with_nan() -> Case:
    """NaN is the largest value, and its margin larger than any bound: the answer decides 1, so a flip."""
    bound = {"word": "absolute", "bound": bits(100)}
    pair = ("nan", [0, 1], [NAN, 1], False)
    return compared("float32", bound, pair, decision="argmax", flips=1, near_ties=0)


@valid("section 7")
def threshold_at_its_edge() -> Case:
    """0.5 is not above 0.5, also in the recording: a near tie at margin 0, and one that agrees."""
    pair = ("edge", [0.75, 0.25], [0.5, 0.5], False)
    return compared("float32", EXACT, pair, decision="threshold", flips=0, near_ties=1)


@valid("section 7")
def threshold_that_is_met() -> Case:
    """0.5 is not above 0.5: it decides as an eighth and a quarter do, whose margins are wide."""
    pair = ("edge", [0.5, 0.5], [0.125, 0.25], False)
    return compared("float32", EXACT, pair, decision="threshold", flips=0, near_ties=0)


@valid("section 7")
def threshold_with_nan() -> Case:
    """NaN is not above 0.5, and its margin is larger than any bound."""
    bound = {"word": "absolute", "bound": bits(100)}
    pair = ("nan", [1, 0], [NAN, NAN], False)
    return compared("float32", bound, pair, decision="threshold", flips=1, near_ties=0)


@valid("section 7")
def decisions_of_no_elements() -> Case:
    """An axis of no entries decides nothing."""
    pair = ("empty", [], [], True)
    return compared("float32", EXACT, pair, symbol=0, decision="argmax", flips=0, near_ties=0)


@valid("section 7")
def decision_none_counts_nothing() -> Case:
    """An output that decides nothing has no flips."""
    pair = ("one", [1, 5], [5, 1], False)
    return compared("float32", EXACT, pair, flips=0, near_ties=0)


@valid("section 7")
def strings_have_no_order_to_decide_by() -> Case:
    """The decisions `argmax` and `threshold` count nothing for strings, equal or not."""
    made = mixed()
    made.tree["variants"][0]["tolerances"] = [{"word": "close"}] * 4
    same = made.tree["outputs"][2]
    same["decision"] = "argmax"
    made.golden_case("other", mixed_inputs(), source={"same": strings("edge", "x", "y")})
    row = {"name": "same", "passed": False, "flips": 0, "near_ties": 0}
    good = [{"name": name, "passed": True, "flips": 0, "near_ties": 0} for name in ("sum", "not", "picked")]
    cases = [
        {"name": "first", "passed": True},
        {"name": "other", "passed": False, "outputs": [*good[:2], row, good[2]]},
    ]
    return Case(
        [open_(), call("self_test", {"ok": True, "passed": False, "cases": cases})], bundle=made.seal()
    )


@valid("section 7")
def flips_of_strings_and_bools() -> Case:
    """Labels may be strings or bools: every difference is a flip, whatever the word of the tolerance."""
    made = mixed()
    made.tree["variants"][0]["tolerances"] = [{"word": "close"}] * 4
    changed = {"not": np.array([True, False]), "same": strings("edge", "x", "y")}
    made.golden_case("other", mixed_inputs(), source=changed)
    outputs = [
        {"name": "sum", "passed": True, "flips": 0, "near_ties": 0},
        {"name": "not", "passed": False, "flips": 2, "near_ties": 0},
        {"name": "same", "passed": False, "flips": 2, "near_ties": 0},
        {"name": "picked", "passed": True, "flips": 0, "near_ties": 0},
    ]
    cases = [{"name": "first", "passed": True}, {"name": "other", "passed": False, "outputs": outputs}]
    return Case(
        [open_(), call("self_test", {"ok": True, "passed": False, "cases": cases})], bundle=made.seal()
    )
