import hashlib
import pickle

import pytest

from bundle.error import BundleError
from bundle.manifest import (
    MAX_BYTES,
    Batch,
    Manifest,
    State,
    Target,
    Task,
    bits_of,
    float32_of,
)
from bundle.tolerance import Tolerance
from bundle.version import parse_version
from tests.contract import example
from tests.contract.example import MODEL, changed, refusal


def test_a_good_manifest_is_read_whole() -> None:
    data = Manifest.encode(example.tree())
    manifest = Manifest.parse(data)
    assert manifest.data == data and Manifest.encode(manifest.tree) == data
    assert manifest.digest == hashlib.sha256(data).hexdigest()
    assert (manifest.name, manifest.version, manifest.license) == ("example", "1.2.3", "MIT")
    assert manifest.target == Target("x86_64", "generic", "linux")
    assert [port.name for port in manifest.inputs] == ["x", "words"]
    assert manifest.inputs[0].shape == ("rows", 3) and manifest.inputs[1].meaning == "text"
    assert manifest.outputs[0].decision == "argmax"
    assert manifest.batch == Batch(symbol="rows")
    assert manifest.states == (State("x", "y"),)
    assert manifest.tasks == (Task("classification", "y", ("no", "yes", "maybe")),)
    assert manifest.metadata == {"a/b~c": "free text"}
    assert manifest.session == {"intra_op_threads": 2}
    assert manifest.variant() is manifest.variant("source")
    assert manifest.variant().tolerances == (Tolerance("absolute", bound=0.5),)
    assert manifest.file(MODEL).size == 200
    with pytest.raises(KeyError):
        manifest.file("models/other.onnx")


def test_what_is_optional_may_be_left_out() -> None:
    optional = ("batch", "components", "features", "metadata", "session", "states", "tasks")
    manifest = Manifest.parse(Manifest.encode(changed(*((f"/{name}", ...) for name in optional))))
    assert manifest.batch is None and manifest.states == () and manifest.metadata == {}


def test_an_unknown_variant_is_refused() -> None:
    manifest = Manifest.parse(Manifest.encode(example.tree()))
    with pytest.raises(BundleError) as caught:
        manifest.variant("int4")
    assert (caught.value.code, caught.value.subject) == ("variant_unknown", "int4")


LEXICAL = {
    "M1 one byte too many": (b" " * (MAX_BYTES + 1), "manifest_too_large"),
    "M1 before M2": (b"\xff" * (MAX_BYTES + 1), "manifest_too_large"),
    "M2 at the limit of size": (b" " * MAX_BYTES, "manifest_malformed"),
    "M2 cut": (b'{"format_version":', "manifest_malformed"),
    "M2 before M3": (b'{"a":1.5,"a":null', "manifest_malformed"),
    "M3 blank": (b'{"format_version": 1}', "manifest_not_canonical"),
    "M3 before M4": (b'{"format_version":2,"format_version":2}', "manifest_not_canonical"),
    "M3 half a pair of surrogates": (b'{"a":"\\ud800"}', "manifest_not_canonical"),
    "M4 an array": (b"[]", "manifest_field_type"),
    "M4 a text": (b'"format_version"', "manifest_field_type"),
}


@pytest.mark.parametrize("case", LEXICAL.values(), ids=LEXICAL)
def test_bytes_that_are_no_canonical_object(case) -> None:
    data, code = case
    assert refusal(data) == (code, "")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{}", "manifest_field_missing"),
        (b'{"format_version":"1"}', "manifest_field_type"),
        (b'{"format_version":true}', "manifest_field_type"),
        (b'{"format_version":0}', "format_version_unsupported"),
        (b'{"format_version":2,"what":"a later reader knows"}', "format_version_unsupported"),
    ],
)
def test_the_version_is_read_before_anything_else(data: bytes, code: str) -> None:
    assert refusal(data) == (code, "/format_version")


def test_a_fixed_batch_fits_tensors_that_have_it() -> None:
    changes = [(f"/{port}/shape/0", 4) for port in ("inputs/0", "inputs/1", "outputs/0")]
    assert Manifest.parse(Manifest.encode(changed(("/batch", {"size": 4}), *changes))).batch == Batch(size=4)


def test_quantized_bounds_are_decoded() -> None:
    tolerance = {"quanta": 2, "step": bits_of(0.25), "word": "quantized"}
    manifest = Manifest.parse(Manifest.encode(changed(("/variants/0/tolerances/0", tolerance))))
    assert manifest.variants[0].tolerances == (Tolerance("quantized", quanta=2, step=0.25),)


@pytest.mark.parametrize("value", [0.0, 0.5, 1e-45, 3.4028234663852886e38])
def test_float32_bits_go_both_ways(value: float) -> None:
    assert bits_of(float32_of(bits_of(value))) == bits_of(value)
    assert bits_of(0.5) == "3f000000"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1.31.1", (1, 31, 1)), ("1.9.0", (1, 9, 0)), ("1.31.1+cpu", (1, 31, 1)), ("1.32.0.dev20", (1, 32, 0))],
)
def test_versions_compare_by_their_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_version(text) == numbers


def test_a_manifest_crosses_a_process_boundary() -> None:
    manifest = Manifest.parse(Manifest.encode(example.tree()))
    assert pickle.loads(pickle.dumps(manifest)) == manifest
