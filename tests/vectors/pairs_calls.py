"""Two faults of neighbouring checks of a call: the first check decides."""

import copy

import numpy as np

from tests.vectors.bases import scale
from tests.vectors.calls import MIXED, SCALE, scale_with
from tests.vectors.case import Case, call, call_fault, fail, invalid, open_
from tests.vectors.kit import Bundle, answer, build, given, grid
from tests.vectors.model import node
from tests.vectors.tensor import tensor, tensors


@invalid("C1", "C2")
def both_C1_C2() -> Case:
    """A closed predictor, and an input that it never had."""
    inputs = tensors({"x": grid(2, 3), "z": grid(2, 3)})
    steps = [open_(), call("close"), call("predict", fail("predictor_closed", "."), inputs=inputs)]
    return Case(steps, bundle="scale_rows")


@call_fault("C2 C3", "input_unknown", "X", SCALE)
def both_C2_C3(request):
    """A misspelt name: unknown here, missing there."""
    request["inputs"]["X"] = request["inputs"].pop("x")


@call_fault("C3 C4", "input_missing", "index", MIXED)
def both_C3_C4(request):
    """The first input has another dtype, the last is missing."""
    del request["inputs"]["index"]
    request["inputs"]["rows"] = tensor(grid(2, 3, dtype="float64"))


@call_fault("C4 C5", "input_dtype_mismatch", "x", SCALE)
def both_C4_C5(request):
    """Another dtype and another rank."""
    request["inputs"]["x"] = tensor(grid(3, dtype="float64"))


@call_fault("C5 C6", "input_rank_mismatch", "x", SCALE)
def both_C5_C6(request):
    """An axis too many, and the fixed one of another size."""
    request["inputs"]["x"] = tensor(grid(2, 2, 2))


@call_fault("C6 C7", "input_shape_mismatch", "x", SCALE)
def both_C6_C7(request):
    """No rows of two columns."""
    request["inputs"]["x"] = tensor(grid(0, 2))


@call_fault("C7 C8", "input_empty", "other", MIXED)
def both_C7_C8(request):
    """No rows where another input has two."""
    request["inputs"]["other"] = tensor(grid(0, 3))


def cube() -> Bundle:
    """One input with one symbol on two axes and another on the third."""
    made = build(
        [given("x", "float32", ["n", "n", "m"])],
        [answer("y", "float32", ["n", "n", "m"])],
        [node("Neg", "x", "y")],
        lambda inputs: {"y": -inputs["x"]},
    )
    return made.seal()


@invalid("C7", "C8")
def both_C7_C8_of_one_input() -> Case:
    """All sizes of 0 come before the first conflict, also where the conflict is on an earlier axis."""
    request = call("predict", fail("input_empty", "x"), inputs=tensors({"x": grid(2, 3, 0)}))
    return Case([open_(), request], bundle=cube())


@invalid("C6", "C8")
def both_C6_C8_of_one_input() -> Case:
    """Fixed sizes come before symbols, also on a later axis."""
    made = cube()
    for side in (*made.tree["inputs"], *made.tree["outputs"]):
        side["shape"] = ["n", "n", 4]
    request = call("predict", fail("input_shape_mismatch", "x"), inputs=tensors({"x": grid(2, 3, 1)}))
    return Case([open_(), request], bundle=made)


@call_fault("C9", "input_value", "flags", MIXED)
def values_in_manifest_order(request):
    """Two inputs with a wrong value: the first in manifest order."""
    request["inputs"]["words"]["data"][0] = "ff"
    request["inputs"]["flags"]["data"] = "0102"


@call_fault("C4 C8", "input_symbol_conflict", "flags", MIXED)
def both_C8_of_one_input_C4_of_the_next(request):
    """All of C4 to C8 for one input comes before the next input."""
    request["inputs"]["flags"] = tensor(np.array([True, False, True]))
    request["inputs"]["index"] = tensor(np.array([3, 0], np.int32))


@call_fault("C8 C9", "input_symbol_conflict", "index", MIXED)
def both_C8_C9(request):
    """A bool byte of 2, and a later input of another length."""
    request["inputs"]["flags"]["data"] = "0102"
    request["inputs"]["index"] = tensor(np.array([3, 0, 1]))


@call_fault("C9 C10", "input_value", "flags", MIXED)
def both_C9_C10(request):
    """NaN in the first input, and a bool byte of 2 in a later one."""
    request["inputs"]["rows"] = tensor(scale_with(np.nan))
    request["inputs"]["flags"]["data"] = "0102"


@call_fault("C10 C11", "input_not_finite", "rows", MIXED)
def both_C10_C11(request):
    """NaN, and an index on which the model would fail."""
    request["inputs"]["rows"] = tensor(scale_with(np.nan))
    request["inputs"]["index"] = tensor(np.array([0, 4]))


@invalid("B1", "B2")
def both_B1_B2() -> Case:
    """No batch axis, rows that depend on each other, and no size."""
    bundle = scale()
    del bundle.tree["batch"]
    bundle.tree["variants"][0]["batch_invariant"] = False
    request = call("predict_batch", fail("batch_unsupported", "."), inputs=tensors({"x": grid(4, 3)}))
    return Case([open_(), request], bundle=bundle)


@invalid("B1", "B3")
def both_B1_B3() -> Case:
    """No batch axis, and pieces of no rows."""
    inputs = copy.deepcopy(tensors(MIXED[1]))
    request = call("predict_batch", fail("batch_unsupported", "."), inputs=inputs, batch_size=0)
    return Case([open_(), request], bundle="several_tensors")


@invalid("C1", "B1")
def both_C1_B1() -> Case:
    """A closed predictor of a model without a batch axis."""
    request = call("predict_batch", fail("predictor_closed", "."), inputs=tensors(MIXED[1]), batch_size=1)
    return Case([open_(), call("close"), request], bundle="several_tensors")


@invalid("B3", "C2")
def both_B3_C2() -> Case:
    """Pieces of no rows of an input that is not there."""
    request = call(
        "predict_batch", fail("batch_size_invalid", "."), inputs=tensors({"z": grid(4, 3)}), batch_size=0
    )
    return Case([open_(), request], bundle="scale_rows")
