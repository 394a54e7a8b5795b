"""Bundles that opening refuses or accepts for bytes in the middle of large or unusual files: O4 and O8."""

from tests.vectors.bases import scale
from tests.vectors.case import Case, bundle_fault, fail, invalid, open_, valid
from tests.vectors.kit import MODEL, Bundle, sha256
from tests.vectors.opening import flipped, nchwc_model, op

# Readers take files in pieces of a power of two, of at most this many bytes: each has a seam here.
SEAM = 1 << 20
SIGNS = {"onnx": b"\x3a\x13com.microsoft.nchwc", "ort": b"com.microsoft.nchwc:"}
LARGE = "models/large"


def _across(form: str, before: int) -> Case:
    """A file of zeros with a sign, `before` of whose bytes lie before the seam; too large for this folder."""
    made, path, sign = scale(), f"{LARGE}.{form}", SIGNS[form]
    zeros = SEAM - before
    made.files[path] = bytes(zeros) + sign
    made.seal()
    del made.files[path]
    prepare = [op("write", path, hex="00", times=zeros), op("append", path, hex=sign.hex())]
    return Case([open_() | {"expect": fail("host_specific_model", path)}], bundle=made, prepare=prepare)


@invalid("O8")
def onnx_file_with_a_sign_whose_last_byte_is_in_the_next_mebibyte() -> Case:
    """A reader that takes the file in pieces must look across their seam."""
    return _across("onnx", len(SIGNS["onnx"]) - 1)


@invalid("O8")
def ort_file_with_a_sign_whose_first_byte_is_in_the_mebibyte_before() -> Case:
    """The same with the seam at the other end of the sign."""
    return _across("ort", 1)


@invalid("O8")
def ort_file_with_a_sign_in_the_middle_of_a_seam() -> Case:
    """The same with the seam inside the sign."""
    return _across("ort", 10)


def _with_signs(*paths: str) -> Bundle:
    """The bundle with files that hold both signs."""
    made = scale()
    made.files |= {path: b"".join(SIGNS.values()) for path in paths}
    return made.seal()


@bundle_fault(
    "O8", "host_specific_model", "models/a.ort", lambda: _with_signs("models/a.ort", "models/b.onnx")
)
def files_with_blocked_nodes_in_manifest_order(bundle):
    """The first of two, whatever their formats."""


@valid("O8")
def signs_in_files_that_are_no_models() -> Case:
    """Other folders and other endings are not looked at; an .onnx file may hold the sign of .ort files."""
    made = _with_signs("config/a.onnx", "config/b.ort", "models/c.ONNX", "models/d.bin", "models/e.ort.bak")
    made.files |= {"models/f.onnx": SIGNS["ort"], "models/g.ort": SIGNS["onnx"]}
    return Case([open_()], bundle=made.seal())


@valid("O8")
def quick_mode_takes_blocked_nodes() -> Case:
    """The quick mode does not look for them; the model that is loaded has none."""
    return Case([open_({"mode": "quick"})], bundle=_with_signs("models/a.ort"))


@bundle_fault("O4", "file_not_regular", "golden/first.safetensors", scale)
def files_are_judged_one_by_one(bundle):
    """The first file is a link and the second is missing: all about one file comes before the next."""
    first = "golden/first.safetensors"
    return [op("delete", first), op("symlink", first, target="../bundle.json"), op("delete", MODEL)]


@bundle_fault("O6", "file_size_mismatch", "golden/first.safetensors", scale)
def two_sizes_in_manifest_order(bundle):
    """The first of two files of another size."""
    bundle.files = {path: data[:-1] for path, data in bundle.files.items()}


@bundle_fault("O7", "file_digest_mismatch", "golden/first.safetensors", scale)
def two_digests_in_manifest_order(bundle):
    """The first of two files with a bit flipped."""
    bundle.files = {path: flipped(data) for path, data in bundle.files.items()}


@bundle_fault("O8 P1", "host_specific_model", MODEL, scale, {"colour": "blue"})
def both_O8_P1(bundle):
    """A bundle that is not accepted, and an option that is none: the options of a predictor come later."""
    bundle.files[MODEL] = nchwc_model(bundle)
    bundle.seal()


@valid("O3")
def digest_of_a_manifest_that_is_replaced() -> Case:
    """Identity is that of the bytes: the same bytes written again are the same bundle."""
    made = scale()
    prepare = [op("delete", "bundle.json"), op("write", "bundle.json", hex=made.manifest().hex())]
    return Case([open_({"digest": sha256(made.manifest())})], bundle=made, prepare=prepare)
