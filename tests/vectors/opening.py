"""Bundles that opening refuses: O1 to O8."""

from tests.vectors.bases import scale, with_fake_ort
from tests.vectors.case import Case, bundle_fault, fail, invalid, open_, option_fault
from tests.vectors.kit import MODEL, sha256
from tests.vectors.model import encode, node
from tests.vectors.model import model as write_model

UNEXPECTED = "file_unexpected"
NOT_REGULAR = "file_not_regular"
MANIFEST = "bundle.json"
FIRST = "golden/first.safetensors"


def op(kind: str, path: str, **more: object) -> dict:
    """One entry of `prepare`."""
    return {"op": kind, "path": path, **more}


@invalid("O1")
def folder_not_there() -> Case:
    """Nothing is at the path."""
    return Case(
        [open_(bundle="$BUNDLE/none") | {"expect": fail("bundle_not_found", ".")}], bundle="scale_rows"
    )


@invalid("O1")
def path_is_a_file() -> Case:
    """A file is at the path, not a folder."""
    return Case(
        [open_(bundle=f"$BUNDLE/{MANIFEST}") | {"expect": fail("bundle_not_found", ".")}], bundle="scale_rows"
    )


@bundle_fault("O2", "file_missing", MANIFEST, scale)
def manifest_missing(bundle):
    """A folder without a manifest."""
    return [op("delete", MANIFEST)]


@bundle_fault("O2", NOT_REGULAR, MANIFEST, scale)
def manifest_is_a_link(bundle):
    """A link to a good manifest outside the bundle."""
    return [
        op("write", "../moved.json", hex=bundle.manifest().hex()),
        op("delete", MANIFEST),
        op("symlink", MANIFEST, target="../moved.json"),
    ]


@bundle_fault("O2", NOT_REGULAR, MANIFEST, scale)
def manifest_is_a_folder(bundle):
    """A folder of that name."""
    return [op("delete", MANIFEST), op("mkdir", MANIFEST)]


@option_fault("O3", "bundle_digest_mismatch", MANIFEST, "scale_rows")
def digest_of_another_bundle():
    """A good bundle, and not the one that the caller wants."""
    return {"digest": sha256(b"another")}


@bundle_fault("O4", "file_missing", MODEL, scale)
def model_missing(bundle):
    """A listed file is not there."""
    return [op("delete", MODEL)]


@bundle_fault("O4", "file_missing", FIRST, scale)
def folder_missing(bundle):
    """The folder of a listed file is not there."""
    return [op("delete", FIRST), op("delete", "golden")]


@bundle_fault("O4", NOT_REGULAR, MODEL, scale)
def model_is_a_link(bundle):
    """A link to the right bytes outside the bundle."""
    return [
        op("write", "../model", hex=bundle.files[MODEL].hex()),
        op("delete", MODEL),
        op("symlink", MODEL, target="../../model"),
    ]


@bundle_fault("O4", NOT_REGULAR, MODEL, scale)
def folder_is_a_link(bundle):
    """The folder on the way to a listed file is a link."""
    return [
        op("mkdir", "../elsewhere"),
        op("write", "../elsewhere/source.onnx", hex=bundle.files[MODEL].hex()),
        op("delete", MODEL),
        op("delete", "models"),
        op("symlink", "models", target="../elsewhere"),
    ]


@bundle_fault("O4", NOT_REGULAR, MODEL, scale)
def model_is_a_folder(bundle):
    """A folder of that name."""
    return [op("delete", MODEL), op("mkdir", MODEL)]


@bundle_fault("O4", NOT_REGULAR, MODEL, scale)
def model_is_a_pipe(bundle):
    """A named pipe: a reader that opens it waits for ever."""
    return [op("delete", MODEL), op("fifo", MODEL)]


@bundle_fault("O4", NOT_REGULAR, MODEL, scale)
def model_is_a_link_to_nothing(bundle):
    """Links are not followed: something is there, and it is no file."""
    return [op("delete", MODEL), op("symlink", MODEL, target="nothing")]


@bundle_fault("O4", NOT_REGULAR, MODEL, scale)
def folder_is_a_file(bundle):
    """A file stands where the folder of a listed file must be; the subject is the listed file."""
    return [op("delete", MODEL), op("delete", "models"), op("write", "models", hex="")]


@bundle_fault("O5", UNEXPECTED, "models/source.onnx.orig", scale)
def extra_file(bundle):
    """What an editor or a patch leaves behind."""
    bundle.stray["models/source.onnx.orig"] = b""


