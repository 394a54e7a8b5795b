"""Output buffers and bound inputs."""

import copy

import numpy as np

from tests.vectors.bases import mixed
from tests.vectors.calls import MIXED, SCALE, scale_with
from tests.vectors.case import Case, call, fail, invalid, open_, valid
from tests.vectors.kit import Bundle, answer, build, given
from tests.vectors.model import node
from tests.vectors.tensor import tensor, tensors


def _buffers(op: str, code: str, name: str, **changed: object) -> Case:
    inputs = copy.deepcopy(tensors(SCALE[1]))
    outputs = {name: {"dtype": "float32", "shape": [2, 3], "data": "", **changed}}
    return Case([open_(), call(op, fail(code, name), inputs=inputs, outputs=outputs)], bundle="scale_rows")


@invalid("C10")
def predict_into_an_unknown_output() -> Case:
    """No output has that name."""
    return _buffers("predict_into", "output_unknown", "prob")


@invalid("C10")
def predict_into_a_buffer_of_another_shape() -> Case:
    """A buffer for one row more."""
    return _buffers("predict_into", "buffer_unsuitable", "y", shape=[3, 3])


@invalid("C10")
def predict_into_a_buffer_of_another_dtype() -> Case:
    """A buffer of float64."""
    return _buffers("predict_into", "buffer_unsuitable", "y", dtype="float64")


@invalid("C10")
def bind_an_unaligned_buffer() -> Case:
    """A bound buffer is used in place, so it starts at a multiple of 16."""
    return _buffers("bind", "buffer_unsuitable", "y", offset=4)


@invalid("C10")
def bind_an_unaligned_input() -> Case:
    """The same holds for bound inputs."""
    case = _buffers("bind", "buffer_unsuitable", "y")
    case.steps[1]["inputs"]["x"]["offset"] = 8
    case.steps[1]["expect"] = fail("buffer_unsuitable", "x")
    return case


@invalid("C10")
def predict_into_with_a_bad_input_and_a_bad_buffer() -> Case:
    """Inputs are checked before output buffers."""
    case = _buffers("predict_into", "output_unknown", "prob")
    case.steps[1]["inputs"]["x"] = tensor(scale_with(np.nan))
    case.steps[1]["expect"] = fail("input_not_finite", "x")
    return case


@invalid("C10")
def predict_into_unknown_outputs_in_byte_order() -> Case:
    """The first in byte order, whatever order they were given in."""
    case = _buffers("predict_into", "output_unknown", "b")
    case.steps[1]["outputs"]["a"] = case.steps[1]["outputs"]["b"]
    case.steps[1]["expect"] = fail("output_unknown", "a")
    return case


@invalid("C10")
def predict_into_a_buffer_of_strings() -> Case:
    """Strings have no fixed place in memory."""
    outputs = {"same": tensor(MIXED[1]["words"])}
    request = call(
        "predict_into", fail("buffer_unsuitable", "same"), inputs=tensors(MIXED[1]), outputs=outputs
    )
    return Case([open_(), request], bundle="several_tensors")


@invalid("C10")
def predict_into_a_buffer_of_another_rank() -> Case:
    """As many elements, on one axis."""
    return _buffers("predict_into", "buffer_unsuitable", "y", shape=[6])


@invalid("C10")
def bind_a_buffer_of_another_rank() -> Case:
    """As many elements, on one axis more."""
    return _buffers("bind", "buffer_unsuitable", "y", shape=[2, 3, 1])


@invalid("C10")
def bind_a_buffer_of_another_dtype() -> Case:
    """As many bytes."""
    return _buffers("bind", "buffer_unsuitable", "y", dtype="int32")


@invalid("C10")
def bind_an_unknown_output() -> Case:
    """No output has that name, which comes before an input at an unaligned address."""
    case = _buffers("bind", "output_unknown", "prob")
    case.steps[1]["inputs"]["x"]["offset"] = 4
    return case


@invalid("C10")
def bind_an_unaligned_input_and_an_unsuitable_buffer() -> Case:
    """Inputs come before outputs."""
    case = _buffers("bind", "buffer_unsuitable", "y", shape=[7, 3])
    case.steps[1]["inputs"]["x"]["offset"] = 4
    case.steps[1]["expect"] = fail("buffer_unsuitable", "x")
    return case


@invalid("C10")
def bind_a_value_that_is_not_finite_at_an_unaligned_address() -> Case:
    """The checks of a call come before those of its buffers."""
    case = _buffers("bind", "output_unknown", "prob")
    case.steps[1]["inputs"]["x"] = tensor(scale_with(np.inf), offset=4)
    case.steps[1]["expect"] = fail("input_not_finite", "x")
    return case


