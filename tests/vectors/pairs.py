"""Two faults of neighbouring checks of a manifest: the first check decides."""

from tests.vectors.bases import scale
from tests.vectors.case import Case, fail, invalid, manifest_fault, open_
from tests.vectors.lexical import LIMIT, written
from tests.vectors.meaning import more_files
from tests.vectors.paths import listed
from tests.vectors.tensor import canonical


@invalid("M1", "M2")
def both_M1_M2() -> Case:
    """Too large, and no JSON."""
    steps = [open_() | {"expect": fail("manifest_too_large", "")}]
    return Case(steps, bundle=scale(), prepare=written("7b", LIMIT + 1))


@manifest_fault("M2 M3", "manifest_malformed", "", scale)
def both_M2_M3(tree):
    """White space at the front and a brace missing at the end."""
    return b" " + canonical(tree)[:-1]


@manifest_fault("M3 M4", "manifest_not_canonical", "", scale)
def both_M3_M4(tree):
    """White space in a manifest of version 2."""
    tree["format_version"] = 2
    return b" " + canonical(tree)


@manifest_fault("M4 M5", "format_version_unsupported", "/format_version", scale)
def both_M4_M5(tree):
    """Version 2 without a field that version 1 needs."""
    tree["format_version"] = 2
    del tree["files"]


@manifest_fault("M5 M6", "manifest_field_value", "/inputs/0/dtype", scale)
def both_M5_M6(tree):
    """A misspelt dtype in a manifest with an unknown feature, which comes first in byte order."""
    tree["features"] = ["later"]
    tree["inputs"][0]["dtype"] = "float23"


@manifest_fault("M6 M7", "feature_unsupported", "/features/0", scale)
def both_M6_M7(tree):
    """An unknown feature and a path that climbs."""
    tree["features"] = ["later"]
    tree["files"][0]["path"] = "golden/../x"


@manifest_fault("M7 M8", "path_unsafe", "/files/1/path", scale)
def both_M7_M8(tree):
    """Files out of order, the later of which is hidden."""
    listed(tree, "models/source.onnx", "golden/.first")


@manifest_fault("M8 M9", "manifest_field_value", "/files/2/path", scale)
def both_M8_M9(tree):
    """Files that differ by case, followed by one out of order."""
    listed(tree, "models/A", "models/a", "golden/first.safetensors")


@manifest_fault("M9 M10", "path_conflict", "/files/1/path", scale)
def both_M9_M10(tree):
    """Files that differ by case, and an input twice."""
    listed(tree, "models/A", "models/a")
    tree["inputs"].append(tree["inputs"][0])


@manifest_fault("M10 M11", "name_duplicate", "/inputs/1/name", scale)
def both_M10_M11(tree):
    """One name for two inputs, the first of which is a string of rank 0."""
    tree["inputs"].insert(0, tree["inputs"][0] | {"dtype": "string", "finite": False, "shape": []})


@manifest_fault("M11 M12", "tensor_unsupported", "/outputs/0", scale)
def both_M11_M12(tree):
    """A float16 of rank 0 for an unknown architecture."""
    tree["outputs"][0] |= {"dtype": "float16", "shape": []}
    tree["target"]["arch"] = "sparc"


@manifest_fault("M12 M13", "target_unknown", "/target/arch", scale)
def both_M12_M13(tree):
    """An unknown architecture and an unknown default."""
    tree["target"]["arch"] = "sparc"
    tree["default_variant"] = "int8"


@manifest_fault("M13 M14", "reference_unknown", "/variants/0/files/onnx", scale)
def both_M13_M14(tree):
    """A file that is not listed, and a batch that is not axis 0."""
    tree["variants"][0]["files"]["onnx"] = "models/other.onnx"
    tree["batch"] = {"size": 7}


@manifest_fault("M13 M14", "manifest_inconsistent", "/golden/0/path", scale)
def both_M14_steps(tree):
    """Inside M14: a golden path before the sum of bytes."""
    more_files(tree, "golden/first.npz")
    tree["golden"][0]["path"] = "golden/first.npz"
    tree["variants"][0]["bytes"] += 1
