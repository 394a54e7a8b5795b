"""Values of every kind, and calls after each other."""

import numpy as np

from tests.vectors.bases import mixed, mixed_inputs
from tests.vectors.case import Case, call, fail, open_, predict, self_test, valid
from tests.vectors.kit import answer, build, given, grid
from tests.vectors.model import node
from tests.vectors.tensor import Tensors, strings, tensor


@valid("C9")
def string_rows() -> Case:
    """Strings of any text, the empty one included."""
    made = build(
        [given("x", "string", ["n"])],
        [answer("y", "string", ["n"], "equal")],
        [node("Identity", "x", "y")],
        lambda inputs: {"y": inputs["x"]},
    )
    inputs = {"x": strings("", "a\nb", "Größe 10 €", "🙂", "\u2028")}
    made.golden_case("first", inputs)
    return Case([open_(), predict(made, inputs), self_test()], bundle=made.seal())


@valid("C10")
def nan_where_it_is_allowed() -> Case:
    """`finite` is false: NaN, with its payload, and the infinities reach the model."""
    made = build(
        [given("x", "float32", [4], finite=False)],
        [answer("y", "float32", [4])],
        [node("Identity", "x", "y")],
        lambda inputs: {"y": inputs["x"]},
    )
    rows = np.array([np.inf, -np.inf, 0, -0.0], np.float32)
    rows.view(np.uint32)[2] = 0x7FC12345
    made.golden_case("first", {"x": rows})
    return Case([open_(), predict(made, {"x": rows}), self_test()], bundle=made.seal())


@valid("C11")
def denormal_numbers() -> Case:
    """The smallest numbers are not flushed to zero."""
    made = build(
        [given("x", "float32", [3])],
        [answer("y", "float32", [3])],
        [node("Mul", "x half", "y")],
        lambda inputs: {"y": inputs["x"] * np.float32(0.5)},
        {"half": np.array(0.5, np.float32)},
    )
    tiny = np.array([2**-126, 2**-140, 2**-148], np.float32)
    return Case([open_(), predict(made, {"x": tiny})], bundle=made.seal())


@valid("C11")
def state_is_fed_back() -> Case:
    """The output `next` of one call is the input `state` of the next; the caller hands it on."""

    def step(inputs: Tensors) -> Tensors:
        after = inputs["x"] + inputs["state"]
        return {"y": np.maximum(after, 0), "next": after}

    made = build(
        [given("x", "float32", [2]), given("state", "float32", [2])],
        [answer("y", "float32", [2]), answer("next", "float32", [2])],
        [node("Add", "x state", "next"), node("Relu", "next", "y")],
        lambda inputs: {
            "y": np.maximum(inputs["x"] + inputs["state"], 0),
            "next": inputs["x"] + inputs["state"],
        },
    )
    made.tree["states"] = [{"input": "state", "output": "next"}]
    first = {"x": grid(2), "state": np.zeros(2, np.float32)}
    second = {"x": grid(2, start=4), "state": made.compute(first)["next"]}
    return Case([open_(), predict(made, first), predict(made, second)], bundle=made.seal())


@valid("C2", "C11")
def usable_after_errors() -> Case:
    """A refused call changes nothing."""
    made, good = mixed(), mixed_inputs()
    asked = predict(made, good)
    wrong = asked["inputs"] | {"index": tensor(np.array([0, 9]))}
    refused = call("predict", fail("input_missing", "rows"), inputs={})
    failed = call("predict", fail("runtime_failure", "."), inputs=wrong)
    return Case([open_(), asked, refused, failed, asked], bundle=made)