def _mixed(op: str, expect: dict, outputs: dict, **inputs: dict) -> Case:
    request = call(op, expect, inputs=tensors(MIXED[1]) | inputs, outputs=outputs)
    return Case([open_(), request], bundle="several_tensors")


def _sized(dtype: str, *shape: int) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data": ""}


@invalid("C10")
def predict_into_buffers_in_manifest_order() -> Case:
    """Two buffers are too long: the first output in manifest order, not in byte order."""
    outputs = {"not": _sized("bool", 3), "sum": _sized("float32", 3, 3)}
    return _mixed("predict_into", fail("buffer_unsuitable", "sum"), outputs)


@invalid("C10", "C11")
def predict_into_a_wrong_buffer_where_the_model_fails() -> Case:
    """Buffers are checked before the model runs."""
    index = tensor(np.array([0, 4]))
    outputs = {"sum": _sized("float32", 3, 3)}
    return _mixed("predict_into", fail("buffer_unsuitable", "sum"), outputs, index=index)


@invalid("C11")
def bind_where_the_model_fails() -> Case:
    """A bound run fails as any other does."""
    index = tensor(np.array([0, 4]))
    outputs = {"picked": _sized("float32", 2)}
    return _mixed("bind", fail("runtime_failure", "."), outputs, index=index)


@invalid("C10")
def bind_a_buffer_of_strings() -> Case:
    """Strings have no fixed place in memory."""
    outputs = {"same": tensor(MIXED[1]["words"])}
    return _mixed("bind", fail("buffer_unsuitable", "same"), outputs)


def large_columns() -> Bundle:
    """The columns that hold a number above 1 anywhere: how many, only the model knows."""
    made = build(
        [given("x", "float32", ["rows", "columns"])],
        [answer("y", "float32", ["rows", "kept"]), answer("twice", "float32", ["rows", "columns"])],
        [
            node("ReduceMax", "x first", "top", keepdims=0),
            node("Greater", "top one", "keep"),
            node("Compress", "x keep", "y", axis=1),
            node("Add", "x x", "twice"),
        ],
        lambda inputs: {"y": inputs["x"][:, inputs["x"].max(0) > 1], "twice": inputs["x"] * 2},
        {"first": np.array([0]), "one": np.array(1, np.float32)},
    )
    return made.seal()


def _kept(op: str) -> Case:
    request = call(
        op, fail("buffer_unsuitable", "y"), inputs=tensors(SCALE[1]), outputs={"y": _sized("float32", 2, 3)}
    )
    return Case([open_(), request], bundle=large_columns())


@invalid("C11")
def predict_into_a_buffer_of_a_size_that_only_the_model_knows() -> Case:
    """The size is compared after the run, which keeps two columns."""
    return _kept("predict_into")


@invalid("C11")
def bind_a_buffer_of_a_size_that_only_the_model_knows() -> Case:
    """The size is compared after each run, which keeps two columns."""
    return _kept("bind")


@valid("C11")
def buffers_of_a_size_that_only_the_model_knows() -> Case:
    """The size fits, for one run and for three."""
    made = large_columns()
    right = made.compute(SCALE[1])
    outputs = {name: one | {"data": ""} for name, one in tensors(right).items()}
    expect = {"ok": True, "outputs": tensors(right)}
    request = {"inputs": tensors(SCALE[1]), "outputs": outputs}
    steps = [call("predict_into", expect, **request), call("bind", expect, **request, runs=3)]
    return Case([open_(), *steps], bundle=made)


@valid("C11")
def bind_without_a_buffer() -> Case:
    """Nothing is wanted, and the model runs all the same."""
    request = call("bind", {"ok": True, "outputs": {}}, inputs=tensors(SCALE[1]), outputs={}, runs=2)
    return Case([open_(), request], bundle="scale_rows")


@valid("C9", "C11")
def bind_with_strings_among_the_inputs() -> Case:
    """Strings may be bound as inputs, and outputs in any number may be left out."""
    inputs = tensors(MIXED[1])
    right = mixed().compute(MIXED[1])
    steps = []
    for names in (("sum", "not", "picked"), ("picked",)):
        wanted = tensors({name: right[name] for name in names})
        outputs = {name: one | {"data": ""} for name, one in wanted.items()}
        steps.append(call("bind", {"ok": True, "outputs": wanted}, inputs=inputs, outputs=outputs, runs=2))
    return Case([open_(), *steps], bundle="several_tensors")
