"""Calls other than `predict` that succeed."""

import numpy as np

from tests.vectors.bases import fixed_batch, mixed, mixed_inputs, not_invariant, scale
from tests.vectors.case import Case, call, open_, predict, self_test, valid
from tests.vectors.kit import MODEL, answer, build, given, grid
from tests.vectors.model import encode, node
from tests.vectors.model import model as write_model
from tests.vectors.tensor import Tensors, tensors


def buffers(arrays: Tensors) -> dict:
    """Output buffers: what is in them does not matter."""
    return {name: one | {"data": ""} for name, one in tensors(arrays).items()}


@valid("C11", "section 7")
def scale_rows() -> Case:
    """`y = 2 x + 1` for one row, two and five."""
    made = scale()
    steps = [predict(made, {"x": grid(rows, 3)}) for rows in (1, 2, 5)]
    return Case([open_(), *steps, self_test()], bundle=made)


@valid("C11", "section 7")
def several_tensors() -> Case:
    """Inputs and outputs of several dtypes that share a symbol."""
    made = mixed()
    return Case([open_(), predict(made, mixed_inputs()), self_test()], bundle=made)


@valid("B1", "B3")
def batch_in_pieces() -> Case:
    """Five rows in pieces of two: the last piece is shorter."""
    made, inputs = scale(), {"x": grid(5, 3)}
    steps = [predict(made, inputs, "predict_batch", batch_size=size) for size in (1, 2, 5, 100)]
    return Case([open_(), *steps], bundle=made)


@valid("B2")
def batch_at_once() -> Case:
    """Without a size the whole goes at once, where rows do not depend on each other."""
    made = scale()
    return Case([open_(), predict(made, {"x": grid(5, 3)}, "predict_batch")], bundle=made)


@valid("B3", "C6")
def batch_of_fixed_size() -> Case:
    """Six rows through a model of exactly two, with and without saying so."""
    made, inputs = fixed_batch(), {"x": grid(6, 3)}
    steps = [predict(made, inputs, "predict_batch", batch_size=2), predict(made, inputs, "predict_batch")]
    return Case([open_(), *steps], bundle=made)


@valid("B2")
def batch_whose_rows_depend_on_each_other() -> Case:
    """The caller's pieces are computed one by one, so the answer is that of each piece."""
    made, rows = not_invariant(), grid(5, 3)
    pieces = [made.compute({"x": rows[at : at + 2]})["y"] for at in (0, 2, 4)]
    expect = {"ok": True, "outputs": tensors({"y": np.concatenate(pieces)})}
    step = call("predict_batch", expect, inputs=tensors({"x": rows}), batch_size=2)
    return Case([open_(), step], bundle=made)


@valid("B1")
def batch_along_other_axes() -> Case:
    """The symbol stands on axis 1 of one input and one output; an input without it goes to each piece."""
    made = build(
        [
            given("x", "float32", [2, "lot"]),
            given("flag", "bool", ["lot"]),
            given("shift", "float32", [2, 1]),
        ],
        [answer("y", "float32", [2, "lot"]), answer("not", "bool", ["lot"])],
        [node("Add", "x shift", "y"), node("Not", "flag", "not")],
        lambda inputs: {"y": inputs["x"] + inputs["shift"], "not": ~inputs["flag"]},
    )
    made.tree["batch"] = {"symbol": "lot"}
    inputs = {"x": grid(2, 5), "flag": np.array([1, 0, 1, 1, 0], bool), "shift": grid(2, 1)}
    steps = [predict(made, inputs, "predict_batch", batch_size=size) for size in (1, 2, 3)]
    return Case([open_(), *steps], bundle=made.seal())


@valid("C11")
def predict_into_buffers() -> Case:
    """Outputs are written into the caller's buffers, some or all."""
    made, inputs = mixed(), mixed_inputs()
    right = made.compute(inputs)
    steps = []
    for names in (("sum",), ("picked", "not"), ("sum", "not", "picked")):
        wanted = {name: right[name] for name in names}
        expect = {"ok": True, "outputs": tensors(wanted)}
        steps.append(call("predict_into", expect, inputs=tensors(inputs), outputs=buffers(wanted)))
    return Case([open_(), *steps], bundle=made)


@valid("C11")
def predict_into_an_unaligned_buffer() -> Case:
    """Only bound buffers must be aligned."""
    made, inputs = scale(), {"x": grid(2, 3)}
    right = made.compute(inputs)
    outputs = {"y": buffers(right)["y"] | {"offset": 4}}
    expect = {"ok": True, "outputs": tensors(right)}
    step = call("predict_into", expect, inputs=tensors(inputs, offset=12), outputs=outputs)
    return Case([open_(), step], bundle=made)


@valid("C11")
def bind_and_run_thrice() -> Case:
    """A bound call runs again and again."""
    made, inputs = scale(), {"x": grid(4, 3)}
    right = made.compute(inputs)
    expect = {"ok": True, "outputs": tensors(right)}
    step = call("bind", expect, inputs=tensors(inputs), outputs=buffers(right), runs=3)
    return Case([open_(), step, predict(made, inputs)], bundle=made)


@valid("C1")
def opened_again() -> Case:
    """Opening a handle that is open closes it first; opening one that was closed brings it back."""
    made, inputs = scale(), {"x": grid(2, 3)}
    steps = [open_(), open_(), predict(made, inputs), call("close"), open_(), predict(made, inputs)]
    return Case(steps, bundle=made)


@valid("B2")
def depends_on_batch_mates() -> Case:
    """`predict` needs no batch size, whatever rows depend on."""
    made = not_invariant()
    return Case([open_(), predict(made, {"x": grid(4, 3)}), self_test()], bundle=made)


@valid("P6", "C12")
def rank_unknown_to_the_library() -> Case:
    """Reshape by an input of unknown length: the library reports rank 0, which is not compared."""
    made = build(
        [given("x", "float32", ["n"]), given("shape", "int64", ["rank"])],
        [answer("y", "float32", ["a", "b"])],
        [node("Reshape", "x shape", "y")],
        lambda inputs: {"y": inputs["x"].reshape(inputs["shape"])},
    )
    unknown = [{"name": "y", "dtype": "float32", "shape": None}]
    made.files[MODEL] = encode(write_model(made.tree["inputs"], unknown, [node("Reshape", "x shape", "y")]))
    steps = [predict(made, {"x": grid(6), "shape": np.array(shape)}) for shape in ([2, 3], [6, 1])]
    return Case([open_(), *steps], bundle=made.seal())


@valid("C11")
def predict_into_no_buffer() -> Case:
    """No outputs are wanted, and none are told."""
    request = call("predict_into", {"ok": True, "outputs": {}}, inputs=tensors({"x": grid(2, 3)}), outputs={})
    return Case([open_(), request], bundle=scale())
