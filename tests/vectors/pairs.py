"""Two faults of neighbouring checks: the first check decides."""

import copy

import numpy as np

from tests.vectors.bases import scale, with_fake_ort
from tests.vectors.calls import MIXED, SCALE, scale_with
from tests.vectors.case import (
    Case,
    bundle_fault,
    call,
    call_fault,
    fail,
    invalid,
    manifest_fault,
    open_,
    option_fault,
)
from tests.vectors.kit import MODEL, grid, sha256
from tests.vectors.lexical import LIMIT, written
from tests.vectors.meaning import more_files
from tests.vectors.opening import flipped, nchwc_model, op
from tests.vectors.options import ABSENT
from tests.vectors.paths import listed
from tests.vectors.tensor import canonical, tensor, tensors

ELSEWHERE = {"digest": sha256(b"another")}


def _refused(code: str, subject: str, options: dict | None = None) -> list[dict]:
    return [open_(options) | {"expect": fail(code, subject)}]


@invalid("M1", "M2")
def both_M1_M2() -> Case:
    """Too large, and no JSON."""
    return Case(_refused("manifest_too_large", ""), bundle=scale(), prepare=written("7b", LIMIT + 1))


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


@bundle_fault("O2 O3", "file_not_regular", "bundle.json", scale, ELSEWHERE)
def both_O2_O3(bundle):
    """The manifest is a link, and the digest another."""
    data = bundle.manifest().hex()
    return [
        op("write", "../moved.json", hex=data),
        op("delete", "bundle.json"),
        op("symlink", "bundle.json", target="../moved.json"),
    ]


@bundle_fault("M1 O3", "manifest_too_large", "", scale, ELSEWHERE)
def both_M1_O3(bundle):
    """Too large, and the digest another: what is too large is not read."""
    return written("20", LIMIT + 1)


@bundle_fault("O3 M2", "bundle_digest_mismatch", "bundle.json", scale, ELSEWHERE)
def both_O3_M2(bundle):
    """The digest is another, and the bytes are no JSON: they are not parsed."""
    bundle.written = b"{"


@bundle_fault("O3 O4", "bundle_digest_mismatch", "bundle.json", scale, ELSEWHERE)
def both_O3_O4(bundle):
    """The digest is another, and a file is missing."""
    return [op("delete", MODEL)]


@bundle_fault("O4 O5", "file_missing", MODEL, scale)
def both_O4_O5(bundle):
    """A file is missing, and another too many: it was renamed."""
    bundle.stray["models/renamed.onnx"] = bundle.files.pop(MODEL)


@bundle_fault("O5 O6", "file_unexpected", "zoo", scale)
def both_O5_O6(bundle):
    """A file too many, and one too short."""
    bundle.stray["zoo"] = b""
    bundle.files[MODEL] = bundle.files[MODEL][:-1]


@bundle_fault("O6 O7", "file_size_mismatch", MODEL, scale)
def both_O6_O7(bundle):
    """All sizes come before the first digest: the earlier file has a bit flipped, the later one is short."""
    first = "golden/first.safetensors"
    bundle.files[first] = flipped(bundle.files[first])
    bundle.files[MODEL] = bundle.files[MODEL][:-1]


@bundle_fault("O7 O8", "file_digest_mismatch", "models/source.ort", with_fake_ort)
def both_O7_O8(bundle):
    """All digests come before the first model: the earlier file has blocked nodes, the later a bit flipped."""
    bundle.files[MODEL] = nchwc_model(bundle)
    bundle.seal()
    bundle.files["models/source.ort"] = flipped(bundle.files["models/source.ort"])


@option_fault("P1 P2", "option_invalid", "intra_op_threads", "scale_rows")
def both_P1_P2():
    """Zero threads for a variant that is not there."""
    return {"intra_op_threads": 0, "variant": "int4"}


@option_fault("P2 P4", "variant_unknown", "int4", "scale_rows")
def both_P2_P4():
    """A format that no variant has, of a variant that is not there."""
    return {"format": "ort", "variant": "int4"}


@bundle_fault("P2 P3", "variant_unknown", "int4", scale, {"variant": "int4"})
def both_P2_P3(bundle):
    """An unknown variant in a bundle that needs a later library."""
    bundle.tree["runtime"]["minimum"] = "999.0.0"


@bundle_fault("P3 P4", "library_too_old", ".", scale, {"format": "ort"})
def both_P3_P4(bundle):
    """A library that is too old, and a format that is not there."""
    bundle.tree["runtime"]["minimum"] = "999.0.0"


@option_fault("P4 P5", "format_unavailable", "ort", "scale_rows")
def both_P4_P5():
    """A format that is not there, on a provider that is not there."""
    return {"format": "ort", "providers": [ABSENT], "provider_policy": "strict"}


