"""Manifests whose structure is wrong: M5 and M6."""

from tests.vectors.bases import scale
from tests.vectors.case import manifest_fault

VALUE = "manifest_field_value"
TYPE = "manifest_field_type"
MISSING = "manifest_field_missing"
UNKNOWN = "manifest_field_unknown"


def _at(code: str, subject: str):
    return manifest_fault("M5", code, subject, scale)


@_at(UNKNOWN, "/colour")
def unknown_key(tree):
    """A key that the format does not define."""
    tree["colour"] = "blue"


@_at(UNKNOWN, "/inputs/0/Name")
def key_in_upper_case(tree):
    """`Name` is not `name`; some readers match keys without case."""
    tree["inputs"][0]["Name"] = "x"


@_at(UNKNOWN, "/model/a~1b~0c")
def unknown_key_with_slash_and_tilde(tree):
    """In a JSON Pointer a slash is `~1` and a tilde `~0`."""
    tree["model"]["a/b~c"] = ""


@_at(UNKNOWN, "/Z")
def two_unknown_keys(tree):
    """Byte order puts capitals first."""
    tree |= {"a": 1, "Z": 1}


@_at(UNKNOWN, "/zoo")
def unknown_key_before_missing_key(tree):
    """In one object the unknown keys come before the missing ones."""
    tree["zoo"] = 1
    del tree["files"]


@_at(MISSING, "/variants")
def missing_key_before_nested_fault(tree):
    """An object's own keys come before what is inside its values."""
    del tree["variants"]
    tree["inputs"][0]["colour"] = "blue"


@_at(MISSING, "/files")
def files_missing(tree):
    """The list of files is not there."""
    del tree["files"]


@_at(MISSING, "/inputs/0/finite")
def input_without_finite(tree):
    """Whether NaN is refused is said, never assumed."""
    del tree["inputs"][0]["finite"]


@_at(MISSING, "/variants/0/tolerances/0/word")
def tolerance_without_word(tree):
    """Deep inside an array of an array."""
    tree["variants"][0]["tolerances"] = [{}]


@_at(TYPE, "/inputs")
def inputs_is_an_object(tree):
    """An object where an array must be."""
    tree["inputs"] = {"x": {}}


@_at(TYPE, "/files/0/size")
def size_is_a_string(tree):
    """An integer in quotes."""
    tree["files"][0]["size"] = "12"


@_at(TYPE, "/inputs/0/shape/1")
def dimension_is_a_boolean(tree):
    """True is no size, though some languages count it as 1."""
    tree["inputs"][0]["shape"][1] = True


@_at(TYPE, "/inputs/0/finite")
def finite_is_a_number(tree):
    """1 is no boolean."""
    tree["inputs"][0]["finite"] = 1


@_at(VALUE, "/inputs/0/dtype")
def dtype_misspelt(tree):
    """There is no float23."""
    tree["inputs"][0]["dtype"] = "float23"


@_at(VALUE, "/inputs/0/dtype")
def dtype_bfloat16(tree):
    """A dtype that ONNX has and this format has not."""
    tree["inputs"][0]["dtype"] = "bfloat16"


@_at(VALUE, "/inputs/0/shape/1")
def dimension_negative(tree):
    """-1 is no size; a free axis has a symbol."""
    tree["inputs"][0]["shape"][1] = -1


@_at(VALUE, "/inputs/0/shape")
def nine_axes(tree):
    """At most 8 axes."""
    tree["inputs"][0]["shape"] = [1] * 9


@_at(VALUE, "/inputs/0/shape/0")
def symbol_empty(tree):
    """A symbol has at least one byte."""
    tree["inputs"][0]["shape"][0] = ""


@_at(VALUE, "/inputs/0/name")
def name_longer_than_its_bytes(tree):
    """513 letters of two bytes each: lengths count bytes."""
    tree["inputs"][0]["name"] = "é" * 513


@_at(VALUE, "/inputs/0/name")
def name_with_a_control_character(tree):
    """A newline, canonically escaped, in a name."""
    tree["inputs"][0]["name"] = "x\n"


@_at(VALUE, "/model/description")
def delete_character_in_text(tree):
    """U+007F is a control character that JSON does not escape."""
    tree["model"]["description"] = "a\x7fb"


@_at(VALUE, "/model/description")
def text_too_long(tree):
    """4,097 bytes of text."""
    tree["model"]["description"] = "a" * 4097


@_at(VALUE, "/model/name")
def identifier_begins_with_a_dot(tree):
    """A model's name becomes a folder of the store."""
    tree["model"]["name"] = "..model"


@_at(VALUE, "/model/version")
def version_of_two_numbers(tree):
    """Versions have three numbers."""
    tree["model"]["version"] = "1.0"


@_at(VALUE, "/runtime/minimum")
def version_with_a_leading_zero(tree):
    """01 and 1 would be two spellings of one version."""
    tree["runtime"]["minimum"] = "1.029.0"


@_at(VALUE, "/runtime/needed")
def too_many_needed_libraries(tree):
    """A library needs at most 64 others."""
    tree["runtime"]["needed"] = [f"lib{index}.so" for index in range(65)]


@_at(VALUE, "/files/0/sha256")
def digest_in_upper_case(tree):
    """Digests are lower-case hex digits."""
    tree["files"][0]["sha256"] = tree["files"][0]["sha256"][:-1] + "F"


@_at(VALUE, "/variants/0/tolerances/0/bound")
def bound_is_infinite(tree):
    """The bit pattern of infinity would accept everything."""
    tree["variants"][0]["tolerances"] = [{"word": "absolute", "bound": "7f800000"}]


@_at(VALUE, "/variants/0/tolerances/0/bound")
def bound_is_negative(tree):
    """The bit pattern of -1."""
    tree["variants"][0]["tolerances"] = [{"word": "absolute", "bound": "bf800000"}]


@_at(VALUE, "/variants/0/tolerances/0/bound")
def bound_is_negative_zero(tree):
    """Zero has one spelling."""
    tree["variants"][0]["tolerances"] = [{"word": "absolute", "bound": "80000000"}]


@_at(VALUE, "/batch")
def batch_with_unknown_keys(tree):
    """The number of keys comes before what they are called."""
    tree["batch"] = {"axis": 0, "lot": 1}


@_at(VALUE, "/variants/0/threads")
def threads_zero(tree):
    """At least one thread."""
    tree["variants"][0]["threads"] = 0


@_at(VALUE, "/batch")
def batch_empty(tree):
    """Either a symbol or a size."""
    tree["batch"] = {}


@_at(VALUE, "/batch")
def batch_with_symbol_and_size(tree):
    """Not both; the object is at fault, not one of its keys."""
    tree["batch"] = {"size": 2, "symbol": "batch"}


@_at(VALUE, "/outputs")
def no_outputs(tree):
    """A model answers something."""
    tree["outputs"] = []


@_at(VALUE, "/variants/0/files")
def variant_without_files(tree):
    """A variant has at least one file."""
    tree["variants"][0]["files"] = {}


@_at(VALUE, "/session/graph_optimization_level")
def session_level_unknown(tree):
    """A word that session.json does not know."""
    tree["session"] = {"graph_optimization_level": "maximum"}


@manifest_fault("M6", "feature_unsupported", "/features/0", scale)
def feature_from_the_future(tree):
    """A reader that does not know a feature must not answer."""
    tree["features"] = ["components"]


@manifest_fault("M6", "feature_unsupported", "/components", scale)
def components_from_the_future(tree):
    """Version 1 knows bundles of one model only."""
    tree["components"] = [{"name": "second"}]
