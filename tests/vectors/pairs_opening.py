"""Two faults of neighbouring checks of opening: the first check decides."""

from tests.vectors.bases import scale, with_fake_ort
from tests.vectors.case import Case, bundle_fault, fail, invalid, open_, option_fault
from tests.vectors.kit import MODEL, sha256
from tests.vectors.lexical import LIMIT, written
from tests.vectors.opening import flipped, nchwc_model, op
from tests.vectors.options import ABSENT

ELSEWHERE = {"digest": sha256(b"another")}


@invalid("P1", "O1")
def both_P1_O1() -> Case:
    """The options `digest` and `mode` decide how a bundle is opened: they are judged before that."""
    step = open_({"mode": "fast"}, bundle="$BUNDLE/none") | {"expect": fail("option_invalid", "mode")}
    return Case([step], bundle="scale_rows")


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
    """All digests come first: the earlier file has blocked nodes, the later one a bit flipped."""
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
