"""What opening decides of providers, formats and the model's signature: P1 to P6."""

import numpy as np

from tests.vectors.bases import mixed, mixed_inputs, scale
from tests.vectors.case import (
    Case,
    bundle_fault,
    call,
    fail,
    invalid,
    open_,
    option_fault,
    predict,
    self_test,
    valid,
)
from tests.vectors.kit import MODEL, Bundle, answer, build, given, grid
from tests.vectors.model import encode, node
from tests.vectors.model import model as write_model
from tests.vectors.options import ABSENT
from tests.vectors.tensor import tensors
from tests.vectors.valid_ort import scale_with_ort

CPU = "CPUExecutionProvider"
MISSPELT = "CUDAExecutionProvder"
ROWS = {"x": grid(2, 3)}


@option_fault("P2", "variant_unknown", "", "scale_rows")
def variant_without_a_name():
    """A variant's name is text, also where it is empty: no variant is called so."""
    return {"variant": ""}


@option_fault("P1", "option_invalid", "finite", "scale_rows")
def option_finite_of_numbers():
    """Names of inputs."""
    return {"finite": [0]}


@option_fault("P1", "option_invalid", "trust_bundle_library", "scale_rows")
def option_trust_is_a_string():
    """A word is no boolean, above all here."""
    return {"trust_bundle_library": "no"}


@option_fault("P1", "option_invalid", "providers", "scale_rows")
def option_provider_option_is_null():
    """Text, integers or booleans."""
    return {"providers": [[CPU, {"device_id": None}]]}


@option_fault("P1", "option_invalid", "providers", "scale_rows")
def option_provider_of_three():
    """A name, and at most its options."""
    return {"providers": [[CPU, {}, {}]]}


@option_fault("P1", "option_invalid", "a", "scale_rows")
def option_config_keys_in_byte_order():
    """Two keys that are not allowed."""
    return {"config": {"b": "1", "a": "1"}}


@option_fault("P5", "provider_unknown", MISSPELT, "scale_rows")
def provider_misspelt_before_one_that_is_there():
    """A misspelt name is refused under `fallback` too."""
    return {"providers": [MISSPELT, CPU]}


@option_fault("P5", "provider_unknown", MISSPELT, "scale_rows")
def provider_misspelt_behind_one_that_is_there():
    """Every name is looked at."""
    return {"providers": [CPU, MISSPELT], "provider_policy": "fallback"}


@option_fault("P5", "provider_unknown", MISSPELT, "scale_rows")
def providers_are_judged_one_by_one():
    """The first is misspelt, the second not there."""
    return {"providers": [MISSPELT, ABSENT], "provider_policy": "strict"}


@valid("P1", "P5")
def provider_policy_not_given() -> Case:
    """`fallback` is the default: what is not there is left out."""
    made = scale()
    step = open_({"providers": [ABSENT]}, {"providers": [CPU]})
    return Case([step, predict(made, ROWS)], bundle=made)


@valid("P1", "C10")
def finite_of_any_input() -> Case:
    """Names of inputs that are no floats, and a name twice, change nothing."""
    made = mixed()
    options = {"finite": ["words", "flags", "rows", "rows"]}
    return Case([open_(options), predict(made, mixed_inputs())], bundle=made)


@valid("P4")
def foreign_target_without_an_ort_file() -> Case:
    """The option waives a check of .ort files, and asks for none."""
    made = scale()
    step = open_({"allow_foreign_target": True}, {"format": "onnx"})
    return Case([step, predict(made, ROWS)], bundle=made)


@valid("P4")
def onnx_file_of_another_machine() -> Case:
    """An .onnx file fits everywhere, whatever the target and the CPU class say."""
    made = scale()
    made.tree["target"] = {"arch": "arm64", "cpu_class": "dotprod", "os": "linux"}
    made.tree["variants"][0] |= {"cpu_class": "dotprod", "writer": "999.0.0"}
    return Case([open_(None, {"format": "onnx"}), predict(made, ROWS)], bundle=made)


@bundle_fault("P4", "format_unavailable", "onnx", lambda: scale_with_ort(onnx=False), {"format": "onnx"})
def onnx_file_not_there(bundle):
    """The variant has the .ort file only."""


@bundle_fault("P5 P6", "model_rejected", MODEL, scale, {"mode": "quick"})
def model_is_garbage_in_quick_mode(bundle):
    """The library is asked in every mode."""
    bundle.files[MODEL] = b"this is no model"
    bundle.seal()


@valid("P6")
def quick_mode_compares_no_signature() -> Case:
    """The manifest's name for the input is not the model's: the quick mode does not see it."""
    made = scale()
    made.input("x")["name"] = "w"
    return Case([open_({"mode": "quick"})], bundle=made)


def _summed(names: list[str]) -> bytes:
    """A model whose output is the sum of its inputs."""
    inputs = [given(name, "float32", ["batch", 3]) for name in names]
    nodes = [node("Sum", " ".join(names), "y")]
    return encode(write_model(inputs, [answer("y", "float32", ["batch", 3])], nodes))


@bundle_fault("P6", "model_mismatch", "x", scale)
def model_with_an_input_more_at_the_front(bundle):
    """The first index that differs decides, not the name that is too many."""
    bundle.files[MODEL] = _summed(["more", "x"])
    bundle.seal()


@bundle_fault("P6", "model_mismatch", "w", scale)
def model_with_an_input_less_and_another_name(bundle):
    """Index 0 differs, which comes before the number of inputs."""
    bundle.input("x")["name"] = "w"
    bundle.tree["inputs"].append(bundle.tree["inputs"][0] | {"name": "x"})


