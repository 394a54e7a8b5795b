import json

import pytest

from bundle.canonical import Malformed, NotCanonical, dumps, parse

DEEPEST = 16


def read(data: bytes, exact: bool = True):
    return parse(data, ascii_keys=True, max_depth=DEEPEST, exact=exact)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


MALFORMED = {
    "empty": b"",
    "white space only": b" \n",
    "cut": b'{"a":1',
    "string cut": b'{"a":"b',
    "string cut in an escape": b'"\\',
    "text behind": b"{}x",
    "two texts": b"{} {}",
    "zero byte behind": b"{}\0",
    "final comma": b"[1,]",
    "comment": b"[1]//",
    "single quotes": b"{'a':1}",
    "NaN": b"[NaN]",
    "Infinity": b"[Infinity]",
    "minus Infinity": b"[-Infinity]",
    "plus": b"[+1]",
    "leading zero": b"[01]",
    "hex": b"[0x1]",
    "point without digits": b"[1.]",
    "exponent without digits": b"[1e]",
    "digits of another script": "[1\u0661]".encode(),
    "no-break space": "[1,\u00a02]".encode(),
    "form feed between": b"[1,\f2]",
    "raw control character": b'["\x1f"]',
    "raw newline in a string": b'["\n"]',
    "unknown escape": b'["\\x41"]',
    "short escape": b'["\\u12"]',
    "escape with a sign": b'["\\u+123"]',
    "byte-order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "UTF-16 without a mark": "{}".encode("utf-16-le"),
    "invalid UTF-8": b'["\xff"]',
    "overlong UTF-8": b'["\xc0\x80"]',
    "surrogate in UTF-8": b'["\xed\xa0\x80"]',
    "beyond Unicode": b'["\xf4\x90\x80\x80"]',
    "too deep": nested(DEEPEST + 1),
    "deeper than the stack": nested(200_000),
    "too deep, never closed": b"[" * 100_000,
    "too deep behind a key that stands twice": b'{"a":1,"a":' + nested(DEEPEST) + b"}",
    "too deep in a value that a later one replaces": b'{"a":' + nested(DEEPEST) + b',"a":1}',
    "malformed behind a float": b"[1.5,",
    "malformed behind null": b"[null,}",
    "quotes without an end": b'"\\"' * 50_000,
}

NOT_CANONICAL = {
    "space before": b" {}",
    "newline behind": b"{}\n",
    "space after a colon": b'{"a": 1}',
    "keys out of order": b'{"b":1,"a":1}',
    "key twice": b'{"a":1,"a":1}',
    "key twice, once escaped": b'{"a":1,"\\u0061":1}',
    "key that is not ASCII": '{"ä":1}'.encode(),
    "float": b"[1.0]",
    "exponent": b"[1e2]",
    "huge float": b"[1e999]",
    "minus zero": b"[-0]",
    "null": b"[null]",
    "null alone": b"null",
    "2^53": b"[9007199254740992]",
    "-2^53": b"[-9007199254740992]",
    "more digits than Python converts": b"[" + b"9" * 5000 + b"]",
    "needless escape": b'["\\u0041"]',
    "escaped slash": b'["\\/"]',
    "upper case escape": b'["\\u001F"]',
    "long escape of a newline": b'["\\u000a"]',
    "escaped DEL": b'["\\u007f"]',
    "escaped pair of surrogates": b'["\\ud83d\\ude00"]',
    "half a pair": b'["\\ud800"]',
    "half a pair in a key": b'{"\\udc00":1}',
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_json_is_malformed_however_it_is_read(data: bytes) -> None:
    for exact in (True, False):
        with pytest.raises(Malformed):
            read(data, exact)


@pytest.mark.parametrize("data", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_another_spelling_is_not_canonical(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        read(data)


@pytest.mark.parametrize(
    "name", ["space before", "keys out of order", "needless escape", "escaped pair of surrogates"]
)
def test_a_lenient_reader_takes_another_spelling(name: str) -> None:
    assert read(NOT_CANONICAL[name], exact=False) == json.loads(NOT_CANONICAL[name])


@pytest.mark.parametrize("name", ["key twice", "float", "null", "2^53", "minus zero"])
def test_a_lenient_reader_refuses_what_parsers_disagree_about(name: str) -> None:
    with pytest.raises(NotCanonical):
        read(NOT_CANONICAL[name], exact=False)


@pytest.mark.parametrize(
    "tree",
    [
        0,
        -1,
        2**53 - 1,
        1 - 2**53,
        True,
        "",
        'null, 1.5 [[[ " \\ \b\t\n\f\r\0\x1f\x7f é \u2028 😀',
        [],
        {},
        [[], {}, False],
        {"": 1, "Z": 2, "a": {"~/": []}},
    ],
)
def test_what_is_written_is_read(tree) -> None:
    assert read(dumps(tree)) == tree


def test_sixteen_levels_are_read() -> None:
    assert dumps(read(nested(DEEPEST))) == nested(DEEPEST)


def test_keys_stand_in_the_order_of_their_utf_8_bytes() -> None:
    # In UTF-16, which some languages sort by, the first of the two comes last.
    tree = {"\uff21": 1, "\U0001f600": 2}
    assert dumps(dict(reversed(tree.items()))) == '{"\uff21":1,"\U0001f600":2}'.encode()
    assert parse(dumps(tree), ascii_keys=False, max_depth=1) == tree


@pytest.mark.parametrize(
    "tree", [None, 1.5, float("nan"), 2**53, {1: 1}, (1,), {"a": [None]}, "\ud800", b"a"]
)
def test_what_no_reader_takes_is_not_written(tree) -> None:
    with pytest.raises(ValueError):
        dumps(tree)
