"""Manifests whose strings have another form than the schema's words for it, and free text: M5."""

from tests.vectors.bases import scale
from tests.vectors.case import manifest_fault

VALUE = "manifest_field_value"
TYPE = "manifest_field_type"


def _at(code: str, subject: str):
    return manifest_fault("M5", code, subject, scale)


@_at(TYPE, "/metadata")
def metadata_is_an_array(tree):
    """Free keys are keys of an object."""
    tree["metadata"] = ["a"]


@_at(TYPE, "/metadata/a~1b")
def metadata_value_is_a_number(tree):
    """Keys are free, values are text."""
    tree["metadata"] = {"a/b": 1}


@_at(VALUE, "/metadata/b")
def metadata_value_too_long(tree):
    """4,097 bytes behind a key that no schema names."""
    tree["metadata"] = {"a": "", "b": "x" * 4097}


@_at(TYPE, "/recipe/options/slim")
def recipe_option_is_a_boolean(tree):
    """What an option was set to is told as text."""
    tree["recipe"]["options"] = {"slim": True}


@_at(VALUE, "/recipe/options/slim")
def recipe_option_with_a_control_character(tree):
    """A newline in text."""
    tree["recipe"]["options"] = {"slim": "on\n"}


@_at(TYPE, "/recipe/tools/onnx")
def recipe_tool_is_an_object(tree):
    """The version of a tool is text."""
    tree["recipe"]["tools"] = {"onnx": {"version": "1.0.0"}}


@_at(VALUE, "/recipe/tools/onnx")
def recipe_tool_with_a_control_character(tree):
    """U+001F, the last that JSON escapes."""
    tree["recipe"]["tools"] = {"onnx": "\x1f"}


@_at(VALUE, "/model/description")
def text_longer_than_its_bytes(tree):
    """2,049 letters of two bytes each: lengths count bytes."""
    tree["model"]["description"] = "é" * 2049


@_at(VALUE, "/inputs/0/shape/0")
def symbol_with_the_delete_character(tree):
    """U+007F in a name, where JSON does not escape it."""
    tree["inputs"][0]["shape"][0] = "a\x7f"


@_at(VALUE, "/model/name")
def identifier_too_long(tree):
    """65 bytes."""
    tree["model"]["name"] = "a" * 65


@_at(VALUE, "/model/name")
def identifier_empty(tree):
    """No byte at all."""
    tree["model"]["name"] = ""


@_at(VALUE, "/variants/0/name")
def identifier_begins_with_an_underscore(tree):
    """The first is a letter or a digit."""
    tree["variants"][0]["name"] = "_source"


@_at(VALUE, "/golden/0/name")
def identifier_begins_with_a_hyphen(tree):
    """A command line would take it for an option."""
    tree["golden"][0]["name"] = "-first"


@_at(VALUE, "/model/name")
def identifier_with_a_newline_at_its_end(tree):
    """Some regular expressions do not see a newline before the end."""
    tree["model"]["name"] = "model\n"


@_at(VALUE, "/model/name")
def identifier_with_a_letter_outside_ascii(tree):
    """A letter, and not one of these."""
    tree["model"]["name"] = "größe"


@_at(VALUE, "/model/version")
def version_of_ten_digits(tree):
    """Each number is below 10^9."""
    tree["model"]["version"] = "1.0.1000000000"


@_at(VALUE, "/model/version")
def version_of_four_numbers(tree):
    """Three, not more."""
    tree["model"]["version"] = "1.0.0.0"


@_at(VALUE, "/model/version")
def version_in_other_digits(tree):
    """A digit of another script; some libraries count it as one."""
    tree["model"]["version"] = "1.0.\u0663"


@_at(VALUE, "/model/source/sha256")
def digest_of_63_digits(tree):
    """One digit short."""
    tree["model"]["source"]["sha256"] = "a" * 63


@_at(VALUE, "/variants/0/tolerances/0/step")
def step_of_seven_digits(tree):
    """Eight digits, leading zeros and all."""
    tree["variants"][0]["tolerances"] = [{"word": "quantized", "quanta": 1, "step": "3f00000"}]


@_at(VALUE, "/variants/0/tolerances/0/step")
def step_in_upper_case(tree):
    """Lower-case hex digits."""
    tree["variants"][0]["tolerances"] = [{"word": "quantized", "quanta": 1, "step": "3F000000"}]


@_at(TYPE, "/components/0")
def component_is_a_number(tree):
    """Structure comes first: reserved components are objects."""
    tree["components"] = [1]
