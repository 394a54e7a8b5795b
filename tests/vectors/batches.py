"""Batches that are refused: B1 to B3, and what follows them."""

import numpy as np

from tests.vectors.bases import mixed_inputs, scale
from tests.vectors.case import Case, call, fail, invalid, open_
from tests.vectors.kit import Bundle, answer, build, given, grid
from tests.vectors.model import node
from tests.vectors.tensor import Tensors, tensors

UNSUPPORTED = "batch_unsupported"


def batch(of: str | Bundle, inputs: Tensors, code: str, subject: str, **size: object) -> Case:
    """A `predict_batch` that is refused."""
    return Case(
        [open_(), call("predict_batch", fail(code, subject), inputs=tensors(inputs), **size)], bundle=of
    )


@invalid("B1")
def batch_without_a_batch_axis() -> Case:
    """The manifest names no batch."""
    return batch("several_tensors", mixed_inputs(), UNSUPPORTED, ".", batch_size=1)


@invalid("B1")
def batch_with_an_output_without_the_axis() -> Case:
    """The sum over all rows cannot be put together from pieces."""
    made = build(
        [given("x", "float32", ["batch", 3])],
        [answer("y", "float32", [3])],
        [node("ReduceMax", "x axes", "y", keepdims=0)],
        lambda inputs: {"y": inputs["x"].max(0)},
        {"axes": grid(1, dtype="int64", start=0)},
    )
    made.tree["batch"] = {"symbol": "batch"}
    return batch(made.seal(), {"x": grid(4, 3)}, UNSUPPORTED, ".", batch_size=2)


@invalid("B1")
def batch_with_states() -> Case:
    """Pieces would all begin from one state."""
    made = scale()
    made.tree["states"] = [{"input": "x", "output": "y"}]
    return batch(made, {"x": grid(4, 3)}, UNSUPPORTED, ".", batch_size=2)


@invalid("B1")
def batch_symbol_twice_in_one_input() -> Case:
    """It is not clear along which axis to cut."""
    made = build(
        [given("x", "float32", ["n", "n"])],
        [answer("y", "float32", ["n"])],
        [node("ReduceMax", "x axes", "y", keepdims=0)],
        lambda inputs: {"y": inputs["x"].max(1)},
        {"axes": grid(1, dtype="int64", start=1)},
    )
    made.tree["batch"] = {"symbol": "n"}
    return batch(made.seal(), {"x": grid(2, 2)}, UNSUPPORTED, ".", batch_size=2)


@invalid("B2")
def batch_size_not_given() -> Case:
    """Rows depend on their batch-mates, so the caller chooses."""
    return batch("depends_on_batch_mates", {"x": grid(4, 3)}, "batch_size_required", ".")


@invalid("B3")
def batch_size_zero() -> Case:
    """Pieces of no rows."""
    return batch("scale_rows", {"x": grid(4, 3)}, "batch_size_invalid", ".", batch_size=0)


@invalid("B3")
def batch_size_negative() -> Case:
    """Pieces of less than no rows."""
    return batch("scale_rows", {"x": grid(4, 3)}, "batch_size_invalid", ".", batch_size=-1)


@invalid("B3")
def batch_size_not_the_fixed_one() -> Case:
    """The model takes exactly two rows."""
    return batch("batch_of_fixed_size", {"x": grid(4, 3)}, "batch_size_invalid", ".", batch_size=4)


@invalid("C6")
def batch_no_multiple_of_the_fixed_size() -> Case:
    """Nothing is padded."""
    return batch("batch_of_fixed_size", {"x": grid(3, 3)}, "input_shape_mismatch", "x", batch_size=2)


@invalid("C7")
def batch_of_no_rows_in_pieces() -> Case:
    """No piece at all is refused as an empty batch is."""
    return batch("scale_rows", {"x": grid(0, 3)}, "input_empty", "x", batch_size=2)


