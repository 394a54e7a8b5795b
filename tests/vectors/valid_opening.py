"""Bundles and options that opening accepts."""

from tests.vectors.bases import mixed, mixed_inputs, scale, scale_without_cases, with_fake_ort
from tests.vectors.case import Case, open_, predict, self_test, valid
from tests.vectors.kit import MODEL, Bundle, grid, sha256, variant
from tests.vectors.opening import flipped
from tests.vectors.opening import op as prepared
from tests.vectors.options import ABSENT
from tests.vectors.tensor import canonical

ROWS = {"x": grid(2, 3)}


def opened(made: Bundle, options: dict | None = None, expect: dict | None = None) -> Case:
    """A case that opens and predicts once."""
    return Case([open_(options, expect), predict(made, ROWS)], bundle=made)


@valid("O1", "P1")
def scale_opened() -> Case:
    """The smallest bundle: what is open is told."""
    expect: dict = {"variant": "source", "format": "onnx", "providers": ["CPUExecutionProvider"]}
    shape = ["batch", 3]
    expect["inputs"] = [{"name": "x", "dtype": "float32", "shape": shape}]
    expect["outputs"] = [{"name": "y", "dtype": "float32", "shape": shape}]
    return opened(scale(), None, expect)


@valid("O1")
def root_is_a_link() -> Case:
    """The root may be a link, which is how an update switches."""
    made = scale()
    link = open_(bundle="$BUNDLE/../current")
    prepare = [prepared("symlink", "../current", target="bundle")]
    return Case([link, predict(made, ROWS)], bundle=made, prepare=prepare)


@valid("O3")
def digest_given() -> Case:
    """The identity that the caller wants."""
    made = scale()
    return opened(made, {"digest": sha256(canonical(made.tree))})


@valid("O5")
def attest_is_ignored() -> Case:
    """Whatever stands under `attest`, at the root."""
    made = scale()
    made.stray = {"attest/report.json": b"{", "attest/sub/.hidden": b""}
    return opened(made)


@valid("O5")
def attest_is_a_link() -> Case:
    """Whatever `attest` is, it is not looked at."""
    made = scale()
    link = prepared("symlink", "attest", target="nothing")
    return Case([open_(), predict(made, ROWS)], bundle=made, prepare=[link])


@valid("O7")
def quick_mode_takes_a_flipped_bit() -> Case:
    """The quick mode reads no file that it does not load."""
    made = scale()
    golden = "golden/first.safetensors"
    made.files[golden] = flipped(made.files[golden])
    return opened(made, {"mode": "quick"})


@valid("O7", "section 6")
def library_of_the_bundle_is_not_trusted() -> Case:
    """A library in `lib/` is sealed, and not loaded unless the caller trusts it: these bytes are none."""
    made = scale()
    made.files["lib/libonnxruntime.so"] = b"not a library"
    made.tree["runtime"]["library"] = "lib/libonnxruntime.so"
    return opened(made.seal())


@valid("O4")
def further_files() -> Case:
    """Listed files that no field refers to, in folders of folders, one of them empty."""
    made = scale()
    made.files["config/required_operators_and_types.config"] = b""
    made.files["models/weights/part-0/_data.bin"] = b"\0"
    return opened(made.seal())


@valid("M5")
def text_of_every_kind() -> Case:
    """Text outside ASCII is not escaped: U+2028, U+FFFE, four bytes a letter; escapes are short."""
    made = scale()
    made.tree["model"]["description"] = 'a "quoted" \\ path / \u2028 \ufffe 🙂 <&>'
    made.tree["metadata"] = {"": "", "A/b~c": "1", "long": "é" * 2048}
    return opened(made)


@valid("M13")
def tasks_and_states() -> Case:
    """What an output means, and labels in any number."""
    made = scale()
    made.tree["tasks"] = [
        {"kind": "classification", "labels": ["a", "b", "a"], "output": "y"},
        {"kind": "scores", "output": "y"},
    ]
    made.tree["recipe"]["stages"] = [
        {"outcome": "kept", "stage": "slim", "variant": "source"},
        {"outcome": "skipped", "reason": "larger", "stage": "convert", "variant": "source"},
    ]
    made.tree |= {"components": [], "features": [], "states": []}
    return opened(made)


