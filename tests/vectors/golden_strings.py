"""Golden files with strings, bools or wide names that the self-test refuses: section 7."""

import json
import struct

from tests.vectors.bases import mixed, mixed_inputs
from tests.vectors.case import golden_fault
from tests.vectors.kit import GOLDEN, Bundle, answer, build, given, grid
from tests.vectors.model import node
from tests.vectors.models import wide_names
from tests.vectors.tensor import canonical, golden_join, golden_parts

_broken_mixed = golden_fault(mixed, GOLDEN)


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
def golden_string_of_a_shape_beyond_memory(bundle):
    """Three strings, and a shape of more than memory can hold: nobody makes memory first."""
    header, data = mixed_parts(bundle)
    header["__metadata__"]["inputs/words"] = f"string:{2**53 - 1}"
    return golden_join(header, data)


@_broken_mixed
def golden_string_of_invalid_utf_8(bundle):
    """A byte 0xFF in the text."""
    header, data = mixed_parts(bundle)
    at = header["inputs/words.utf8"]["data_offsets"][0]
    return golden_join(header, data[:at] + b"\xff" + data[at + 1 :])


@_broken_mixed
def golden_string_with_a_nul(bundle):
    """A byte 0 in the text."""
    header, data = mixed_parts(bundle)
    at = header["inputs/words.utf8"]["data_offsets"][0]
    return golden_join(header, data[:at] + b"\0" + data[at + 1 :])


@_broken_mixed
def golden_string_of_a_size_with_a_leading_zero(bundle):
    """Sizes are decimal without leading zeros."""
    header, data = mixed_parts(bundle)
    header["__metadata__"]["inputs/words"] = "string:03"
    return golden_join(header, data)


@_broken_mixed
def golden_metadata_of_numbers(bundle):
    """Metadata maps text to text."""
    header, data = mixed_parts(bundle)
    header["__metadata__"]["inputs/words"] = 3
    return golden_join(header, data)


@golden_fault(wide_names, GOLDEN)
def golden_header_sorted_by_utf_16(bundle):
    """U+FF21 comes before U+1F600 in UTF-8, and after it in UTF-16."""
    good = bundle.files[GOLDEN]
    length = int.from_bytes(good[:8], "little")
    tree = json.loads(good[8 : 8 + length])
    by_utf_16 = sorted(tree, key=lambda key: key.encode("utf-16-be"))
    pairs = (canonical(key) + b":" + canonical(tree[key]) for key in by_utf_16)
    return golden_join(b"{" + b",".join(pairs) + b"}", good[8 + length :])


@_broken_mixed
def golden_string_whose_metadata_is_a_size_only(bundle):
    """The metadata of a string begins with `string:`; this one is the shape alone."""
    header, data = mixed_parts(bundle)
    header["__metadata__"]["inputs/words"] = "3"
    return golden_join(header, data)


@_broken_mixed
def golden_string_that_is_a_tensor_too(bundle):
    """One key stands for two tensors: the string, and an empty one between its parts."""
    header, data = mixed_parts(bundle)
    at = header["inputs/words.offsets"]["data_offsets"][0]
    header["inputs/words"] = {"data_offsets": [at, at], "dtype": "U8", "shape": [0]}
    return golden_join(header, data)


@_broken_mixed
def golden_string_without_its_text(bundle):
    """Half of a string: the offsets, behind which its text is missing."""
    header, data = mixed_parts(bundle)
    del header["source/same.utf8"]
    return golden_join(header, data[: header["source/same.offsets"]["data_offsets"][1]])


def _no_rows() -> Bundle:
    """A model of empty tensors, so that a golden file ends with its header."""
    made = build(
        [given("x", "float32", [0])],
        [answer("y", "float32", [0])],
        [node("Identity", "x", "y")],
        lambda inputs: {"y": inputs["x"]},
    )
    made.golden_case("first", {"x": grid(0)})
    return made.seal()


@golden_fault(_no_rows, GOLDEN)
def golden_header_whose_padding_is_cut(bundle):
    """The header's length runs past the end of the file, where only blanks would stand."""
    cut = bundle.files[GOLDEN].rstrip(b" ")
    assert cut != bundle.files[GOLDEN]
    return cut
