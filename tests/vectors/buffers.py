"""Output buffers that are refused, and bound inputs."""

import copy

import numpy as np

from tests.vectors.calls import MIXED, SCALE, scale_with
from tests.vectors.case import Case, call, fail, invalid, open_
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