@bundle_fault("P6", "model_mismatch", "more", scale)
def model_with_other_inputs_and_outputs(bundle):
    """Inputs come before outputs: the model has an input more, and another output."""
    bundle.files[MODEL] = _summed(["x", "more"])
    bundle.tree["outputs"][0]["name"] = "z"
    bundle.seal()


@valid("P6")
def symbols_of_the_model_are_not_compared() -> Case:
    """What the model calls an axis, or that it fixes it, does not matter where the manifest has a symbol."""
    made = build(
        [given("x", "float32", [2, "columns"])],
        [answer("y", "float32", ["rows", "columns"])],
        [node("Neg", "x", "y")],
        lambda inputs: {"y": -inputs["x"]},
    )
    made.tree["inputs"][0]["shape"] = ["n", 3]
    made.tree["outputs"][0]["shape"] = [2, "m"]
    return Case([open_(), predict(made, ROWS)], bundle=made.seal())


@valid("P6", "C12")
def symbols_of_outputs_have_no_value_to_hold() -> Case:
    """An axis is named after two rows and the model fixes it at three: only fixed sizes are compared."""
    made = scale()
    made.tree["outputs"][0]["shape"] = [2, "batch"]
    return Case([open_(), predict(made, ROWS), self_test()], bundle=made)


@valid("P6")
def symbols_of_the_model_are_no_text() -> Case:
    """What the model calls an axis may be no UTF-8 either; the sizes beside it are compared all the same."""
    made = build(
        [given("x", "float32", ["rows", 3])],
        [answer("y", "float32", ["rows", 3])],
        [node("Neg", "x", "y")],
        lambda inputs: {"y": -inputs["x"]},
    )
    made.files[MODEL] = made.files[MODEL].replace(b"rows", b"r\xff's")
    return Case([open_(), predict(made, ROWS)], bundle=made.seal())


@bundle_fault("P5", "model_rejected", MODEL, scale)
def model_with_an_input_name_that_is_no_text(bundle):
    """A byte 0xFF instead of the name, in the nodes too."""
    bundle.files[MODEL] = bundle.files[MODEL].replace(b"\1x", b"\1\xff")
    bundle.seal()


@bundle_fault("P5 P6", "model_rejected", MODEL, scale)
def model_with_an_output_more_whose_name_is_no_text(bundle):
    """Its first input has another name too, and an output that is no text decides."""
    inputs, outputs = [given("w", "float32", ["batch", 3])], [answer("y", "float32", ["batch", 3])]
    nodes = [node("Neg", "w", "y"), node("Abs", "w", "more")]
    content = encode(write_model(inputs, [*outputs, answer("more", "float32", ["batch", 3])], nodes))
    bundle.files[MODEL] = content.replace(b"more", b"\xffn\xe2\x82")
    bundle.seal()


@invalid("P6", "C11")
def output_name_that_ends_at_a_nul() -> Case:
    """The library's C interface calls it `y`, and knows no output of that name when it is asked for."""
    made = scale()
    outputs = [answer("y0", "float32", ["batch", 3])]
    content = encode(write_model(made.tree["inputs"], outputs, [node("Neg", "x", "y0")]))
    made.files[MODEL] = content.replace(b"y0", b"y\0")
    steps = [open_(), call("predict", fail("runtime_failure", "."), inputs=tensors(ROWS))]
    return Case(steps, bundle=made.seal())


def total() -> Bundle:
    """The model's output has no axis, and the manifest says that it has one of three."""
    made = build(
        [given("x", "float32", [2, 3])],
        [answer("y", "float32", [])],
        [node("ReduceMax", "x", "y", keepdims=0)],
        lambda inputs: {"y": np.max(inputs["x"])},
    )
    made.tree["outputs"][0]["shape"] = [3]
    return made.seal()


@invalid("P6", "C12")
def output_without_an_axis() -> Case:
    """Rank 0 is what the library reports for what it does not know, so that only the call tells."""
    request = call("predict", fail("output_mismatch", "y"), inputs=tensors(ROWS))
    return Case([open_(), request], bundle=total())


@bundle_fault("P6", "model_mismatch", "x", scale)
def model_with_an_input_without_an_axis(bundle):
    """Of inputs the rank is compared, also rank 0."""
    sides = [given("x", "float32", [])], [answer("y", "float32", [])]
    bundle.files[MODEL] = encode(write_model(*sides, [node("Neg", "x", "y")]))
    bundle.seal()


def _quick(made: Bundle, expect: dict, **inputs: np.ndarray) -> Case:
    """Opening does not compare the signature, so that the call must."""
    return Case([open_({"mode": "quick"}), call("predict", expect, inputs=tensors(inputs))], bundle=made)


@invalid("P6", "C12")
def output_of_another_dtype_in_quick_mode() -> Case:
    """The manifest promises as many bytes of integers."""
    made = scale()
    made.tree["outputs"][0]["dtype"] = "int32"
    return _quick(made, fail("output_mismatch", "y"), x=grid(2, 3))


@invalid("P6", "C11")
def input_of_another_name_in_quick_mode() -> Case:
    """The model has no such input."""
    made = scale()
    made.input("x")["name"] = "w"
    return _quick(made, fail("runtime_failure", "."), w=grid(2, 3))


@invalid("P6", "C11")
def output_of_another_name_in_quick_mode() -> Case:
    """The model has no such output."""
    made = scale()
    made.tree["outputs"][0]["name"] = "z"
    return _quick(made, fail("runtime_failure", "."), x=grid(2, 3))
