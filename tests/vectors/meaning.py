"""Manifests whose fields contradict each other: M10 to M14."""

from tests.vectors.bases import fixed_batch, scale
from tests.vectors.case import manifest_fault
from tests.vectors.kit import answer, given, sha256, variant

DUPLICATE = "name_duplicate"
REFERENCE = "reference_unknown"
INCONSISTENT = "manifest_inconsistent"
TARGET = "target_unknown"


def more_files(tree: dict, *paths: str) -> None:
    """List further empty files, in order."""
    tree["files"] += [{"path": path, "sha256": sha256(b""), "size": 0} for path in paths]
    tree["files"].sort(key=lambda one: one["path"])


@manifest_fault("M10", DUPLICATE, "/golden/1/name", scale)
def golden_name_twice(tree):
    """Two cases of one name."""
    more_files(tree, "golden/second.safetensors")
    tree["golden"].append(tree["golden"][0] | {"path": "golden/second.safetensors"})


@manifest_fault("M10", DUPLICATE, "/golden/1/path", scale)
def golden_path_twice(tree):
    """Two cases in one file."""
    tree["golden"].append(tree["golden"][0] | {"name": "second"})


@manifest_fault("M10", DUPLICATE, "/inputs/1/name", scale)
def input_name_twice(tree):
    """Two inputs of one name."""
    tree["inputs"].append(tree["inputs"][0])


@manifest_fault("M10", DUPLICATE, "/inputs/2/name", scale)
def input_named_like_a_part_of_a_string(tree):
    """In a golden file the string `words` is the tensors `words.offsets` and `words.utf8`."""
    tree["inputs"].append(given("words", "string", ["n"]))
    tree["inputs"].append(given("words.utf8", "uint8", ["n"]))


@manifest_fault("M10", DUPLICATE, "/outputs/1/name", scale)
def output_name_twice(tree):
    """Two outputs of one name."""
    tree["outputs"].append(tree["outputs"][0])
    tree["variants"][0]["tolerances"] *= 2


@manifest_fault("M10", DUPLICATE, "/outputs/2/name", scale)
def output_named_like_a_string_has_a_part(tree):
    """The string comes second, and needs the name that stands first."""
    tree["outputs"].append(answer("words.offsets", "int64", ["n"]))
    tree["outputs"].append(answer("words", "string", ["n"]))
    tree["variants"][0]["tolerances"] *= 3


@manifest_fault("M10", DUPLICATE, "/states/1/input", scale)
def state_input_twice(tree):
    """Two outputs that become one input."""
    tree["outputs"].append(tree["outputs"][0] | {"name": "z"})
    tree["variants"][0]["tolerances"] *= 2
    tree["states"] = [{"input": "x", "output": "y"}, {"input": "x", "output": "z"}]


@manifest_fault("M10", DUPLICATE, "/states/1/output", scale)
def state_output_twice(tree):
    """One output that becomes two inputs."""
    tree["inputs"].append(tree["inputs"][0] | {"name": "z"})
    tree["states"] = [{"input": "x", "output": "y"}, {"input": "z", "output": "y"}]


@manifest_fault("M10", DUPLICATE, "/variants/1/name", scale)
def variant_name_twice(tree):
    """Two variants of one name."""
    tree["variants"].append(tree["variants"][0])


@manifest_fault("M11", "tensor_unsupported", "/inputs/0", scale)
def string_of_rank_zero(tree):
    """Not every binding can carry one."""
    tree["inputs"][0] |= {"dtype": "string", "finite": False, "shape": []}
    del tree["batch"]


@manifest_fault("M11", "tensor_unsupported", "/outputs/0", scale)
def float16_of_rank_zero(tree):
    """Not every binding can carry one, as an output either."""
    tree["outputs"][0] |= {"dtype": "float16", "shape": []}


@manifest_fault("M12", TARGET, "/target/arch", scale)
def target_arch_unknown(tree):
    """An architecture that is not in targets.json."""
    tree["target"]["arch"] = "sparc"


@manifest_fault("M12", TARGET, "/target/arch", scale)
def target_arch_is_an_alias(tree):
    """Aliases are for people; a manifest says `arm64`."""
    tree["target"] = {"arch": "aarch64", "cpu_class": "v8.0", "os": "linux"}


@manifest_fault("M12", TARGET, "/target/cpu_class", scale)
def target_cpu_class_of_another_target(tree):
    """`dotprod` is a class of arm64."""
    tree["target"] = {"arch": "x86_64", "cpu_class": "dotprod", "os": "linux"}


@manifest_fault("M12", TARGET, "/target/os", scale)
def target_os_unknown(tree):
    """Targets are built for the system that the table names."""
    tree["target"] = {"arch": "x86_64", "cpu_class": "generic", "os": "plan9"}


@manifest_fault("M12", TARGET, "/variants/0/cpu_class", scale)
def variant_cpu_class_unknown(tree):
    """A class that the target does not have."""
    tree["variants"][0]["cpu_class"] = "avx512"


@manifest_fault("M13", REFERENCE, "/batch/symbol", scale)
def batch_symbol_in_no_input(tree):
    """An axis of an output alone is not enough."""
    tree["inputs"][0]["shape"][0] = "rows"


@manifest_fault("M13", REFERENCE, "/default_variant", scale)
def default_variant_unknown(tree):
    """The default is not there."""
    tree["default_variant"] = "int8"


