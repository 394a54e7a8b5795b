"""Two faults inside one check of a manifest: the order that FORMAT.md gives decides. M10 to M14."""

from tests.vectors.bases import scale
from tests.vectors.case import manifest_fault
from tests.vectors.kit import variant
from tests.vectors.meaning import DUPLICATE, INCONSISTENT, REFERENCE, TARGET, more_files


def _output(tree: dict, name: str) -> None:
    """One output more, with its tolerance."""
    tree["outputs"].append(tree["outputs"][0] | {"name": name})
    tree["variants"][0]["tolerances"] = [{"word": "exact"}] * len(tree["outputs"])


def _second_golden(tree: dict, name: str, path: str) -> None:
    more_files(tree, path)
    tree["golden"].append({"name": name, "path": path, "synthetic": False})


@manifest_fault("M10", DUPLICATE, "/golden/2/name", scale)
def order_of_golden_names_and_paths(tree):
    """All names come before the first path: case 1 repeats a path, case 2 a name."""
    tree["golden"].append(tree["golden"][0] | {"name": "second"})
    _second_golden(tree, "first", "golden/third.safetensors")


@manifest_fault("M10", DUPLICATE, "/golden/1/path", scale)
def order_of_golden_paths_and_inputs(tree):
    """Cases come before tensors."""
    tree["golden"].append(tree["golden"][0] | {"name": "second"})
    tree["inputs"].append(tree["inputs"][0])


@manifest_fault("M10", DUPLICATE, "/inputs/1/name", scale)
def order_of_input_and_output_names(tree):
    """Inputs come before outputs."""
    _output(tree, "y")
    tree["inputs"].append(tree["inputs"][0])


@manifest_fault("M10", DUPLICATE, "/outputs/1/name", scale)
def order_of_output_names_and_states(tree):
    """Tensors come before states."""
    tree["states"] = [{"input": "x", "output": "y"}] * 2
    _output(tree, "y")


@manifest_fault("M10", DUPLICATE, "/states/2/input", scale)
def order_of_state_inputs_and_outputs(tree):
    """All inputs of states come before the first output: state 1 repeats an output, state 2 an input."""
    tree["inputs"].append(tree["inputs"][0] | {"name": "w"})
    _output(tree, "z")
    pairs = (("x", "y"), ("w", "y"), ("x", "z"))
    tree["states"] = [{"input": one, "output": other} for one, other in pairs]


@manifest_fault("M10", DUPLICATE, "/states/1/output", scale)
def order_of_states_and_variants(tree):
    """States come before variants."""
    tree["variants"].append(tree["variants"][0])
    tree["inputs"].append(tree["inputs"][0] | {"name": "w"})
    tree["states"] = [{"input": "x", "output": "y"}, {"input": "w", "output": "y"}]


@manifest_fault("M11", "tensor_unsupported", "/inputs/1", scale)
def order_of_inputs_and_outputs_of_rank_zero(tree):
    """Inputs come before outputs, whatever their place."""
    tree["outputs"][0] |= {"dtype": "float16", "shape": []}
    tree["inputs"].append(tree["inputs"][0] | {"dtype": "float16", "name": "w", "shape": []})


@manifest_fault("M12", TARGET, "/target/arch", scale)
def order_of_arch_and_cpu_class(tree):
    """Without an architecture there is no class."""
    tree["target"] |= {"arch": "sparc", "cpu_class": "none", "os": "none"}


@manifest_fault("M12", TARGET, "/target/cpu_class", scale)
def order_of_cpu_class_and_os(tree):
    """The class comes before the system."""
    tree["target"] |= {"cpu_class": "none", "os": "none"}


@manifest_fault("M12", TARGET, "/target/os", scale)
def order_of_os_and_variants(tree):
    """The target comes before the variants."""
    tree["variants"][0]["cpu_class"] = "none"
    tree["target"]["os"] = "none"


@manifest_fault("M13", REFERENCE, "/batch/symbol", scale)
def order_of_batch_and_default_variant(tree):
    """The batch comes before the default."""
    tree["default_variant"] = "none"
    tree["batch"] = {"symbol": "none"}


@manifest_fault("M13", REFERENCE, "/default_variant", scale)
def order_of_default_variant_and_golden_files(tree):
    """The default comes before the cases."""
    tree["golden"][0]["path"] = "golden/none.safetensors"
    tree["default_variant"] = "none"


@manifest_fault("M13", REFERENCE, "/golden/0/path", scale)
def order_of_golden_files_and_library(tree):
    """The cases come before the library."""
    tree["runtime"]["library"] = "lib/none.so"
    tree["golden"][0]["path"] = "golden/none.safetensors"


