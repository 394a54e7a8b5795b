"""Calls that are refused or fail: C1 to C12, and output buffers."""

import numpy as np

from tests.vectors.bases import mixed_inputs, scale
from tests.vectors.case import Case, call, call_fault, fail, invalid, open_
from tests.vectors.kit import MODEL, Bundle, grid
from tests.vectors.model import encode, node
from tests.vectors.model import model as write_model
from tests.vectors.tensor import strings, tensor, tensors
from tests.vectors.valid_dtypes import samples

SCALE = ("scale_rows", {"x": grid(2, 3)})
MIXED = ("several_tensors", mixed_inputs())


def scale_with(value: float) -> np.ndarray:
    """Good rows with one other value near the end."""
    rows = grid(2, 3)
    rows[1, 1] = value
    return rows


def invalid_on_scale(number: str, code: str, options: dict | None = None):
    """Register a wrong call with input `x`."""
    return call_fault(number, code, "x", SCALE, options)


def on_mixed(number: str, code: str, name: str):
    """Register a wrong call on the bundle of several inputs."""
    return call_fault(number, code, name, MIXED)


@invalid("C1")
def predict_after_close() -> Case:
    """A closed predictor says so; closing twice is allowed."""
    ended = call("predict", fail("predictor_closed", "."), inputs=tensors(SCALE[1]))
    return Case([open_(), call("close"), call("close"), ended], bundle="scale_rows")


@invalid("C1")
def self_test_after_close() -> Case:
    """Every call says so."""
    return Case(
        [open_(), call("close"), call("self_test", fail("predictor_closed", "."))], bundle="scale_rows"
    )


@call_fault("C2", "input_unknown", "X", SCALE)
def input_name_in_upper_case(request):
    """Names are compared byte by byte."""
    request["inputs"]["X"] = request["inputs"]["x"]


@call_fault("C2", "input_unknown", "Q", SCALE)
def inputs_unknown_in_byte_order(request):
    """The first in byte order, whatever order they were given in."""
    request["inputs"]["q"] = request["inputs"]["Q"] = request["inputs"]["x"]


@on_mixed("C3", "input_missing", "other")
def inputs_missing_in_manifest_order(request):
    """The first in manifest order: `other` comes before `flags` there."""
    del request["inputs"]["flags"], request["inputs"]["other"]


@invalid_on_scale("C4", "input_dtype_mismatch")
def input_float64(request):
    """Nothing is cast."""
    request["inputs"]["x"] = tensor(grid(2, 3, dtype="float64"))


@on_mixed("C4", "input_dtype_mismatch", "index")
def input_int32_for_int64(request):
    """A narrower integer is another dtype."""
    request["inputs"]["index"] = tensor(np.array([3, 0], np.int32))


@on_mixed("C4", "input_dtype_mismatch", "flags")
def input_uint8_for_bool(request):
    """The same bytes with another meaning."""
    request["inputs"]["flags"] = tensor(np.array([1, 0], np.uint8))


@invalid_on_scale("C4", "input_dtype_mismatch")
def input_in_big_endian_order(request):
    """Right numbers, wrong bytes."""
    request["inputs"]["x"]["byte_order"] = "big"


@invalid_on_scale("C5", "input_rank_mismatch")
def input_of_rank_one(request):
    """One row without its batch axis."""
    request["inputs"]["x"] = tensor(grid(3))


@invalid_on_scale("C5", "input_rank_mismatch")
def input_of_rank_zero(request):
    """A single number is not broadcast."""
    request["inputs"]["x"] = tensor(np.array(1, np.float32))


@invalid_on_scale("C6", "input_shape_mismatch")
def input_one_column_short(request):
    """The fixed axis has size 3."""
    request["inputs"]["x"] = tensor(grid(2, 2))


@invalid_on_scale("C6", "input_shape_mismatch")
def input_with_a_column_of_one(request):
    """Size 1 is not broadcast to 3."""
    request["inputs"]["x"] = tensor(grid(2, 1))


@call_fault("C6", "input_shape_mismatch", "x", ("zero_sizes", {"x": grid(0, 3)}))
def input_of_one_row_where_the_manifest_says_none(request):
    """A fixed size may be 0, and then 1 is wrong."""
    request["inputs"]["x"] = tensor(grid(1, 3))


@invalid_on_scale("C7", "input_empty")
def batch_of_no_rows(request):
    """A symbol is at least 1."""
    request["inputs"]["x"] = tensor(grid(0, 3))


@on_mixed("C8", "input_symbol_conflict", "other")
def symbol_with_two_values(request):
    """`batch` is 2 in `rows` and 3 in `other`."""
    request["inputs"]["other"] = tensor(grid(3, 3))