@invalid("C10")
def batch_with_a_fault_in_its_last_piece() -> Case:
    """The whole is checked before the first piece runs."""
    rows = grid(5, 3)
    rows[4, 2] = float("nan")
    return batch("scale_rows", {"x": rows}, "input_not_finite", "x", batch_size=2)


@invalid("C12")
def batch_with_an_output_of_another_length() -> Case:
    """The output says `batch`, and the model answers twice as many rows."""
    made = build(
        [given("x", "float32", ["batch", 3])],
        [answer("y", "float32", ["batch", 3])],
        [node("Concat", "x x", "y", axis=0)],
        lambda inputs: {"y": inputs["x"]},
    )
    made.tree["batch"] = {"symbol": "batch"}
    return batch(made.seal(), {"x": grid(4, 3)}, UNSUPPORTED, "y", batch_size=2)


@invalid("C12")
def batch_with_pieces_of_different_widths() -> Case:
    """The model cuts columns off at the largest value that it sees, so the pieces do not fit together."""
    made = build(
        [given("x", "int64", ["batch", 3])],
        [answer("y", "int64", ["batch", "columns"])],
        [
            node("ReduceMax", "x", "top", keepdims=0),
            node("Unsqueeze", "top zero", "end"),
            node("Slice", "x zero end one", "y"),
        ],
        lambda inputs: {"y": inputs["x"][:, : inputs["x"].max()]},
        {"zero": np.array([0]), "one": np.array([1])},
    )
    made.tree["batch"] = {"symbol": "batch"}
    rows = np.array([[1, 1, 1], [2, 1, 1], [1, 3, 1], [0, 0, 0]])
    return batch(made.seal(), {"x": rows}, UNSUPPORTED, "y", batch_size=2)


def two_fixed() -> Bundle:
    """The sum of two inputs of exactly two rows."""
    made = build(
        [given("a", "float32", [2, 3]), given("b", "float32", [2, 3])],
        [answer("y", "float32", [2, 3])],
        [node("Add", "a b", "y")],
        lambda inputs: {"y": inputs["a"] + inputs["b"]},
    )
    made.tree["batch"] = {"size": 2}
    return made.seal()


@invalid("C6")
def batch_of_fixed_size_with_two_lengths() -> Case:
    """Four rows and two rows: each is a multiple of two, and they are not as many."""
    inputs = {"a": grid(4, 3), "b": grid(2, 3)}
    return batch(two_fixed(), inputs, "input_shape_mismatch", "b", batch_size=2)


@invalid("C8")
def batch_with_two_lengths() -> Case:
    """`batch` is 4 in one input and 2 in the other."""
    made = two_fixed()
    for tensor in (*made.tree["inputs"], *made.tree["outputs"]):
        tensor["shape"] = ["batch", 3]
    made = build(made.tree["inputs"], made.tree["outputs"], [node("Add", "a b", "y")], made.compute)
    made.tree["batch"] = {"symbol": "batch"}
    inputs = {"a": grid(4, 3), "b": grid(2, 3)}
    return batch(made.seal(), inputs, "input_symbol_conflict", "b", batch_size=2)


@invalid("C6")
def batch_of_fixed_size_of_no_rows() -> Case:
    """0 is a multiple of every number, and no batch."""
    return batch("batch_of_fixed_size", {"x": grid(0, 3)}, "input_shape_mismatch", "x", batch_size=2)


@invalid("C6")
def predict_of_two_fixed_batches() -> Case:
    """Only `predict_batch` takes more than the fixed size."""
    request = call("predict", fail("input_shape_mismatch", "x"), inputs=tensors({"x": grid(4, 3)}))
    return Case([open_(), request], bundle="batch_of_fixed_size")


@invalid("B1")
def batch_of_a_model_without_inputs() -> Case:
    """Nothing says how many rows there are."""
    made = build(
        [],
        [answer("y", "float32", [2])],
        [node("Identity", "c", "y")],
        lambda inputs: {"y": grid(2)},
        {"c": grid(2)},
    )
    made.tree["batch"] = {"size": 2}
    return batch(made.seal(), {}, UNSUPPORTED, ".", batch_size=2)
