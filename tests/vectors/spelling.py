"""Manifests that are JSON in another spelling, or of another version: M3 and M4."""

from tests.vectors.bases import scale
from tests.vectors.case import manifest_fault
from tests.vectors.lexical import described, ranked, spelt
from tests.vectors.tensor import canonical


def _not_canonical(function):
    return manifest_fault("M3", "manifest_not_canonical", "", scale)(function)


@_not_canonical
def space_after_colon(tree):
    """White space is grammatical, and not canonical."""
    return spelt(tree, ":", b": ")


@_not_canonical
def leading_space(tree):
    """A blank before the manifest."""
    return b" " + canonical(tree)


@_not_canonical
def trailing_newline(tree):
    """What an editor adds at the end."""
    return canonical(tree) + b"\n"


@_not_canonical
def duplicate_key(tree):
    """The same key twice with the same value; most parsers keep one silently."""
    return spelt(tree, '"rank":0', b'"rank":0,"rank":0')


@_not_canonical
def unsorted_keys(tree):
    """Two neighbouring keys changed places."""
    one, two = '"onnx":"models/source.onnx"', '"ort":"models/source.ort"'
    tree["variants"][0]["files"] = {"onnx": "models/source.onnx", "ort": "models/source.ort"}
    return spelt(tree, f"{one},{two}", f"{two},{one}".encode())


@_not_canonical
def null_value(tree):
    """Null instead of leaving the key out."""
    return described(tree, b"@").replace(b'"description":"@"', b'"description":null')


@_not_canonical
def fraction_of_zero(tree):
    """1.0 is a float for one parser and an integer for another."""
    return ranked(tree, b"1.0")


@_not_canonical
def exponent(tree):
    """1e2 is an integer to no one, and 100 to some."""
    return ranked(tree, b"1e2")


@_not_canonical
def exponent_beyond_float64(tree):
    """1e400 is grammatical; parsers make infinity of it, or fail."""
    return ranked(tree, b"1e400")


@_not_canonical
def negative_zero(tree):
    """-0 and 0 are one integer, so only one spelling is allowed."""
    return ranked(tree, b"-0")


@_not_canonical
def integer_two_to_the_53(tree):
    """The first integer that a float64 cannot tell from its neighbour."""
    return ranked(tree, b"9007199254740992")


@_not_canonical
def integer_two_to_the_64(tree):
    """An integer that no 64-bit type holds."""
    return ranked(tree, b"18446744073709551616")


@_not_canonical
def integer_of_five_thousand_digits(tree):
    """Grammatical; Python refuses to convert more than 4,300 digits."""
    return ranked(tree, b"9" * 5000)


@_not_canonical
def lone_surrogate_escape(tree):
    r"""`\ud800` is grammatical and no character."""
    return described(tree, rb"\ud800")


@_not_canonical
def escaped_slash(tree):
    r"""`\/` is a long spelling of `/`."""
    return described(tree, rb"\/")


@_not_canonical
def escaped_letter(tree):
    """A letter spelt as an escape."""
    return described(tree, rb"\u00e9")


@_not_canonical
def upper_case_escape(tree):
    r"""`\u001F` instead of `\u001f`."""
    return described(tree, rb"\u001F")


@_not_canonical
def long_escape(tree):
    r"""`\u000a` instead of `\n`."""
    return described(tree, rb"\u000a")


@_not_canonical
def key_not_ascii(tree):
    """Keys of the manifest are ASCII, because sorting others differs between languages."""
    tree["metadata"] = {"größe": "3"}


@manifest_fault("M4", "manifest_field_type", "", scale)
def manifest_is_an_array(tree):
    """Canonical, and no object."""
    return b"[]"


@manifest_fault("M4", "manifest_field_missing", "/format_version", scale)
def format_version_missing(tree):
    """Nothing says how to read the rest."""
    del tree["format_version"]


@manifest_fault("M4", "manifest_field_type", "/format_version", scale)
def format_version_is_true(tree):
    """True is 1 in some languages."""
    tree["format_version"] = True


@manifest_fault("M4", "manifest_field_type", "/format_version", scale)
def format_version_is_text(tree):
    """A version in quotes is of another type before it is another version."""
    tree["format_version"] = "2"


@manifest_fault("M4", "format_version_unsupported", "/format_version", scale)
def format_version_from_the_future(tree):
    """Version 2, with a field that version 1 does not know; the version comes first."""
    tree["format_version"] = 2
    tree["encryption"] = {}


@manifest_fault("M4", "format_version_unsupported", "/format_version", scale)
def format_version_zero(tree):
    """There was no version 0."""
    tree["format_version"] = 0
