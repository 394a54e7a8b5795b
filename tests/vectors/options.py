"""Options and models that a predictor refuses: P1 to P6."""

import numpy as np

from tests.vectors.bases import scale, with_fake_ort
from tests.vectors.case import bundle_fault, option_fault
from tests.vectors.kit import MODEL
from tests.vectors.model import encode, node
from tests.vectors.model import model as write_model

INVALID = "option_invalid"
MISMATCH = "model_mismatch"
ABSENT = "RknpuExecutionProvider"


def _option(subject: str):
    return option_fault("P1", INVALID, subject, "scale_rows")


@_option("colour")
def option_unknown():
    """No option has that name."""
    return {"colour": "blue"}


@_option("a")
def options_unknown_in_byte_order():
    """The first fault is that of the first name."""
    return {"b": 1, "a": 1}


@_option("intra_op_threads")
def option_threads_zero():
    """Zero threads means `as many as there are` elsewhere, and nothing here."""
    return {"intra_op_threads": 0}


@_option("inter_op_threads")
def option_threads_too_many():
    """At most 256."""
    return {"inter_op_threads": 257}


@_option("intra_op_threads")
def option_threads_is_a_string():
    """The type is that of session.json."""
    return {"intra_op_threads": "2"}


@_option("intra_op_threads")
def option_threads_is_true():
    """True is no number."""
    return {"intra_op_threads": True}


@_option("graph_optimization_level")
def option_level_unknown():
    """A word that session.json does not list."""
    return {"graph_optimization_level": "maximum"}


@_option("mode")
def option_mode_unknown():
    """Modes are `full` and `quick`."""
    return {"mode": "fast"}


@_option("format")
def option_format_unknown():
    """Formats are `onnx` and `ort`."""
    return {"format": "tflite"}


@_option("provider_policy")
def option_policy_unknown():
    """Policies are `fallback` and `strict`."""
    return {"provider_policy": "best"}


@_option("session.load_model_format")
def option_config_key_not_allowed():
    """Only keys that session.json allows; the subject is the key."""
    return {"config": {"session.load_model_format": "ORT"}}


@_option("mapped")
def option_mapped_with_onnx():
    """Only .ort files can be mapped."""
    return {"format": "onnx", "mapped": True}


@_option("memory_pattern")
def option_mapped_with_onnx_beside_a_later_one():
    """Each option is judged by itself first, those behind `mapped` too."""
    return {"format": "onnx", "mapped": True, "memory_pattern": "yes"}


@_option("digest")
def option_digest_in_upper_case():
    """An identity is 64 lower-case hex digits."""
    return {"digest": "A" * 64}


@_option("intra_op_threads")
def option_null():
    """Null is not a value; an option that is not wanted is left out."""
    return {"intra_op_threads": None}


@_option("providers")
def option_providers_empty():
    """A list of no providers."""
    return {"providers": []}


@_option("session.x64quantprecision")
def option_config_value_is_a_number():
    """Configuration is text; the subject is the key."""
    return {"config": {"session.x64quantprecision": 1}}


@_option("providers")
def option_providers_is_an_object():
    """Its members have no order of preference."""
    return {"providers": {"CPUExecutionProvider": {}}}


@option_fault("P5", "model_rejected", "models/source.onnx", "scale_opened")
def option_config_value_that_the_library_refuses():
    """What stands in a value is the library's to judge, when the session is made."""
    return {"config": {"session.use_deterministic_compute": "yes"}}


@_option("config")
def option_config_is_a_list():
    """Configuration is an object."""
    return {"config": ["session.x64quantprecision"]}


@_option("finite")
def option_finite_of_an_unknown_input():
    """A misspelt name would leave the input unchecked."""
    return {"finite": ["X"]}


@option_fault("P2", "variant_unknown", "int4", "scale_rows")
def variant_not_there():
    """The bundle has no such variant."""
    return {"variant": "int4"}


@option_fault("P4", "format_unavailable", "ort", "scale_rows")
def format_not_there():
    """The variant has no .ort file."""
    return {"format": "ort"}


@option_fault("P4", "format_unavailable", "ort", "scale_rows")
def mapped_without_an_ort_file():
    """`mapped` asks for the .ort file."""
    return {"mapped": True}


@bundle_fault("P4", "target_mismatch", "models/source.ort", with_fake_ort, {"format": "ort"})
def ort_file_of_a_newer_writer(bundle):
    """The file was written by a later ONNX Runtime than any host has."""


@bundle_fault("P4", "target_mismatch", "models/source.ort", lambda: with_fake_ort(onnx=False))
def only_an_ort_file_of_a_newer_writer(bundle):
    """Without an .onnx file there is nothing to fall back to."""


@bundle_fault("P3", "library_too_old", ".", scale)
def bundle_needs_a_newer_library(bundle):
    """`runtime.minimum` is later than any library."""
    bundle.tree["runtime"]["minimum"] = "999.0.0"


@bundle_fault("P3", "library_too_old", ".", scale)
def variant_needs_a_newer_library(bundle):
    """`minimum_runtime` of the variant is later than any library."""
    bundle.tree["variants"][0]["minimum_runtime"] = "1.1000.0"


@bundle_fault("P3", "library_api", ".", scale)
def bundle_needs_a_newer_api(bundle):
    """`runtime.api_minimum` is more than any library offers."""
    bundle.tree["runtime"]["api_minimum"] = 4096