@bundle_fault(
    "P5 P6", "provider_unavailable", ABSENT, scale, {"providers": [ABSENT], "provider_policy": "strict"}
)
def both_P5_P6(bundle):
    """A provider that is not there for a model that the manifest does not describe."""
    bundle.input("x")["dtype"] = "float64"


@invalid("C1", "C2")
def both_C1_C2() -> Case:
    """A closed predictor, and an input that it never had."""
    inputs = tensors({"x": grid(2, 3), "z": grid(2, 3)})
    steps = [open_(), call("close"), call("predict", fail("predictor_closed", "."), inputs=inputs)]
    return Case(steps, bundle="scale_rows")


@call_fault("C2 C3", "input_unknown", "X", SCALE)
def both_C2_C3(request):
    """A misspelt name: unknown here, missing there."""
    request["inputs"]["X"] = request["inputs"].pop("x")


@call_fault("C3 C4", "input_missing", "index", MIXED)
def both_C3_C4(request):
    """The first input has another dtype, the last is missing."""
    del request["inputs"]["index"]
    request["inputs"]["rows"] = tensor(grid(2, 3, dtype="float64"))


@call_fault("C4 C5", "input_dtype_mismatch", "x", SCALE)
def both_C4_C5(request):
    """Another dtype and another rank."""
    request["inputs"]["x"] = tensor(grid(3, dtype="float64"))


@call_fault("C5 C6", "input_rank_mismatch", "x", SCALE)
def both_C5_C6(request):
    """An axis too many, and the fixed one of another size."""
    request["inputs"]["x"] = tensor(grid(2, 2, 2))


@call_fault("C6 C7", "input_shape_mismatch", "x", SCALE)
def both_C6_C7(request):
    """No rows of two columns."""
    request["inputs"]["x"] = tensor(grid(0, 2))


@call_fault("C7 C8", "input_empty", "other", MIXED)
def both_C7_C8(request):
    """No rows where another input has two."""
    request["inputs"]["other"] = tensor(grid(0, 3))


@call_fault("C4 C8", "input_symbol_conflict", "flags", MIXED)
def both_C8_of_one_input_C4_of_the_next(request):
    """All of C4 to C8 for one input comes before the next input."""
    request["inputs"]["flags"] = tensor(np.array([True, False, True]))
    request["inputs"]["index"] = tensor(np.array([3, 0], np.int32))


@call_fault("C8 C9", "input_symbol_conflict", "index", MIXED)
def both_C8_C9(request):
    """A bool byte of 2, and a later input of another length."""
    request["inputs"]["flags"]["data"] = "0102"
    request["inputs"]["index"] = tensor(np.array([3, 0, 1]))


@call_fault("C9 C10", "input_value", "flags", MIXED)
def both_C9_C10(request):
    """NaN in the first input, and a bool byte of 2 in a later one."""
    request["inputs"]["rows"] = tensor(scale_with(np.nan))
    request["inputs"]["flags"]["data"] = "0102"


@call_fault("C10 C11", "input_not_finite", "rows", MIXED)
def both_C10_C11(request):
    """NaN, and an index on which the model would fail."""
    request["inputs"]["rows"] = tensor(scale_with(np.nan))
    request["inputs"]["index"] = tensor(np.array([0, 4]))


@invalid("B1", "B2")
def both_B1_B2() -> Case:
    """No batch axis, rows that depend on each other, and no size."""
    bundle = scale()
    del bundle.tree["batch"]
    bundle.tree["variants"][0]["batch_invariant"] = False
    request = call("predict_batch", fail("batch_unsupported", "."), inputs=tensors({"x": grid(4, 3)}))
    return Case([open_(), request], bundle=bundle)


@invalid("B1", "B3")
def both_B1_B3() -> Case:
    """No batch axis, and pieces of no rows."""
    inputs = copy.deepcopy(tensors(MIXED[1]))
    request = call("predict_batch", fail("batch_unsupported", "."), inputs=inputs, batch_size=0)
    return Case([open_(), request], bundle="several_tensors")


@invalid("B3", "C1")
def both_B3_C1() -> Case:
    """Pieces of no rows on a closed predictor."""
    request = call(
        "predict_batch", fail("batch_size_invalid", "."), inputs=tensors({"x": grid(4, 3)}), batch_size=0
    )
    return Case([open_(), call("close"), request], bundle="scale_rows")


@invalid("B3", "C2")
def both_B3_C2() -> Case:
    """Pieces of no rows of an input that is not there."""
    request = call(
        "predict_batch", fail("batch_size_invalid", "."), inputs=tensors({"z": grid(4, 3)}), batch_size=0
    )
    return Case([open_(), request], bundle="scale_rows")
