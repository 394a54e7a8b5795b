"""Manifests whose bytes are wrong: M1 to M4."""

from tests.vectors.bases import scale
from tests.vectors.case import Case, bundle_fault, fail, invalid, manifest_fault, open_
from tests.vectors.tensor import canonical

LIMIT = 1_048_576
MALFORMED = "manifest_malformed"
NOT_CANONICAL = "manifest_not_canonical"


def spelt(tree: dict, old: str, new: bytes) -> bytes:
    """The manifest with a piece of its text replaced, once."""
    data = canonical(tree)
    if data.count(old.encode()) < 1:
        raise ValueError(f"{old} is not in the manifest")
    return data.replace(old.encode(), new, 1)


def described(tree: dict, raw: bytes) -> bytes:
    """The manifest with these bytes between the quotes of its description."""
    tree["model"]["description"] = "@"
    return spelt(tree, '"@"', b'"' + raw + b'"')


def ranked(tree: dict, raw: bytes) -> bytes:
    """The manifest with these bytes as the number at /variants/0/rank."""
    return spelt(tree, '"rank":0', b'"rank":' + raw)


def written(hex_digits: str, times: int) -> list[dict]:
    """Write bundle.json as one piece, many times over: too large for this folder."""
    return [{"op": "write", "path": "bundle.json", "hex": hex_digits, "times": times}]


def _repeated(code: str, piece: bytes, times: int) -> Case:
    steps = [open_() | {"expect": fail(code, "")}]
    return Case(steps, bundle=scale(), prepare=written(piece.hex(), times))


@invalid("M1")
def manifest_one_byte_too_large() -> Case:
    """1,048,577 bytes. They are no JSON, but their number comes first."""
    return _repeated("manifest_too_large", b"[", LIMIT + 1)


@invalid("M1", "M2")
def manifest_of_the_largest_size() -> Case:
    """1,048,576 bytes are not too many, so the error is that blanks are no JSON text."""
    return _repeated(MALFORMED, b" ", LIMIT)


@invalid("M2")
def nested_two_hundred_thousand_deep() -> Case:
    """A reader that recurses falls over."""
    return _repeated(MALFORMED, b"[", 200_000)


def _malformed(function):
    return manifest_fault("M2", MALFORMED, "", scale)(function)


def _not_canonical(function):
    return manifest_fault("M3", NOT_CANONICAL, "", scale)(function)


@_malformed
def empty_manifest(tree):
    """No bytes at all."""
    return b""


@_malformed
def cut_in_the_middle(tree):
    """The first half of a good manifest."""
    data = canonical(tree)
    return data[: len(data) // 2]


@_malformed
def trailing_comma(tree):
    """A comma before the last brace."""
    return canonical(tree)[:-1] + b",}"


@_malformed
def comment_in_json(tree):
    """JSON has no comments."""
    return b"/* by hand */" + canonical(tree)


@_malformed
def two_documents(tree):
    """A second object after the first; some readers stop after one."""
    return canonical(tree) + b"{}"


@_malformed
def trailing_nul(tree):
    """A byte 0 at the end, which is no white space."""
    return canonical(tree) + b"\0"


@_malformed
def byte_order_mark(tree):
    """A byte-order mark before a good manifest; some parsers skip it."""
    return b"\xef\xbb\xbf" + canonical(tree)


@_malformed
def utf_16(tree):
    """The text of a good manifest in UTF-16 with a byte-order mark."""
    return b"\xff\xfe" + canonical(tree).decode().encode("utf-16-le")


@_malformed
def invalid_utf_8(tree):
    """A byte 0xFF in a string; some parsers put U+FFFD there."""
    return described(tree, b"\xff")


@_malformed
def overlong_utf_8(tree):
    """A slash in two bytes."""
    return described(tree, b"\xc0\xaf")


@_malformed
def surrogate_in_utf_8(tree):
    """U+D800 in three bytes, which is not valid UTF-8."""
    return described(tree, b"\xed\xa0\x80")


@_malformed
def raw_control_character(tree):
    """A tab inside a string that is not escaped."""
    return described(tree, b"\t")


@_malformed
def unknown_escape(tree):
    r"""`\x41` is no escape of JSON."""
    return described(tree, rb"\x41")


@_malformed
def not_a_number(tree):
    """NaN, which some parsers take."""
    return ranked(tree, b"NaN")


@_malformed
def leading_zero(tree):
    """00 is no number of JSON."""
    return ranked(tree, b"00")


@_malformed
def nested_seventeen_deep(tree):
    """Arrays inside arrays, one level more than is allowed; the root is level 1."""
    tree["components"] = [{"a": nested_array(14)}]
    return canonical(tree)


def nested_array(levels: int) -> list:
    """Arrays inside each other."""
    made: list = []
    for _ in range(levels - 1):
        made = [made]
    return made


@manifest_fault("M2 M6", "feature_unsupported", "/components", scale)
def nested_sixteen_deep(tree):
    """The deepest nesting allowed: the error is one of a later check."""
    tree["components"] = [{"a": nested_array(13)}]


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


@manifest_fault("M4", "format_version_unsupported", "/format_version", scale)
def format_version_from_the_future(tree):
    """Version 2, with a field that version 1 does not know; the version comes first."""
    tree["format_version"] = 2
    tree["encryption"] = {}


@manifest_fault("M4", "format_version_unsupported", "/format_version", scale)
def format_version_zero(tree):
    """There was no version 0."""
    tree["format_version"] = 0


@bundle_fault("M2 O4", MALFORMED, "", scale)
def opening_a_bundle_with_a_malformed_manifest(bundle):
    """The manifest's checks are made by opening too, before any other file is looked at."""
    bundle.written = b"{"
    del bundle.files["models/source.onnx"]
