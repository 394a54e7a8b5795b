"""Manifests whose paths are wrong: M7 to M9."""

from tests.vectors.bases import scale
from tests.vectors.case import manifest_fault
from tests.vectors.kit import sha256

LAST = "/files/1/path"


def listed(tree: dict, *paths: str) -> None:
    """Replace the list of files by one of empty files."""
    tree["files"] = [{"path": path, "sha256": sha256(b""), "size": 0} for path in paths]


def _unsafe(path: str):
    def decorate(function):
        def change(tree):
            tree["files"][1]["path"] = path

        change.__name__, change.__doc__ = function.__name__, function.__doc__
        manifest_fault("M7", "path_unsafe", LAST, scale)(change)
        return function

    return decorate


@_unsafe("models/../../etc/passwd")
def path_traversal():
    """A path that climbs out of the bundle."""


@_unsafe("/models/source.onnx")
def path_absolute():
    """A path from the root of the system."""


@_unsafe("models\\source.onnx")
def path_with_backslash():
    """A separator on one system, a letter on the others."""


@_unsafe("models/./source.onnx")
def path_with_dot_component():
    """Two spellings of one file."""


@_unsafe("models/.hidden.onnx")
def path_hidden():
    """A component that begins with a dot."""


@_unsafe("models/-source.onnx")
def path_begins_with_a_hyphen():
    """A component that a command line would take for an option."""


@_unsafe("Models/source.onnx")
def path_under_a_folder_in_upper_case():
    """The four folders are spelt in lower case."""


@_unsafe("models/source.")
def path_with_trailing_dot():
    """Some systems drop the last dot."""


@_unsafe("models//source.onnx")
def path_with_empty_component():
    """Two slashes in a row."""


@_unsafe("models/")
def path_with_trailing_slash():
    """The last component is empty."""


@_unsafe("C:/models/source.onnx")
def path_with_drive_letter():
    """A drive is no folder of a bundle."""


@_unsafe("models/source onnx")
def path_with_space():
    """Only letters, digits, `_`, `.` and `-`."""


@_unsafe("models/größe.onnx")
def path_not_ascii():
    """One letter has two spellings in Unicode."""


@_unsafe("models")
def path_of_one_component():
    """Every listed file is in a folder."""


@_unsafe("notes/readme.txt")
def path_not_under_a_known_folder():
    """The first component is one of four."""


@_unsafe("attest/report.json")
def path_under_attest():
    """Statements about a bundle are never part of it."""


@_unsafe("models/" + "a" * 256)
def path_component_too_long():
    """256 bytes in one component."""


@_unsafe("models/" + "/".join(["a" * 200] * 5) + "/" + "b" * 13)
def path_too_long():
    """1,025 bytes, each component of which is short enough."""


@_unsafe("")
def path_empty():
    """No path at all."""


@manifest_fault("M8", "manifest_field_value", LAST, scale)
def files_not_sorted(tree):
    """The list is in byte order of its paths."""
    tree["files"].reverse()


@manifest_fault("M8", "manifest_field_value", "/files/2/path", scale)
def file_listed_twice(tree):
    """Strictly ascending: no path twice."""
    tree["files"].append(dict(tree["files"][1]))


@manifest_fault("M8", "manifest_field_value", "/files/2/path", scale)
def files_sorted_by_component(tree):
    """`-` comes before `/` in the bytes of a path, though the folder `a` comes before `a-b`."""
    listed(tree, "golden/first.safetensors", "models/a/x.onnx", "models/a-b/x.onnx")


@manifest_fault("M9", "path_conflict", "/files/2/path", scale)
def files_differ_by_case(tree):
    """One file on a system that ignores case."""
    listed(tree, "golden/first.safetensors", "models/Source.onnx", "models/source.onnx")


@manifest_fault("M9", "path_conflict", "/files/2/path", scale)
def folders_differ_by_case(tree):
    """Two folders here, one there."""
    listed(tree, "golden/first.safetensors", "models/A/x.onnx", "models/a/y.onnx")


@manifest_fault("M9", "path_conflict", "/files/2/path", scale)
def file_is_a_folder_of_another(tree):
    """A path stands between the two in byte order."""
    listed(tree, "models/a", "models/a.b", "models/a/c")


@manifest_fault("M9", "path_conflict", "/files/1/path", scale)
def file_is_a_folder_when_case_is_ignored(tree):
    """A file and a folder, spelt with other letters."""
    listed(tree, "models/A/c", "models/a")