@bundle_fault("P3", "library_too_old", ".", scale)
def age_before_api(bundle):
    """The bundle needs a later library, and an API that none offers."""
    bundle.tree["runtime"] |= {"api_minimum": 4096, "minimum": "999.0.0"}


FOREIGN = {"allow_foreign_target": True}


@bundle_fault("P4", "library_ort_format", "models/source.ort", with_fake_ort, {"format": "ort"} | FOREIGN)
def ort_file_of_a_later_format(bundle):
    """`runtime.ort_format` is later than any library reads; no option waives that."""
    bundle.tree["runtime"]["ort_format"] = 1024


@bundle_fault("P4", "library_ort_format", "models/source.ort", lambda: with_fake_ort(onnx=False), FOREIGN)
def only_an_ort_file_of_a_later_format(bundle):
    """Without an .onnx file there is nothing to fall back to."""
    bundle.tree["runtime"]["ort_format"] = 1024


@bundle_fault("P4", "target_mismatch", "models/source.ort", with_fake_ort, {"format": "ort"})
def fit_before_ort_format(bundle):
    """The file was written by a later ONNX Runtime, in a later format."""
    bundle.tree["runtime"]["ort_format"] = 1024


@option_fault("P5", "provider_unknown", "CUDAExecutionProvder", "scale_rows")
def provider_misspelt():
    """A misspelt name is never left out silently, whatever the policy."""
    return {"providers": ["CUDAExecutionProvder"], "provider_policy": "fallback"}


@option_fault("P5", "provider_unavailable", ABSENT, "scale_rows")
def provider_not_in_the_library():
    """Strict: what is wanted must be there."""
    return {"providers": [ABSENT], "provider_policy": "strict"}


@option_fault("P5", "provider_unavailable", ABSENT, "scale_rows")
def providers_in_order_of_preference():
    """The first provider is not there, the second is misspelt: provider by provider."""
    return {"providers": [ABSENT, "CUDAExecutionProvder"], "provider_policy": "strict"}


@bundle_fault("P5", "model_rejected", MODEL, scale)
def model_is_garbage(bundle):
    """Sealed bytes that are no model."""
    bundle.files[MODEL] = b"this is no model"
    bundle.seal()


@bundle_fault("P5", "model_rejected", MODEL, scale)
def model_truncated(bundle):
    """The first half of a model, sealed."""
    bundle.files[MODEL] = bundle.files[MODEL][: len(bundle.files[MODEL]) // 2]
    bundle.seal()


@bundle_fault("P5", "model_rejected", MODEL, scale)
def model_with_an_unknown_operator(bundle):
    """An operator that no library has."""
    tree = bundle.tree
    bundle.files[MODEL] = encode(write_model(tree["inputs"], tree["outputs"], [node("Telepathy", "x", "y")]))
    bundle.seal()


def _mismatch(subject: str):
    return bundle_fault("P6", MISMATCH, subject, scale)


@_mismatch("w")
def model_with_another_input_name(bundle):
    """The model's input is `x`; its symbol leads somewhere, so only the name is wrong."""
    bundle.input("x")["name"] = "w"


@_mismatch("x")
def model_with_another_dtype(bundle):
    """The model wants float32."""
    bundle.input("x")["dtype"] = "float64"


@_mismatch("x")
def model_with_another_rank(bundle):
    """The model has two axes."""
    bundle.input("x")["shape"] = ["batch", 3, 1]


@_mismatch("x")
def model_with_another_size(bundle):
    """The model has three columns."""
    bundle.input("x")["shape"] = ["batch", 4]


@_mismatch("y")
def model_with_another_output_size(bundle):
    """Outputs are compared too."""
    bundle.tree["outputs"][0]["shape"] = ["batch", 4]


def _replaced(bundle, inputs: list[str], outputs: list[str]) -> None:
    """Another model of the same tensors: each output is the sum of the inputs, doubled."""
    tree = bundle.tree
    sides = [
        [side | {"name": name} for name in names]
        for side, names in ((tree["inputs"][0], inputs), (tree["outputs"][0], outputs))
    ]
    nodes = [node("Sum", " ".join(inputs), "sum")]
    nodes += [node("Mul", "sum two", name) for name in outputs]
    bundle.files[MODEL] = encode(write_model(*sides, nodes, {"two": np.array(2, np.float32)}))
    bundle.seal()


@_mismatch("more")
def model_with_an_input_more(bundle):
    """The subject is the model's name for what the manifest lacks."""
    _replaced(bundle, ["x", "more"], ["y"])


@_mismatch("more")
def model_with_an_output_more(bundle):
    """A caller would never see it, and the order of outputs would be in doubt."""
    _replaced(bundle, ["x"], ["y", "more"])


@_mismatch("z")
def model_with_an_input_less(bundle):
    """The manifest promises an input that nothing reads."""
    bundle.tree["inputs"].append(bundle.input("x") | {"name": "z"})


@_mismatch("x")
def model_with_inputs_in_another_order(bundle):
    """The same names, and the order of the manifest is not the session's."""
    bundle.tree["inputs"].append(bundle.input("x") | {"name": "a"})
    _replaced(bundle, ["a", "x"], ["y"])