@manifest_fault("M13", REFERENCE, "/golden/0/path", scale)
def golden_file_not_listed(tree):
    """A case without a file."""
    tree["golden"][0]["path"] = "golden/other.safetensors"


@manifest_fault("M13", REFERENCE, "/runtime/library", scale)
def library_not_listed(tree):
    """A library without a file, so without a digest."""
    tree["runtime"]["library"] = "lib/libonnxruntime.so"


@manifest_fault("M13", REFERENCE, "/states/0/input", scale)
def state_input_unknown(tree):
    """A state that leads into no input."""
    tree["states"] = [{"input": "none", "output": "y"}]


@manifest_fault("M13", REFERENCE, "/states/0/output", scale)
def state_output_unknown(tree):
    """A state that comes from no output."""
    tree["states"] = [{"input": "x", "output": "none"}]


@manifest_fault("M13", REFERENCE, "/tasks/0/output", scale)
def task_output_unknown(tree):
    """Labels for an output that is not there."""
    tree["tasks"] = [{"kind": "classification", "output": "none"}]


@manifest_fault("M13", REFERENCE, "/variants/0/files/onnx", scale)
def variant_file_not_listed(tree):
    """A variant without its file."""
    tree["variants"][0]["files"]["onnx"] = "models/other.onnx"


@manifest_fault("M14", INCONSISTENT, "/batch/size", scale)
def batch_size_is_not_axis_zero(tree):
    """A fixed batch is axis 0 of every input and output."""
    tree["batch"] = {"size": 2}


@manifest_fault("M14", INCONSISTENT, "/batch/size", fixed_batch)
def batch_size_is_not_axis_zero_of_an_output(tree):
    """The inputs have two rows, and the output has none that is fixed."""
    tree["outputs"][0]["shape"] = ["rows", 3]


@manifest_fault("M14", INCONSISTENT, "/batch/size", fixed_batch)
def batch_size_of_an_input_without_axes(tree):
    """A second input has no axis 0."""
    tree["inputs"].append(given("w", "float32", []))


@manifest_fault("M14", INCONSISTENT, "/golden/0/path", scale)
def golden_file_among_the_models(tree):
    """Cases are under `golden/`."""
    more_files(tree, "models/first.safetensors")
    tree["golden"][0]["path"] = "models/first.safetensors"


@manifest_fault("M14", INCONSISTENT, "/golden/0/path", scale)
def golden_file_with_another_ending(tree):
    """Cases end with `.safetensors`."""
    more_files(tree, "golden/first.npz")
    tree["golden"][0]["path"] = "golden/first.npz"


@manifest_fault("M14", INCONSISTENT, "/runtime/library", scale)
def library_among_the_models(tree):
    """Code is under `lib/`."""
    tree["runtime"]["library"] = "models/source.onnx"


@manifest_fault("M14", INCONSISTENT, "/variants/0/bytes", scale)
def bytes_not_the_sum(tree):
    """`bytes` is what the files of the variant take."""
    tree["variants"][0]["bytes"] += 1


@manifest_fault("M14", INCONSISTENT, "/variants/0/files/onnx", scale)
def model_file_with_another_ending(tree):
    """An .onnx file is called so."""
    more_files(tree, "models/other.ort")
    tree["variants"][0] |= {"bytes": 0, "files": {"onnx": "models/other.ort"}}


@manifest_fault("M14", INCONSISTENT, "/variants/0/files/onnx", scale)
def model_file_among_the_configuration(tree):
    """Models are under `models/`."""
    more_files(tree, "config/other.onnx")
    tree["variants"][0] |= {"bytes": 0, "files": {"onnx": "config/other.onnx"}}


@manifest_fault("M14", INCONSISTENT, "/variants/0/files/ort", scale)
def ort_file_with_another_ending(tree):
    """One file for both formats, on a target that has them."""
    tree["target"] = {"arch": "x86_64", "cpu_class": "generic", "os": "linux"}
    tree["variants"][0]["files"]["ort"] = "models/source.onnx"
    tree["variants"][0]["bytes"] *= 2


@manifest_fault("M14", INCONSISTENT, "/variants/0/files/ort", scale)
def ort_file_for_any_target(tree):
    """An .ort file is frozen for one architecture."""
    more_files(tree, "models/source.ort")
    tree["variants"][0]["files"]["ort"] = "models/source.ort"


@manifest_fault("M14", INCONSISTENT, "/variants/0/tolerances", scale)
def tolerances_too_many(tree):
    """One tolerance for each output."""
    tree["variants"][0]["tolerances"] *= 2


@manifest_fault("M14", INCONSISTENT, "/variants/0/tolerances/0", scale)
def tolerance_without_its_parameter(tree):
    """`absolute` needs a bound."""
    tree["variants"][0]["tolerances"] = [{"word": "absolute"}]


@manifest_fault("M14", INCONSISTENT, "/variants/1/tolerances/0", scale)
def tolerance_with_a_parameter_too_many(tree):
    """`close` has no parameters; the second variant is checked like the first."""
    second = variant("float16", {"onnx": "models/source.onnx"}, 1, rank=1)
    second["bytes"] = tree["variants"][0]["bytes"]
    second["tolerances"] = [{"word": "close", "bound": "3f000000"}]
    tree["variants"].append(second)
