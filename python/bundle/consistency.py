"""What must hold between the fields of a manifest (checks M6 to M14), once its structure is right."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from bundle.error import BundleError
from bundle.spec import table

Tree = dict[str, Any]
# The lower-case names in a folder -> the name as it is spelt, and what is inside; None for a file.
Folder = dict[str, tuple[str, "Folder | None"]]

_COMPONENT = "[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_-])?"
_PATH = re.compile(f"(?:models|golden|config|lib)(?:/{_COMPONENT})+")
_MAX_PATH = 1024

#: Dtypes that not every runtime can carry at rank 0 (check M11).
_NOT_SCALAR = ("string", "float16")


def check(tree: Tree) -> None:
    """Check M6 to M14 in their order.

    Raises:
        BundleError: the first check that fails; the subject is a JSON Pointer.
    """
    _features(tree)
    _paths(tree["files"])
    _order(tree["files"])
    _conflicts(tree["files"])
    _unique_names(tree)
    _scalars(tree)
    _target(tree)
    _references(tree)
    _agreement(tree)


def _features(tree: Tree) -> None:
    """Check M6: version 1 knows no feature, and no components without one."""
    for index, feature in enumerate(tree.get("features", [])):
        raise BundleError("feature_unsupported", f"/features/{index}", "no feature", f"`{feature}`")
    if components := tree.get("components"):
        raise BundleError("feature_unsupported", "/components", "none", str(len(components)))


def _paths(files: list[Tree]) -> None:
    """Check M7: a path stays in the bundle and means the same file on every system."""
    for index, entry in enumerate(files):
        path = entry["path"]
        if len(path) > _MAX_PATH or not _PATH.fullmatch(path):
            expected = "models, golden, config or lib, then plain names joined by `/`"
            raise BundleError("path_unsafe", f"/files/{index}/path", expected, f"`{path[:_MAX_PATH]}`")


def _order(files: list[Tree]) -> None:
    """Check M8; paths are ASCII by now, so text compares like bytes."""
    for index in range(1, len(files)):
        before, path = files[index - 1]["path"], files[index]["path"]
        if before >= path:
            raise BundleError(
                "manifest_field_value", f"/files/{index}/path", f"after `{before}`", f"`{path}`"
            )


def _conflicts(files: list[Tree]) -> None:
    """Check M9: the files can be laid out on a file system that ignores case."""
    # A tree of components, not a set of paths: 1 MiB of deep paths would have 500 MB of folder names.
    root: Folder = {}
    for index, entry in enumerate(files):
        *folders, name = entry["path"].split("/")
        content, conflict = root, False
        for folder in folders:
            spelling, inside = content.setdefault(folder.lower(), (folder, {}))
            conflict |= spelling != folder or inside is None
            content = {} if inside is None else inside
        if conflict or name.lower() in content:
            raise BundleError(
                "path_conflict", f"/files/{index}/path", "one spelling, one file", f"`{entry['path']}`"
            )
        content[name.lower()] = (name, None)


def _unique_names(tree: Tree) -> None:
    """Check M10."""
    for section, key in (
        ("golden", "name"),
        ("golden", "path"),
        ("inputs", "name"),
        ("outputs", "name"),
        ("states", "input"),
        ("states", "output"),
        ("variants", "name"),
    ):
        seen: set[str] = set()
        for index, entry in enumerate(tree.get(section, [])):
            names = _names(entry, key)
            if twice := names & seen:
                found = f"`{min(twice)}` again"
                raise BundleError("name_duplicate", f"/{section}/{index}/{key}", "a name of its own", found)
            seen |= names


def _names(entry: Tree, key: str) -> set[str]:
    """Return the names that an entry takes: a string tensor is two more in a golden file."""
    name = entry[key]
    return {name, f"{name}.offsets", f"{name}.utf8"} if entry.get("dtype") == "string" else {name}


def _scalars(tree: Tree) -> None:
    """Check M11."""
    for section in ("inputs", "outputs"):
        for index, tensor in enumerate(tree[section]):
            if not tensor["shape"] and tensor["dtype"] in _NOT_SCALAR:
                found = f"{tensor['dtype']} of rank 0"
                raise BundleError("tensor_unsupported", f"/{section}/{index}", "at least one axis", found)


def _target(tree: Tree) -> None:
    """Check M12."""
    targets, target = table("targets")["targets"], tree["target"]
    _known("target_unknown", "/target/arch", target["arch"], targets)
    row = targets[target["arch"]]
    _known("target_unknown", "/target/cpu_class", target["cpu_class"], row["cpu_classes"])
    _known("target_unknown", "/target/os", target["os"], [row["os"]])
    for index, variant in enumerate(tree["variants"]):
        subject = f"/variants/{index}/cpu_class"
        _known("target_unknown", subject, variant["cpu_class"], row["cpu_classes"])


def _references(tree: Tree) -> None:
    """Check M13."""
    files = {entry["path"] for entry in tree["files"]}
    for subject, name, known in _reference_list(tree, files):
        _known("reference_unknown", subject, name, known)


def _reference_list(tree: Tree, files: set[str]) -> Iterator[tuple[str, str, Collection[str]]]:
    """Yield (subject, what it names, what may be named) in the order of M13."""
    inputs = [tensor["name"] for tensor in tree["inputs"]]
    outputs = [tensor["name"] for tensor in tree["outputs"]]
    states = tree.get("states", [])
    if "symbol" in tree.get("batch", {}):
        symbols = [size for tensor in tree["inputs"] for size in tensor["shape"] if isinstance(size, str)]
        yield "/batch/symbol", tree["batch"]["symbol"], symbols
    yield "/default_variant", tree["default_variant"], [variant["name"] for variant in tree["variants"]]
    for index, golden in enumerate(tree["golden"]):
        yield f"/golden/{index}/path", golden["path"], files
    if "library" in tree["runtime"]:
        yield "/runtime/library", tree["runtime"]["library"], files
    for index, state in enumerate(states):
        yield f"/states/{index}/input", state["input"], inputs
    for index, state in enumerate(states):
        yield f"/states/{index}/output", state["output"], outputs
    for index, task in enumerate(tree.get("tasks", [])):
        yield f"/tasks/{index}/output", task["output"], outputs
    for index, variant in enumerate(tree["variants"]):
        for form, path in sorted(variant["files"].items()):
            yield f"/variants/{index}/files/{form}", path, files


def _known(code: str, subject: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        names = sorted(known)
        some = ", ".join(f"`{entry}`" for entry in names[:8]) + (", ..." if len(names) > 8 else "")
        raise BundleError(code, subject, f"one of {some}" if names else "nothing to name", f"`{name}`")


def _agreement(tree: Tree) -> None:
    """Check M14."""
    size = tree.get("batch", {}).get("size")
    if size is not None and any(
        tensor["shape"][:1] != [size] for section in ("inputs", "outputs") for tensor in tree[section]
    ):
        raise _inconsistent("/batch/size", "the first size of every input and output", str(size))
    for index, golden in enumerate(tree["golden"]):
        _located(f"/golden/{index}/path", golden["path"], "golden", "safetensors")
    if "library" in tree["runtime"]:
        _located("/runtime/library", tree["runtime"]["library"], "lib", "")
    sizes = {entry["path"]: entry["size"] for entry in tree["files"]}
    for index, variant in enumerate(tree["variants"]):
        _check_variant(tree, variant, f"/variants/{index}", sizes)


def _check_variant(tree: Tree, variant: Tree, subject: str, sizes: dict[str, int]) -> None:
    """Check what M14 says of one variant."""
    total = sum(sizes[path] for path in variant["files"].values())
    if variant["bytes"] != total:
        raise _inconsistent(f"{subject}/bytes", f"{total}, the sum of its files", str(variant["bytes"]))
    formats = table("targets")["targets"][tree["target"]["arch"]]["formats"]
    for form, path in sorted(variant["files"].items()):
        _located(f"{subject}/files/{form}", path, "models", form)
        if form not in formats:
            raise _inconsistent(f"{subject}/files/{form}", f"only {', '.join(formats)} for this target", form)
    tolerances, outputs = variant["tolerances"], tree["outputs"]
    if len(tolerances) != len(outputs):
        found = str(len(tolerances))
        raise _inconsistent(f"{subject}/tolerances", f"{len(outputs)}, one per output", found)
    words = table("tolerances")["words"]
    for index, tolerance in enumerate(tolerances):
        wanted = {"word", *words[tolerance["word"]].get("parameters", [])}
        if tolerance.keys() != wanted:
            found = ", ".join(sorted(tolerance))
            raise _inconsistent(f"{subject}/tolerances/{index}", ", ".join(sorted(wanted)), found)


def _located(subject: str, path: str, folder: str, suffix: str) -> None:
    """Refuse a path that is not in its folder, or, where a suffix is due, has another one."""
    if not path.startswith(f"{folder}/") or (suffix and not path.endswith(f".{suffix}")):
        expected = f"{folder}/..." + (f".{suffix}" if suffix else "")
        raise _inconsistent(subject, expected, f"`{path}`")


def _inconsistent(subject: str, expected: str, found: str) -> BundleError:
    return BundleError("manifest_inconsistent", subject, expected, found)