@manifest_fault("M13", REFERENCE, "/runtime/library", scale)
def order_of_library_and_states(tree):
    """The library comes before the states."""
    tree["states"] = [{"input": "none", "output": "y"}]
    tree["runtime"]["library"] = "lib/none.so"


@manifest_fault("M13", REFERENCE, "/states/1/input", scale)
def order_of_references_of_states(tree):
    """All inputs come before the first output: that of state 0 is unknown, and the input of state 1."""
    tree["states"] = [{"input": "x", "output": "none"}, {"input": "none", "output": "y"}]


@manifest_fault("M13", REFERENCE, "/states/0/output", scale)
def order_of_states_and_tasks(tree):
    """States come before tasks."""
    tree["tasks"] = [{"kind": "classification", "output": "none"}]
    tree["states"] = [{"input": "x", "output": "none"}]


@manifest_fault("M13", REFERENCE, "/tasks/0/output", scale)
def order_of_tasks_and_variants(tree):
    """Tasks come before the files of variants."""
    tree["variants"][0]["files"]["onnx"] = "models/none.onnx"
    tree["tasks"] = [{"kind": "classification", "output": "none"}]


@manifest_fault("M13", REFERENCE, "/variants/0/files/onnx", scale)
def order_of_unlisted_model_files(tree):
    """The .onnx file comes before the .ort file."""
    tree["variants"][0]["files"] = {"onnx": "models/none.onnx", "ort": "models/none.ort"}


@manifest_fault("M13", REFERENCE, "/variants/0/files/ort", scale)
def order_of_files_of_two_variants(tree):
    """Variant by variant: the second file of the first before the first file of the second."""
    tree["variants"].append(variant("int8", {"onnx": "models/none.onnx"}, 1))
    tree["variants"][0]["files"]["ort"] = "models/none.ort"


@manifest_fault("M14", INCONSISTENT, "/batch/size", scale)
def order_of_batch_and_golden_paths(tree):
    """The batch comes before the cases."""
    more_files(tree, "golden/first.npz")
    tree["golden"][0]["path"] = "golden/first.npz"
    tree["batch"] = {"size": 2}


@manifest_fault("M14", INCONSISTENT, "/golden/0/path", scale)
def order_of_golden_paths_and_library(tree):
    """The cases come before the library."""
    more_files(tree, "golden/first.npz")
    tree["golden"][0]["path"] = "golden/first.npz"
    tree["runtime"]["library"] = "models/source.onnx"


@manifest_fault("M14", INCONSISTENT, "/runtime/library", scale)
def order_of_library_and_bytes(tree):
    """The library comes before the variants."""
    tree["variants"][0]["bytes"] += 1
    tree["runtime"]["library"] = "models/source.onnx"


@manifest_fault("M14", INCONSISTENT, "/variants/0/bytes", scale)
def order_of_bytes_and_model_paths(tree):
    """The sum comes before the paths."""
    more_files(tree, "models/other.ort")
    tree["variants"][0] |= {"bytes": 1, "files": {"onnx": "models/other.ort"}}


@manifest_fault("M14", INCONSISTENT, "/variants/0/bytes", scale)
def order_of_bytes_and_ort_paths(tree):
    """The sum comes before the .ort file too, whose ending is wrong."""
    more_files(tree, "models/other.onnx")
    tree["variants"][0]["bytes"] += 1
    tree["variants"][0]["files"]["ort"] = "models/other.onnx"


@manifest_fault("M14", INCONSISTENT, "/variants/0/files/onnx", scale)
def order_of_onnx_and_ort_paths(tree):
    """The .onnx file comes before the .ort file."""
    more_files(tree, "models/one", "models/two")
    tree["variants"][0] |= {"bytes": 0, "files": {"onnx": "models/one", "ort": "models/two"}}


@manifest_fault("M14", INCONSISTENT, "/variants/0/files/ort", scale)
def order_of_model_paths_and_tolerances(tree):
    """The files come before the tolerances."""
    more_files(tree, "models/source.ort")
    tree["variants"][0]["files"]["ort"] = "models/source.ort"
    tree["variants"][0]["tolerances"] = []


@manifest_fault("M14", INCONSISTENT, "/variants/0/tolerances", scale)
def order_of_the_number_of_tolerances_and_their_parameters(tree):
    """How many come before what is in them."""
    tree["variants"][0]["tolerances"] = [{"word": "absolute"}] * 2


@manifest_fault("M14", INCONSISTENT, "/variants/0/tolerances/0", scale)
def order_of_two_variants(tree):
    """Variant by variant: the last field of the first before the first field of the second."""
    tree["variants"].append(variant("int8", {"onnx": "models/source.onnx"}, 1))
    tree["variants"][0]["tolerances"] = [{"word": "quantized", "quanta": 1}]
