"""Golden files that the self-test refuses: section 7."""

import struct

import numpy as np

from tests.vectors.bases import mixed, mixed_inputs, scale, scale_without_cases
from tests.vectors.case import Case, call, fail, golden_fault, invalid, open_
from tests.vectors.kit import GOLDEN, Bundle, grid
from tests.vectors.tensor import Tensors, canonical, golden, golden_join, golden_parts

ROWS = {"x": grid(2, 3)}


def parts(bundle: Bundle, **more: np.ndarray) -> tuple[dict, bytes]:
    """The header and data of the good file, with further tensors."""
    right = bundle.compute(ROWS)
    arrays: Tensors = {"inputs/x": ROWS["x"], "recorded/source/y": right["y"], "source/y": right["y"]}
    return golden_parts(arrays | more)


_broken = golden_fault(scale, GOLDEN)
_broken_mixed = golden_fault(mixed, GOLDEN)


@invalid("section 7")
def golden_none() -> Case:
    """A bundle without a golden case proves nothing."""
    return Case(
        [open_(), call("self_test", fail("golden_missing", "."))], bundle=scale_without_cases().seal()
    )


@_broken
def golden_empty(bundle):
    """No bytes, not even a length."""
    return b""


@_broken
def golden_header_beyond_the_file(bundle):
    """The header's length is more than there is."""
    return struct.pack("<Q", 1 << 16) + b"{}      "


@_broken
def golden_header_length_of_64_bits(bundle):
    """A length that overflows when 8 is added."""
    return b"\xff" * 8 + b"{}      "


@_broken
def golden_header_length_not_a_multiple_of_eight(bundle):
    """Data would begin at an odd place."""
    header, data = parts(bundle)
    raw = canonical(header)
    raw += b" " * (-len(raw) % 8 + 4)
    return struct.pack("<Q", len(raw)) + raw + data


@_broken
def golden_header_padded_too_much(bundle):
    """Eight blanks at the end of the header."""
    header, data = parts(bundle)
    raw = canonical(header)
    return golden_join(raw + b" " * (-len(raw) % 8 + 8), data)


@_broken
def golden_header_not_canonical(bundle):
    """A blank after a colon."""
    header, data = parts(bundle)
    return golden_join(canonical(header).replace(b":", b": ", 1), data)


@_broken
def golden_header_with_a_key_twice(bundle):
    """Most parsers keep the last one, and then the data has a hole."""
    header, data = parts(bundle)
    raw = canonical(header)
    return golden_join(raw[:-1] + b',"source/y":' + canonical(header["source/y"]) + b"}", data)


@_broken
def golden_header_sorted_by_utf_16(bundle):
    """U+FF21 comes before U+1F600 in UTF-8, and after it in UTF-16."""
    header, data = parts(bundle)
    header["__metadata__"] = {}
    raw = canonical(header).replace(
        b'"__metadata__":{}', '"__metadata__":{"\U0001f600":"","\uff21":""}'.encode()
    )
    return golden_join(raw, data)


@_broken
def golden_header_is_an_array(bundle):
    """The header is an object."""
    return golden_join([], parts(bundle)[1])


def _changed(tree_change):
    """A good file whose header is changed by the function."""

    def make(bundle):
        header, data = parts(bundle)
        tree_change(header)
        return golden_join(header, data)

    make.__name__, make.__doc__ = tree_change.__name__, tree_change.__doc__
    return _broken(make)


@_changed
def golden_tensor_with_a_further_key(header):
    """A tensor has exactly three keys."""
    header["inputs/x"]["scale"] = 1


@_changed
def golden_tensor_without_shape(header):
    """A tensor has exactly three keys."""
    del header["inputs/x"]["shape"]


@_changed
def golden_tensor_of_unknown_dtype(header):
    """BF16 is a word of safetensors, not of this format."""
    header["inputs/x"]["dtype"] = "BF16"


@_changed
def golden_tensor_of_another_size(header):
    """The shape needs fewer bytes than the offsets span."""
    header["inputs/x"]["shape"] = [1, 3]


@_changed
def golden_tensor_whose_size_overflows(header):
    """The size in bytes is 24 when it is computed in 64 bits and wraps around."""
    header["inputs/x"]["shape"] = [(1 << 31) - 1, (1 << 31) + 1] * 2 + [6]


@_changed
def golden_tensors_overlap(header):
    """Two tensors of the same bytes."""
    header["recorded/source/y"]["data_offsets"] = header["inputs/x"]["data_offsets"]