@valid("P2")
def default_variant_is_not_the_first() -> Case:
    """Two variants in one bundle: the default, and the one that is asked for."""
    made = scale()
    made.tree["variants"].append(variant("int8", {"onnx": MODEL}, 1, precision="int8", rank=1))
    made.tree["default_variant"] = "int8"
    steps = [
        open_(None, {"variant": "int8"}),
        predict(made, ROWS),
        open_({"variant": "source"}, {"variant": "source"}),
        predict(made, ROWS),
    ]
    return Case(steps, bundle=made.seal())


@valid("P4")
def onnx_file_where_the_ort_file_is_too_new() -> Case:
    """The .ort file does not fit this library, so the .onnx file is taken."""
    return opened(with_fake_ort(), None, {"format": "onnx"})


@valid("P4")
def onnx_file_where_the_ort_format_is_too_new() -> Case:
    """No option waives that a library reads ORT files of a later format; the .onnx file is taken."""
    made = with_fake_ort()
    made.tree["runtime"]["ort_format"] = 1024
    return opened(made, {"allow_foreign_target": True}, {"format": "onnx"})


@valid("P3", "M5")
def runtime_pinned() -> Case:
    """Each field of `runtime`; what only describes a library decides nothing."""
    made = scale()
    made.files["lib/libonnxruntime.so"] = b"not a library"
    made.tree["runtime"] |= {
        "api_maximum": 1,
        "api_minimum": 1,
        "cxxabi": "9.9.9",
        "glibc": "9.99",
        "library": "lib/libonnxruntime.so",
        "libstdcxx": "9.9.9",
        "needed": ["libnowhere.so.1", "libc.so.6"],
        "ort_format": 1024,
        "sha256": "0" * 64,
    }
    return opened(made.seal())


@valid("P4")
def onnx_file_asked_for() -> Case:
    """An explicit format."""
    return opened(scale(), {"format": "onnx"}, {"format": "onnx"})


@valid("P5")
def provider_left_out() -> Case:
    """Under `fallback` a provider that is not there is left out."""
    options = {"providers": [ABSENT, "CPUExecutionProvider"], "provider_policy": "fallback"}
    return opened(scale(), options, {"providers": ["CPUExecutionProvider"]})


@valid("P5")
def provider_of_last_resort() -> Case:
    """Under `fallback` the CPU's provider answers even if no one asked for it."""
    options = {"providers": [[ABSENT, {"device_id": 0}]], "provider_policy": "fallback"}
    return opened(scale(), options, {"providers": ["CPUExecutionProvider"]})


@valid("P5")
def provider_there_and_strict() -> Case:
    """What is wanted is there."""
    options = {"providers": ["CPUExecutionProvider"], "provider_policy": "strict"}
    return opened(scale(), options, {"providers": ["CPUExecutionProvider"]})


@valid("P1")
def session_options() -> Case:
    """Every option of session.json, and configuration keys that it allows."""
    options = {
        "allow_spinning": True,
        "cpu_arena": True,
        "graph_optimization_level": "disabled",
        "inter_op_threads": 1,
        "intra_op_threads": 256,
        "mapped": False,
        "memory_pattern": False,
        "config": {"session.intra_op.spin_duration_us": "10", "session.x64quantprecision": "1"},
    }
    return opened(scale(), options)


@valid("P1")
def session_of_the_manifest() -> Case:
    """Defaults of this bundle."""
    made = scale()
    made.tree["session"] = {"allow_spinning": False, "graph_optimization_level": "basic", "mapped": False}
    made.tree["variants"][0] |= {"peak_memory": 1 << 20, "threads": 2}
    return opened(made)


@valid("C10")
def finite_by_option() -> Case:
    """The option names an input whose values are checked; these are finite."""
    made = mixed()
    return Case([open_({"finite": ["other"]}), predict(made, mixed_inputs())], bundle=made)


@valid("section 7")
def no_golden_case() -> Case:
    """A bundle without cases opens and predicts; only its self-test is refused."""
    return opened(scale_without_cases().seal())


@valid("section 7")
def synthetic_case() -> Case:
    """Cases made from the signature are run like others."""
    made = scale()
    made.golden_case("made_up", ROWS, synthetic=True)
    return Case([open_(), self_test()], bundle=made.seal())
