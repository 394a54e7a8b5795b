"""Handles of the driver, and what an error leaves behind: sections 5 and 8, and DRIVER.md."""

import numpy as np

from tests.vectors.bases import mixed, scale
from tests.vectors.calls import MIXED, SCALE, scale_with
from tests.vectors.case import Case, Step, call, fail, invalid, open_, predict, self_test, valid
from tests.vectors.kit import answer, build, given, grid
from tests.vectors.model import node
from tests.vectors.tensor import tensor, tensors

CLOSED = fail("predictor_closed", ".")
# One process may play all cases, so that what was never opened has a name of its own.
NEVER = "never opened"
UNKNOWN = fail("usage_invalid", NEVER)
ROWS = tensors(SCALE[1])


def _never(op: str, **request: object) -> Step:
    """A request on a handle that is none."""
    return call(op, UNKNOWN, **request) | {"handle": NEVER}


@invalid("C1")
def predict_without_open() -> Case:
    """A handle that no `open` succeeded with; nothing is closed that was never open."""
    return Case([_never("predict", inputs=ROWS)], bundle="scale_rows")


@invalid("C1")
def close_without_open() -> Case:
    """Closing asks for a handle too."""
    return Case([_never("close")], bundle="scale_rows")


@invalid("C1")
def self_test_without_open() -> Case:
    """And so does the self-test."""
    return Case([_never("self_test")], bundle="scale_rows")


@invalid("C1")
def bind_after_close() -> Case:
    """A closed predictor binds nothing."""
    request = call("bind", CLOSED, inputs=ROWS, outputs={"y": tensor(grid(2, 3))})
    return Case([open_(), call("close"), request], bundle="scale_rows")


@invalid("C1")
def predict_into_after_close() -> Case:
    """A closed predictor fills nothing; its inputs are not looked at."""
    request = call("predict_into", CLOSED, inputs={}, outputs={})
    return Case([open_(), call("close"), request], bundle="scale_rows")


@valid("C1")
def opened_again_in_vain() -> Case:
    """Opening an open handle closes it first, also where the bundle is then refused."""
    made = scale()
    steps = [
        open_(),
        open_({"variant": "int4"}) | {"expect": fail("variant_unknown", "int4")},
        call("predict", CLOSED, inputs=ROWS),
        call("close"),
        open_(bundle="$BUNDLE/none") | {"expect": fail("bundle_not_found", ".")},
        call("predict", CLOSED, inputs=ROWS),
        open_(),
        predict(made, SCALE[1]),
    ]
    return Case(steps, bundle=made)


@valid("C1")
def opened_in_vain_at_first() -> Case:
    """A first `open` that is refused makes no handle."""
    made = scale()
    expect = {"expect": fail("variant_unknown", "int4")}
    refused = open_({"variant": "int4"}) | expect | {"handle": NEVER}
    steps = [refused, _never("predict", inputs=ROWS), _never("close"), open_()]
    return Case([*steps, predict(made, SCALE[1])], bundle=made)


@valid("C1")
def two_handles() -> Case:
    """Closing one leaves the other open."""
    made = scale()
    other = [step | {"handle": "other"} for step in (open_(), call("close"))]
    steps = [open_(), other[0], other[1], call("predict", CLOSED, inputs=ROWS) | {"handle": "other"}]
    return Case([*steps, predict(made, SCALE[1])], bundle=made)


@valid("C2", "C10", "C11")
def errors_leave_the_predictor_as_it_was() -> Case:
    """After each kind of error the next call is answered as if nothing had happened."""
    made, inputs = mixed(), tensors(MIXED[1])
    faults = [
        ({"index": tensor(np.array([0, 4]))}, fail("runtime_failure", ".")),
        ({"rows": tensor(scale_with(np.nan))}, fail("input_not_finite", "rows")),
        ({"flags": inputs["flags"] | {"data": "0102"}}, fail("input_value", "flags")),
        ({"zoo": inputs["rows"]}, fail("input_unknown", "zoo")),
        ({"rows": tensor(grid(0, 3))}, fail("input_empty", "rows")),
    ]
    steps = [predict(made, MIXED[1])]
    for changed, expect in faults:
        steps += [call("predict", expect, inputs=inputs | changed), predict(made, MIXED[1])]
    return Case([open_(), *steps, self_test()], bundle=made)


@valid("C4", "C5", "C6", "C8", "C10")
def checks_are_made_at_every_call() -> Case:
    """What was right in the call before is looked at again: dtype, shape and values."""
    made, good = scale(), SCALE[1]
    wrong = {
        "input_dtype_mismatch": tensor(grid(2, 3, dtype="int32")),
        "input_rank_mismatch": tensor(grid(6)),
        "input_shape_mismatch": tensor(grid(3, 2)),
        "input_empty": tensor(grid(0, 3)),
        "input_not_finite": tensor(scale_with(np.inf)),
    }
    steps = []
    for code, other in wrong.items():
        steps += [predict(made, good), call("predict", fail(code, "x"), inputs={"x": other})]
    steps += [predict(made, good), predict(made, good, offset=4), predict(made, {"x": grid(3, 3)})]
    return Case([open_(), *steps], bundle=made)


@valid("C3")
def inputs_are_counted_at_every_call() -> Case:
    """An input more and an input less, after a call that had them all."""
    made = build(
        [given("a", "float32", ["n", 4]), given("b", "float32", ["n", 4])],
        [answer("y", "float32", ["n", 4])],
        [node("Sub", "a b", "y")],
        lambda inputs: {"y": inputs["a"] - inputs["b"]},
    )
    good = {"a": grid(2, 4), "b": grid(2, 4, start=9)}
    less = call("predict", fail("input_missing", "b"), inputs=tensors({"a": good["a"]}))
    more = call("predict", fail("input_unknown", "c"), inputs=tensors(good | {"c": good["a"]}))
    other = call("predict", fail("input_unknown", "c"), inputs=tensors({"a": good["a"], "c": good["b"]}))
    conflict = tensors(good | {"b": grid(3, 4)})
    two = call("predict", fail("input_symbol_conflict", "b"), inputs=conflict)
    right = predict(made, good)
    return Case([open_(), right, less, right, more, right, other, right, two, right], bundle=made.seal())


@valid("C8")
def shapes_of_one_call_are_forgotten() -> Case:
    """A symbol has a value in one call only; a wrong call in between does not matter."""
    made = mixed()
    three = {
        name: np.concatenate([array, array[:1]]) if name != "words" else array[:1]
        for name, array in MIXED[1].items()
    }
    wrong = tensors(MIXED[1]) | {"index": tensor(three["index"])}
    conflict = call("predict", fail("input_symbol_conflict", "index"), inputs=wrong)
    steps = [predict(made, MIXED[1]), predict(made, three), conflict, predict(made, MIXED[1])]
    return Case([open_(), *steps], bundle=made)