@_changed
def golden_offsets_fall(header):
    """A tensor that ends before it begins."""
    header["inputs/x"]["data_offsets"] = [24, 0]


@_changed
def golden_tensors_in_another_order(header):
    """The bytes are tiled, and not in key order."""
    one, two = header["inputs/x"], header["recorded/source/y"]
    one["data_offsets"], two["data_offsets"] = two["data_offsets"], one["data_offsets"]


@_changed
def golden_tensor_past_the_end(header):
    """The last tensor needs more than there is."""
    header["source/y"] |= {"data_offsets": [48, 96], "shape": [4, 3]}


@_changed
def golden_metadata_of_numbers(header):
    """Metadata maps text to text."""
    header["__metadata__"] = {"a": 1}


@_broken
def golden_data_with_a_hole(bundle):
    """Four bytes that belong to no tensor, between two."""
    header, data = parts(bundle)
    for key in ("recorded/source/y", "source/y"):
        header[key]["data_offsets"] = [at + 4 for at in header[key]["data_offsets"]]
    return golden_join(header, data[:24] + bytes(4) + data[24:])


@_broken
def golden_data_with_trailing_bytes(bundle):
    """Four bytes after the last tensor."""
    return golden_join(*parts(bundle)) + bytes(4)


@_broken
def golden_without_an_input(bundle):
    """All inputs must be there."""
    right = bundle.compute(ROWS)
    return golden({}, right, {"source": right})


@_broken
def golden_without_a_recording(bundle):
    """The variant under test has no recorded output."""
    right = bundle.compute(ROWS)
    return golden(ROWS, right, {})


@_broken
def golden_input_of_another_dtype(bundle):
    """The manifest's input is float32."""
    right = bundle.compute(ROWS)
    return golden({"x": ROWS["x"].astype(np.float64)}, right, {"source": right})


@_broken
def golden_input_of_another_rank(bundle):
    """The manifest's input has two axes."""
    right = bundle.compute(ROWS)
    return golden({"x": ROWS["x"].ravel()}, right, {"source": right})


@_broken
def golden_with_an_unknown_key(bundle):
    """A tensor that belongs to nothing."""
    return golden_join(*parts(bundle, **{"inputs/z": ROWS["x"]}))


@_broken_mixed
def golden_bool_byte_of_two(bundle):
    """Bytes of BOOL are 0 or 1."""
    good = bundle.files[GOLDEN]
    header, data = mixed_parts(bundle)
    at = header["inputs/flags"]["data_offsets"][0]
    return good[: len(good) - len(data)] + data[:at] + b"\2" + data[at + 1 :]


def mixed_parts(bundle: Bundle) -> tuple[dict, bytes]:
    """The header and data of the good file with strings."""
    inputs = mixed_inputs()
    right = bundle.compute(inputs)
    arrays = {f"inputs/{name}": array for name, array in inputs.items()}
    for name, array in right.items():
        arrays |= {f"source/{name}": array, f"recorded/source/{name}": array}
    return golden_parts(arrays)


@_broken_mixed
def golden_string_offsets_fall(bundle):
    """Offsets never fall; these go 0, 4, 3 and then to the end."""
    header, data = mixed_parts(bundle)
    at = header["inputs/words.offsets"]["data_offsets"][0] + 16
    return golden_join(header, data[:at] + struct.pack("<q", 3) + data[at + 8 :])


@_broken_mixed
def golden_string_offsets_end_early(bundle):
    """The last offset is the length of the text."""
    header, data = mixed_parts(bundle)
    end = header["inputs/words.offsets"]["data_offsets"][1]
    return golden_join(header, data[: end - 8] + struct.pack("<q", 5) + data[end:])


@_broken_mixed
def golden_string_without_metadata(bundle):
    """Two tensors that no metadata joins to a string are unknown keys."""
    header, data = mixed_parts(bundle)
    del header["__metadata__"]["inputs/words"]
    return golden_join(header, data)


@_broken_mixed
def golden_string_of_another_count(bundle):
    """Three strings, and a shape of two."""
    header, data = mixed_parts(bundle)
    header["__metadata__"]["inputs/words"] = "string:2"
    return golden_join(header, data)


@_broken_mixed
def golden_string_of_invalid_utf_8(bundle):
    """A byte 0xFF in the text."""
    header, data = mixed_parts(bundle)
    at = header["inputs/words.utf8"]["data_offsets"][0]
    return golden_join(header, data[:at] + b"\xff" + data[at + 1 :])
