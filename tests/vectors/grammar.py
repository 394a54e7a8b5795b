"""Manifests that are no JSON for reasons that lenient parsers forgive: M2, and M4 of other values."""

from tests.vectors.bases import scale
from tests.vectors.case import manifest_fault
from tests.vectors.lexical import described, ranked, spelt
from tests.vectors.tensor import canonical


def _malformed(function):
    return manifest_fault("M2", "manifest_malformed", "", scale)(function)


@_malformed
def missing_comma(tree):
    """Two members with nothing between them."""
    return spelt(tree, '"rank":0,', b'"rank":0')


@_malformed
def missing_colon(tree):
    """A key and a value with nothing between them."""
    return spelt(tree, '"rank":0', b'"rank"0')


@_malformed
def missing_value(tree):
    """A key without a value."""
    return spelt(tree, '"rank":0', b'"rank":')


@_malformed
def key_without_quotes(tree):
    """A key as JavaScript spells it."""
    return spelt(tree, '"rank":0', b"rank:0")


@_malformed
def single_quotes(tree):
    """A string as Python spells it."""
    return spelt(tree, '"rank"', b"'rank'")


@_malformed
def wrong_bracket(tree):
    """An array that ends like an object."""
    return spelt(tree, '"batch",3]', b'"batch",3}')


@_malformed
def trailing_comma_in_array(tree):
    """A comma before the end of an array."""
    return spelt(tree, '"batch",3]', b'"batch",3,]')


@_malformed
def lone_minus(tree):
    """A sign without digits."""
    return ranked(tree, b"-")


@_malformed
def plus_sign(tree):
    """Numbers have no plus sign."""
    return ranked(tree, b"+1")


@_malformed
def fraction_without_digits(tree):
    """1. is no number of JSON."""
    return ranked(tree, b"1.")


@_malformed
def hexadecimal_number(tree):
    """0x1 is no number of JSON."""
    return ranked(tree, b"0x1")


@_malformed
def digits_with_underscore(tree):
    """1_0 is a number of Python."""
    return ranked(tree, b"1_0")


@_malformed
def digits_of_another_script(tree):
    """An Arabic-Indic digit is a digit to some libraries."""
    return ranked(tree, "\u0661".encode())


@_malformed
def literal_in_upper_case(tree):
    """`True` is no literal of JSON."""
    return ranked(tree, b"True")


@_malformed
def literal_cut(tree):
    """`tru` is no literal of JSON."""
    return ranked(tree, b"tru")


@_malformed
def escape_of_three_digits(tree):
    r"""`\u12` and a letter that is no hex digit."""
    return described(tree, rb"\u12g4")


@_malformed
def string_not_closed(tree):
    """The manifest ends inside a string."""
    return canonical(tree)[:-1] + b',"z'


@_malformed
def space_that_is_not_ascii(tree):
    """U+00A0 is no white space of JSON."""
    return canonical(tree) + b"\xc2\xa0"


@_malformed
def form_feed_at_the_end(tree):
    """U+000C is white space to some libraries."""
    return canonical(tree) + b"\x0c"


@_malformed
def utf_8_cut_in_a_character(tree):
    """The first byte of two, and then the quote."""
    return described(tree, b"\xc3")


@_malformed
def character_beyond_unicode(tree):
    """U+110000 in four bytes."""
    return described(tree, b"\xf4\x90\x80\x80")


@_malformed
def objects_nested_seventeen_deep(tree):
    """Objects count as arrays do."""
    inner: dict = {}
    for _ in range(14):
        inner = {"a": inner}
    tree["components"] = [inner]
    return canonical(tree)


@manifest_fault("M3", "manifest_not_canonical", "", scale)
def integer_minus_two_to_the_53(tree):
    """The limit holds on both sides."""
    return ranked(tree, b"-9007199254740992")


@manifest_fault("M3", "manifest_not_canonical", "", scale)
def escaped_surrogate_pair(tree):
    """A character of four bytes, spelt as two escapes."""
    return described(tree, rb"\ud83d\ude42")


@manifest_fault("M4", "manifest_field_type", "", scale)
def manifest_is_a_string(tree):
    """Canonical, and no object."""
    return b'"bundle"'


@manifest_fault("M3", "manifest_not_canonical", "", scale)
def manifest_is_null(tree):
    """Null is nowhere allowed."""
    return b"null"
