"""Requests and tensors that are misspelt, so that nothing is there to be checked: DRIVER.md, before C1."""

from tests.vectors.calls import MIXED, SCALE
from tests.vectors.case import Case, call, call_fault, fail, invalid, open_
from tests.vectors.tensor import tensors

USAGE = "usage_invalid"


def _misspelt(function):
    return call_fault("C1", USAGE, "predict", SCALE)(function)


def _misspelt_strings(function):
    return call_fault("C1", USAGE, "predict", MIXED)(function)


@_misspelt
def tensor_with_too_little_data(request):
    """23 bytes for six float32."""
    request["inputs"]["x"]["data"] = request["inputs"]["x"]["data"][:-2]


@_misspelt
def tensor_with_too_much_data(request):
    """One element more than the shape says."""
    request["inputs"]["x"]["data"] += "00000000"


@_misspelt
def tensor_of_one_byte(request):
    """One byte is not spread over six elements."""
    request["inputs"]["x"]["data"] = "00"


@_misspelt
def tensor_with_negative_sizes(request):
    """The product is right, and the sizes are none."""
    request["inputs"]["x"]["shape"] = [-2, -3]


@_misspelt
def tensor_with_an_offset_of_sixteen(request):
    """Offsets are 0 to 15."""
    request["inputs"]["x"]["offset"] = 16


@_misspelt
def request_without_inputs(request):
    """A field is missing."""
    del request["inputs"]


@_misspelt
def request_without_a_handle(request):
    """A field is missing, which is no handle either."""
    del request["handle"]


@call_fault("C1", USAGE, "bind", SCALE)
def bind_without_outputs(request):
    """An empty object says that none is wanted; no object says nothing."""
    request["op"] = "bind"


@_misspelt
def tensor_with_half_a_byte(request):
    """Two digits a byte."""
    request["inputs"]["x"]["data"] = request["inputs"]["x"]["data"][:-1]


@_misspelt
def tensor_with_other_digits(request):
    """No hex digits."""
    request["inputs"]["x"]["data"] = "zz" * 24


@_misspelt
def tensor_of_a_dtype_that_the_format_lacks(request):
    """Before anything is known of the input: there is no such dtype."""
    request["inputs"]["x"]["dtype"] = "bfloat16"


@_misspelt
def tensor_of_numbers_with_a_list_of_data(request):
    """Only strings come one by one."""
    request["inputs"]["x"]["data"] = [request["inputs"]["x"]["data"]]


@_misspelt_strings
def tensor_of_strings_with_one_too_few(request):
    """Two strings for three places."""
    request["inputs"]["words"]["data"].pop()


@_misspelt_strings
def tensor_of_strings_with_one_text(request):
    """Strings come one by one."""
    request["inputs"]["words"]["data"] = "616263"


@_misspelt_strings
def tensor_of_strings_of_a_shape_beyond_memory(request):
    """Three strings, and a shape of more than memory can hold."""
    request["inputs"]["words"]["shape"] = [2**53 - 1]


def _beyond_memory(dtype: str) -> Case:
    buffers = {"y": {"dtype": dtype, "shape": [2**40], "data": ""}}
    refusal = fail(USAGE, "predict_into")
    request = call("predict_into", refusal, inputs=tensors(SCALE[1]), outputs=buffers)
    return Case([open_(), request], bundle="scale_rows")


@invalid("C1")
def buffer_of_more_than_memory() -> Case:
    """A tebibyte: nobody makes it first."""
    return _beyond_memory("uint8")


@invalid("C1")
def buffer_of_more_strings_than_memory() -> Case:
    """Strings have no buffers, and as many are not made to find that out."""
    return _beyond_memory("string")
