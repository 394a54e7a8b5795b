"""Golden files whose header has entries of the wrong kind: section 7."""

import struct

from tests.vectors.bases import mixed, scale
from tests.vectors.case import golden_fault
from tests.vectors.golden_strings import mixed_parts
from tests.vectors.goldens import parts
from tests.vectors.kit import GOLDEN
from tests.vectors.tensor import golden_join


def _changed(change):
    """A good file whose header is changed by the function."""

    def make(bundle):
        header, data = parts(bundle)
        change(header)
        return golden_join(header, data)

    make.__name__, make.__doc__ = change.__name__, change.__doc__
    return golden_fault(scale, GOLDEN)(make)


def _changed_strings(change):
    """The same with strings; the function may return other data."""

    def make(bundle):
        header, data = mixed_parts(bundle)
        return golden_join(header, change(header, data) or data)

    make.__name__, make.__doc__ = change.__name__, change.__doc__
    return golden_fault(mixed, GOLDEN)(make)


@_changed
def golden_tensor_is_an_array(header):
    """A tensor is an object."""
    header["inputs/x"] = [0, 24]


@_changed
def golden_dtype_is_a_number(header):
    """A dtype is a word."""
    header["inputs/x"]["dtype"] = 32


@_changed
def golden_dtype_in_lower_case(header):
    """Words are compared byte by byte."""
    header["inputs/x"]["dtype"] = "f32"


@_changed
def golden_shape_of_nine_axes(header):
    """At most 8 axes."""
    header["inputs/x"]["shape"] = [1] * 7 + [2, 3]


@_changed
def golden_shape_negative(header):
    """Two negative sizes, whose product is right."""
    header["inputs/x"]["shape"] = [-2, -3]


@_changed
def golden_shape_of_booleans(header):
    """True is no size."""
    header["inputs/x"]["shape"] = [True, 6]


@_changed
def golden_offsets_of_three_numbers(header):
    """A beginning and an end, and nothing more."""
    header["inputs/x"]["data_offsets"] = [0, 24, 24]


@_changed
def golden_offsets_negative(header):
    """A tensor that begins before the data."""
    header["inputs/x"]["data_offsets"] = [-24, 0]


@_changed
def golden_metadata_is_an_array(header):
    """Metadata is an object."""
    header["__metadata__"] = []


@_changed
def golden_of_nothing(header):
    """A header without tensors, before data."""
    header.clear()


@golden_fault(scale, GOLDEN)
def golden_shorter_than_its_length(bundle):
    """Seven bytes, where the length alone takes eight."""
    return bytes(7)


@golden_fault(scale, GOLDEN)
def golden_header_of_no_bytes(bundle):
    """A length of 0: no JSON text."""
    return bytes(8)


@golden_fault(scale, GOLDEN)
def golden_header_padded_with_nul(bundle):
    """Only blanks pad a header."""
    good = bundle.files[GOLDEN]
    length = struct.unpack("<Q", good[:8])[0]
    return good[:8] + good[8 : 8 + length].rstrip(b" ").ljust(length, b"\0") + good[8 + length :]


@golden_fault(scale, GOLDEN)
def golden_header_with_leading_blanks(bundle):
    """Blanks stand at the end of a header, never before it."""
    good = bundle.files[GOLDEN]
    return struct.pack("<Q", struct.unpack("<Q", good[:8])[0] + 8) + b" " * 8 + good[8:]


@_changed_strings
def golden_string_offsets_begin_late(header, data):
    """The first offset is 0."""
    at = header["inputs/words.offsets"]["data_offsets"][0]
    return data[:at] + struct.pack("<q", 1) + data[at + 8 :]


@_changed_strings
def golden_string_offsets_cut_a_character(header, data):
    """Each string is valid UTF-8, not only all of them together: `Gr` and half an `o` with dots."""
    at = header["inputs/words.offsets"]["data_offsets"][0] + 16
    return data[:at] + struct.pack("<q", 7) + data[at + 8 :]


@_changed_strings
def golden_string_offsets_of_another_dtype(header, data):
    """Offsets are I64; these bytes are as many."""
    header["inputs/words.offsets"]["dtype"] = "U64"


@_changed_strings
def golden_string_with_another_word(header, data):
    """The metadata of a string begins with `string:`."""
    header["__metadata__"]["inputs/words"] = "text:3"


@_changed_strings
def golden_string_of_another_rank(header, data):
    """The manifest's string has one axis."""
    header["__metadata__"]["inputs/words"] = "string:3,1"