@on_mixed("C8", "input_symbol_conflict", "flags")
def symbol_of_one_row_is_not_broadcast(request):
    """`batch` is 2 first; 1 is another value."""
    request["inputs"]["flags"] = tensor(np.array([True]))


@call_fault("C8", "input_symbol_conflict", "x", ("square", {"x": grid(2, 2)}))
def symbol_with_two_values_in_one_input(request):
    """Both axes of `x` are `n`."""
    request["inputs"]["x"] = tensor(grid(2, 3))


@on_mixed("C9", "input_value", "flags")
def bool_byte_of_two(request):
    """A bool is 0 or 1; kernels do different things with 2."""
    request["inputs"]["flags"]["data"] = "0102"


@on_mixed("C9", "input_value", "words")
def string_with_a_nul(request):
    """Some bindings would cut the string there."""
    request["inputs"]["words"]["data"][2] = "610062"


@on_mixed("C9", "input_value", "words")
def string_of_invalid_utf_8(request):
    """A byte 0xFF."""
    request["inputs"]["words"]["data"][0] = "ff"


@on_mixed("C9", "input_value", "words")
def string_with_a_surrogate(request):
    """U+D800 in three bytes, which is not valid UTF-8."""
    request["inputs"]["words"]["data"][0] = "eda080"


def _not_finite(function):
    return invalid_on_scale("C10", "input_not_finite")(function)


@_not_finite
def input_not_a_number(request):
    """A broken sensor."""
    request["inputs"]["x"] = tensor(scale_with(np.nan))


@_not_finite
def input_infinite(request):
    """An overflow before the model."""
    request["inputs"]["x"] = tensor(scale_with(np.inf))


@_not_finite
def input_infinite_below_zero(request):
    """The other infinity, with its elements at an unaligned address."""
    request["inputs"]["x"] = tensor(scale_with(-np.inf), offset=4)


@_not_finite
def input_not_a_number_with_a_payload(request):
    """A signalling NaN with the sign bit set."""
    data = request["inputs"]["x"]["data"]
    request["inputs"]["x"]["data"] = data[:-8] + "010080ff"


@call_fault("C10", "input_not_finite", "other", MIXED, {"finite": ["other"]})
def input_not_finite_by_option(request):
    """The manifest lets `other` hold NaN, and the caller does not."""
    request["inputs"]["other"] = tensor(scale_with(np.nan))


@call_fault("C10", "input_not_finite", "half", ("every_dtype", samples()))
def input_float16_not_finite(request):
    """The check knows every float."""
    request["inputs"]["half"] = tensor(np.array([1, np.inf], np.float16))


@call_fault("C11", "runtime_failure", ".", MIXED)
def index_out_of_range_inside_the_model(request):
    """A Gather over a table of four rows."""
    request["inputs"]["index"] = tensor(np.array([0, 4]))


def columns_lost() -> Bundle:
    """A sealed bundle that promises three columns of a model whose columns no one knows before it runs."""
    bundle = scale()
    tree = bundle.tree
    outputs = [tree["outputs"][0] | {"shape": ["batch", "n"]}]
    nodes = [node("Compress", "x keep", "y", axis=1)]
    keep = {"keep": np.array([True, False, True])}
    bundle.files[MODEL] = encode(write_model(tree["inputs"], outputs, nodes, keep))
    return bundle.seal()


@invalid("C12")
def output_of_another_size() -> Case:
    """The manifest promises three columns and the model answers two."""
    inputs = tensors(SCALE[1])
    steps = [open_(), call("predict", fail("output_mismatch", "y"), inputs=inputs)]
    return Case(steps, bundle=columns_lost())


@invalid("C12")
def output_of_a_size_beyond_memory() -> Case:
    """More rows are promised than there can be, and the model answers two: nobody makes memory first."""
    made = scale()
    made.tree["outputs"][0]["shape"] = [2**53 - 1, 3]
    steps = [open_(), call("predict", fail("output_mismatch", "y"), inputs=tensors(SCALE[1]))]
    return Case(steps, bundle=made)


@invalid("C12")
def output_of_another_rank() -> Case:
    """The manifest promises two axes and the caller asks for three, which the library cannot foresee."""
    inputs = {"x": grid(8), "shape": np.array([2, 2, 2])}
    steps = [open_(), call("predict", fail("output_mismatch", "y"), inputs=tensors(inputs))]
    return Case(steps, bundle="rank_unknown_to_the_library")


@call_fault("C9", "input_value", "x", ("string_rows", {"x": strings("a")}))
def string_that_is_only_a_nul(request):
    """One byte, and it is 0."""
    request["inputs"]["x"]["data"][0] = "00"
