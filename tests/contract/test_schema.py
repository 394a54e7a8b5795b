import re

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.error import BundleError
from bundle.schema import FORMATS, check
from bundle.spec import table
from tests.contract import example
from tests.contract.example import changed

SCHEMA = table("bundle.schema")
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FIELD = "manifest_field_"


def refusal(tree, schema=SCHEMA) -> tuple[str, str] | None:
    try:
        check(tree, schema)
    except BundleError as error:
        return error.code, error.subject
    return None


def test_the_schema_itself_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_good_tree_is_accepted() -> None:
    assert refusal(example.tree()) is None


FAULTS = {
    "unknown": (changed(("/colour", 1)), "unknown", "/colour"),
    "unknown, escaped": (changed(("/a~1b~0c", 1)), "unknown", "/a~1b~0c"),
    "unknown inside": (changed(("/files/0/mode", 1)), "unknown", "/files/0/mode"),
    "missing": (changed(("/inputs", ...)), "missing", "/inputs"),
    "missing inside": (changed(("/variants/0/rank", ...)), "missing", "/variants/0/rank"),
    "type": (changed(("/files", {})), "type", "/files"),
    "boolean for an integer": (changed(("/files/0/size", True)), "type", "/files/0/size"),
    "integer for a boolean": (changed(("/golden/0/synthetic", 0)), "type", "/golden/0/synthetic"),
    "boolean for a dimension": (changed(("/inputs/0/shape/0", True)), "type", "/inputs/0/shape/0"),
    "negative dimension": (changed(("/inputs/0/shape/0", -1)), "value", "/inputs/0/shape/0"),
    "empty symbol": (changed(("/inputs/0/shape/0", "")), "value", "/inputs/0/shape/0"),
    "enum": (changed(("/inputs/0/dtype", "float23")), "value", "/inputs/0/dtype"),
    "minimum": (changed(("/variants/0/threads", 0)), "value", "/variants/0/threads"),
    "maximum": (changed(("/variants/0/rank", 4096)), "value", "/variants/0/rank"),
    "minItems": (changed(("/outputs", [])), "value", "/outputs"),
    "maxItems": (changed(("/inputs/0/shape", [1] * 9)), "value", "/inputs/0/shape"),
    "minProperties": (changed(("/batch", {})), "value", "/batch"),
    "maxProperties": (changed(("/batch", {"size": 1, "symbol": "n"})), "value", "/batch"),
    "component that is no object": (changed(("/components", [1])), "type", "/components/0"),
    "metadata that is no text": (changed(("/metadata/a~1b~0c", 1)), "type", "/metadata/a~1b~0c"),
    "control character": (changed(("/metadata/a~1b~0c", "\x7f")), "value", "/metadata/a~1b~0c"),
    "long text": (changed(("/model/description", "ä" * 2049)), "value", "/model/description"),
    "bits of infinity": (
        changed(("/variants/0/tolerances/0/bound", "7f800000")),
        "value",
        "/variants/0/tolerances/0/bound",
    ),
    "bits of minus zero": (
        changed(("/variants/0/tolerances/0/step", "80000000")),
        "value",
        "/variants/0/tolerances/0/step",
    ),
}


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_where_it_is(case) -> None:
    tree, what, subject = case
    assert refusal(tree) == (FIELD + what, subject)


ORDER = {
    "unknown keys in byte order": ({"b": 1, "B": 1}, "unknown", "/B"),
    "unknown before missing": ({"zzz": 1}, "unknown", "/zzz"),
    "missing keys in byte order": ({}, "missing", "/default_variant"),
}


@pytest.mark.parametrize("case", ORDER.values(), ids=ORDER)
def test_of_one_object_the_first_fault_is_told(case) -> None:
    tree, what, subject = case
    assert refusal(tree) == (FIELD + what, subject)


def test_keys_are_walked_wholly_and_in_byte_order() -> None:
    tree = changed(("/files/0/size", -1))
    tree["inputs"], tree["golden"] = 1, [{"name": 1}]
    assert refusal(tree) == ("manifest_field_value", "/files/0/size")
    tree["files"] = example.tree()["files"]
    assert refusal(tree) == ("manifest_field_missing", "/golden/0/path")


def test_a_count_outranks_what_is_inside() -> None:
    assert refusal(changed(("/outputs", [1] * 4097))) == ("manifest_field_value", "/outputs")


def test_every_word_of_the_schema_is_one_that_the_walk_knows() -> None:
    known = {
        *("$schema", "$defs", "$ref", "title", "description", "type", "properties", "required", "pattern"),
        *("additionalProperties", "items", "minItems", "maxItems", "minProperties", "maxProperties"),
        *("enum", "minimum", "maximum", "format"),
    }

    def words(schema):
        yield from schema
        for name in ("properties", "$defs"):
            for part in schema.get(name, {}).values():
                yield from words(part)
        for name in ("items", "additionalProperties"):
            if isinstance(schema.get(name), dict):
                yield from words(schema[name])
        if "format" in schema:
            assert schema["format"] in FORMATS

    assert set(words(SCHEMA)) <= known


PATTERNS = {part["format"]: part["pattern"] for part in SCHEMA["$defs"].values() if "format" in part}


def test_every_format_has_a_pattern() -> None:
    assert PATTERNS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", sorted(PATTERNS))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_format_is_its_pattern(name: str, data) -> None:
    # Lengths count bytes in the one and characters in the other: the same for ASCII.
    pattern = re.compile(PATTERNS[name].removeprefix("^").removesuffix("$"))
    ascii_text = st.text(st.characters(max_codepoint=127), max_size=80)
    text = data.draw(ascii_text | st.from_regex(pattern, fullmatch=True).filter(str.isascii) | edge_lengths())
    if name == "float32-bits" and re.fullmatch("[0-9a-f]{8}", text):
        assert FORMATS[name](text) == (int(text, 16) < 0x7F800000)
    else:
        assert FORMATS[name](text) == bool(pattern.fullmatch(text))


def edge_lengths():
    lengths = [0, 1, 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097]
    return st.builds(str.__mul__, st.sampled_from(["a", "0", "~"]), st.sampled_from(lengths))


def test_lengths_count_bytes() -> None:
    assert FORMATS["name"]("ä" * 512) and not FORMATS["name"]("ä" * 512 + "a")
    assert FORMATS["text"]("ä" * 2048) and not FORMATS["text"]("ä" * 2048 + "a")


SCALARS = st.sampled_from(
    [
        0,
        1,
        -1,
        64,
        4096,
        2**53 - 1,
        True,
        False,
        "",
        "a",
        "float32",
        "source",
        "1.29.0",
        "00000000",
        "a\nb",
        [],
        {},
        [1],
    ]
)


def places(tree, way=()):
    """Every path in a tree to something that can be replaced."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        yield (*way, key)
        yield from places(value, (*way, key))


PLACES = list(places(example.tree()))


@st.composite
def mutated(draw):
    tree = example.tree()
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(PLACES))
        place = tree
        try:
            for step in way:
                place = place[step]
            action = draw(st.sampled_from(["replace", "drop", "add"]))
            if action == "replace":
                place[last] = draw(SCALARS)
            elif action == "drop":
                del place[last]
            elif isinstance(place, dict):
                place[draw(st.sampled_from(["colour", "size", "ort", "step", "a/b"]))] = draw(SCALARS)
            elif isinstance(place, list):
                place.append(draw(SCALARS))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return tree


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_the_walk_and_a_stock_validator_agree(tree) -> None:
    assert (refusal(tree) is None) == VALIDATOR.is_valid(tree)
