"""Options of the wrong type: P1."""

from tests.vectors.case import option_fault


def _option(subject: str):
    return option_fault("P1", "option_invalid", subject, "scale_rows")


@_option("cpu_arena")
def option_boolean_is_a_number():
    """1 is no boolean."""
    return {"cpu_arena": 1}


@_option("allow_foreign_target")
def option_boolean_is_a_string():
    """A word is no boolean."""
    return {"allow_foreign_target": "yes"}


@_option("variant")
def option_variant_is_a_number():
    """A variant has a name."""
    return {"variant": 0}


@_option("digest")
def option_digest_too_short():
    """An identity has 64 digits."""
    return {"digest": "ab" * 31}


@_option("providers")
def option_providers_is_a_string():
    """A list, also of one provider."""
    return {"providers": "CPUExecutionProvider"}


@_option("providers")
def option_provider_with_a_list_of_options():
    """A provider's options are an object."""
    return {"providers": [["CPUExecutionProvider", ["device_id"]]]}


@_option("providers")
def option_provider_is_a_number():
    """A provider has a name."""
    return {"providers": [0]}


@_option("finite")
def option_finite_is_a_string():
    """A list, also of one input."""
    return {"finite": "x"}


@_option("intra_op_threads")
def option_threads_with_a_fraction():
    """Half a thread."""
    return {"intra_op_threads": 1.5}


@_option("cpu_arena")
def option_faults_of_several_kinds():
    """Byte order of the names decides, not the kind of the fault."""
    return {"cpu_arena": "no", "format": "onnx", "mapped": True, "zzz": 1}


@_option("digest")
def option_digest_is_null():
    """Null is no identity, and not the same as none."""
    return {"digest": None}


@_option("mode")
def option_mode_is_null():
    """Null is no mode."""
    return {"mode": None}


@_option("digest")
def option_digest_and_mode_at_fault():
    """Byte order of the names."""
    return {"mode": None, "digest": "ab"}


@_option("mode")
def option_mode_before_others():
    """What decides how a bundle is opened is judged before it, so before the options of a predictor."""
    return {"mode": "fast", "colour": "blue"}