@bundle_fault("O5", UNEXPECTED, ".DS_Store", scale)
def extra_file_hidden(bundle):
    """What a file manager leaves behind."""
    bundle.stray[".DS_Store"] = b""


@bundle_fault("O5", UNEXPECTED, "models/empty", scale)
def extra_folder_empty(bundle):
    """An empty folder is something too."""
    return [op("mkdir", "models/empty")]


@bundle_fault("O5", UNEXPECTED, "config", scale)
def known_folder_without_a_listed_file(bundle):
    """`config` may only be there for a listed file."""
    return [op("mkdir", "config")]


@bundle_fault("O5", UNEXPECTED, "notes", scale)
def extra_folder_with_files(bundle):
    """An unlisted folder is named itself, not what is in it."""
    bundle.stray["notes/readme.txt"] = b"hello"


@bundle_fault("O5", UNEXPECTED, "models/attest", scale)
def attest_below_the_root(bundle):
    """Only `attest` at the root is ignored."""
    bundle.stray["models/attest/report.json"] = b"{}"


@bundle_fault("O5", UNEXPECTED, "models-old", scale)
def extra_files_in_byte_order(bundle):
    """`models-old` comes before `models/zzz`, because `-` comes before `/`; a walk would tell the other."""
    bundle.stray["models/zzz"] = b""
    bundle.stray["models-old/source.onnx"] = b""


@bundle_fault("O5", UNEXPECTED, "models/link", scale)
def extra_link(bundle):
    """A link to a listed file is one thing more."""
    return [op("symlink", "models/link", target="source.onnx")]


@bundle_fault("O6", "file_size_mismatch", MODEL, scale)
def model_one_byte_short(bundle):
    """A copy that ended early."""
    bundle.files[MODEL] = bundle.files[MODEL][:-1]


@bundle_fault("O6", "file_size_mismatch", MODEL, scale)
def model_one_byte_longer(bundle):
    """One byte after the end."""
    bundle.files[MODEL] += b"\0"


@bundle_fault("O6", "file_size_mismatch", FIRST, scale)
def golden_file_emptied(bundle):
    """What a power cut can leave."""
    bundle.files[FIRST] = b""


@bundle_fault("O6", "file_size_mismatch", MODEL, scale, {"mode": "quick"})
def model_one_byte_short_in_quick_mode(bundle):
    """The quick mode checks sizes too."""
    bundle.files[MODEL] = bundle.files[MODEL][:-1]


def flipped(data: bytes) -> bytes:
    """One bit of the last byte is another."""
    return data[:-1] + bytes([data[-1] ^ 1])


@bundle_fault("O7", "file_digest_mismatch", MODEL, scale)
def model_with_one_bit_flipped(bundle):
    """The size is right."""
    bundle.files[MODEL] = flipped(bundle.files[MODEL])


@bundle_fault("O7", "file_digest_mismatch", FIRST, scale)
def golden_file_with_one_bit_flipped(bundle):
    """Files that no one needs to predict are sealed too."""
    bundle.files[FIRST] = flipped(bundle.files[FIRST])


@bundle_fault("O7", "file_digest_mismatch", "models/source.ort", with_fake_ort)
def file_that_is_not_loaded_with_one_bit_flipped(bundle):
    """The file of another variant or format is sealed too."""
    bundle.files["models/source.ort"] = flipped(bundle.files["models/source.ort"])


def nchwc_model(bundle) -> bytes:
    """The model of `scale` with one node in the domain of blocked operators."""
    tree = bundle.tree
    relu = node("ReorderInput", "x", "y", domain="com.microsoft.nchwc")
    return encode(write_model(tree["inputs"], tree["outputs"], [relu]))


@bundle_fault("O8", "host_specific_model", MODEL, scale)
def onnx_file_with_blocked_nodes(bundle):
    """A node of the domain `com.microsoft.nchwc`."""
    bundle.files[MODEL] = nchwc_model(bundle)
    bundle.seal()


@bundle_fault("O8", "host_specific_model", "models/source.ort", with_fake_ort)
def ort_file_with_blocked_nodes(bundle):
    """An operator id of that domain, as the kernel type table of an .ort file holds it."""
    bundle.files["models/source.ort"] += b"\x1b\0\0\0com.microsoft.nchwc:Conv:1\0"
    bundle.seal()
