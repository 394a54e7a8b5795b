"""Manifests that are too large or no JSON: M1 and M2."""

from tests.vectors.bases import scale
from tests.vectors.case import Case, bundle_fault, fail, invalid, manifest_fault, open_
from tests.vectors.tensor import canonical

LIMIT = 1_048_576
MALFORMED = "manifest_malformed"


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


@bundle_fault("M2 O4", MALFORMED, "", scale)
def opening_a_bundle_with_a_malformed_manifest(bundle):
    """The manifest's checks are made by opening too, before any other file is looked at."""
    bundle.written = b"{"
    del bundle.files["models/source.onnx"]
