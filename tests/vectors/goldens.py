"""Golden files that the self-test refuses: section 7."""

import struct

import numpy as np

from tests.vectors.bases import scale, scale_without_cases
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


@_broken
def golden_recording_of_an_unknown_variant(bundle):
    """Recordings of variants that the bundle does not have."""
    return golden_join(*parts(bundle, **{"recorded/int8/y": ROWS["x"]}))


@_broken
def golden_source_of_another_dtype(bundle):
    """What the source model answered has the manifest's dtypes too."""
    right = bundle.compute(ROWS)
    return golden(ROWS, {"y": right["y"].astype(np.float64)}, {"source": right})


@_broken
def golden_recording_of_another_rank(bundle):
    """The manifest's output has two axes."""
    right = bundle.compute(ROWS)
    return golden(ROWS, right, {"source": {"y": right["y"].ravel()}})


@_broken
def golden_metadata_with_an_unknown_entry(bundle):
    """Metadata says which tensors are strings, and nothing else."""
    header, data = parts(bundle)
    return golden_join(header | {"__metadata__": {"author": "me"}}, data)
