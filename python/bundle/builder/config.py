"""What to build: the tree of a ``bundle.toml``, checked and turned into a ``Project``."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from bundle import schema
from bundle.builder import optimizers
from bundle.builder.project import SOURCE, Project
from bundle.error import BundleError
from bundle.manifest import Target
from bundle.spec import table
from bundle.suggest import did_you_mean

#: The file that a build reads when it is given no model.
FILE_NAME = "bundle.toml"

#: SPDX's word for a license that nobody has stated.
NO_LICENSE = "NOASSERTION"

_BUNDLE_SCHEMA = "bundle.schema.json#/"

Tree = dict[str, dict[str, Any]]

#: What bundle.toml gives relative to its own folder.
_PATHS = (
    ("model", "path"),
    ("build", "golden"),
    ("build", "output"),
    ("build", "decisions"),
    ("build", "driver"),
    ("build", "runtime_from"),
)


def read_tree(path: Path) -> Tree:
    """Read a ``bundle.toml`` and check its structure; relative paths in it become relative to its folder.

    Errors: ``config_invalid``; the subject is a JSON Pointer, or the file where it cannot be read.
    """
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # TOMLDecodeError is a ValueError
        found = str(error) if isinstance(error, ValueError) else error.strerror or str(error)
        found = "bytes that are no UTF-8 text" if isinstance(error, UnicodeDecodeError) else found
        raise BundleError("config_invalid", str(path), "a readable TOML file", found) from error
    check_tree(tree)
    for section, key in _PATHS:
        if key in tree.get(section, {}):
            tree[section][key] = str(path.parent / tree[section][key])
    # A function is named by its module, a file by its path.
    data = tree.get("build", {}).get("calibration")
    if data is not None and not is_function(data):
        tree["build"]["calibration"] = str(path.parent / data)
    return tree


def is_function(calibration: str) -> bool:
    """Tell whether calibration data comes from ``module:function`` and not from a path."""
    module, colon, name = calibration.rpartition(":")
    return bool(colon) and name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def merge(tree: Tree, over: Tree) -> Tree:
    """Return ``tree`` with the keys of ``over`` in place of its own."""
    return {name: {**tree.get(name, {}), **over.get(name, {})} for name in {**tree, **over}}


def check_tree(tree: dict[str, Any]) -> None:
    """Check a tree against spec/project.schema.json, and what no schema can say.

    Errors: ``config_invalid``; the subject is a JSON Pointer.
    """
    _refuse_strange_values(tree, "")
    try:
        schema.check(tree, _schema())
    except BundleError as error:
        hint = _meant(error)
        raise BundleError("config_invalid", error.subject, error.expected, error.found, hint) from error
    build = tree.get("build", {})
    for index, text in enumerate(build.get("targets", [])):
        try:
            target = parse_target(text)
        except ValueError as error:
            subject, hint = f"/build/targets/{index}", did_you_mean(text, _targets())
            raise BundleError("config_invalid", subject, str(error), repr(text), hint) from None
        possible = table("targets")["targets"][target.arch]["formats"]
        if not set(build.get("formats", possible)) & set(possible):
            expected = f"a format that target `{target.arch}` takes: {', '.join(possible)}"
            raise BundleError("config_invalid", "/build/formats", expected, ", ".join(build["formats"]))
    wanted = build.get("optimizer", optimizers.ONNXSLIM)
    optimizers.check_options(wanted, build.get("optimizer_options", {}))
    for key in tree.get("metadata", {}):
        if not key.isascii():
            raise BundleError("config_invalid", f"/metadata/{key}", "a key of ASCII characters", repr(key))


def _meant(error: BundleError) -> str:
    """Return which of the words that a schema's error offers was most likely meant."""
    found = re.fullmatch("`(.*)`", error.found)
    return did_you_mean(found[1], re.findall("`([^`]+)`", error.expected)) if found else ""


def _targets() -> list[str]:
    """Return every spelling of a target with and without its CPU classes."""
    rows = table("targets")["targets"].items()
    names = [(word, entry) for name, entry in rows for word in (name, *entry["aliases"])]
    classes = [f"{word}:{each}" for word, entry in names for each in entry["cpu_classes"]]
    return [*(word for word, _ in names), *classes]


def _refuse_strange_values(node: Any, pointer: str) -> None:
    """Refuse what TOML has and a manifest has not: fractions, dates and times."""
    if isinstance(node, dict):
        for key, value in node.items():
            _refuse_strange_values(value, f"{pointer}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _refuse_strange_values(value, f"{pointer}/{index}")
    elif not isinstance(node, str | int):
        raise BundleError("config_invalid", pointer, "text, an integer, true or false", str(node))


def make_project(tree: Tree) -> Project:
    """Turn a checked tree into a project, with the defaults that README and `--help` state.

    Errors: ``usage_invalid`` where the model or the target is not said, ``model_unreadable`` where the
    target is not said and the model is not there; ``config_invalid`` where no name is given and the file's
    is none.
    """
    model, build = tree.get("model", {}), tree.get("build", {})
    if "path" not in model:
        raise BundleError("usage_invalid", "MODEL", "a model to build from", "none", _HINT_MODEL)
    if "targets" not in build:
        _refuse_absent(Path(model["path"]))
        raise BundleError("usage_invalid", "--target", "what to build for", "nothing", _HINT_TARGET)
    path = Path(model["path"])
    golden = build.get("golden")
    return Project(
        model=path,
        name=model.get("name") or name_of(path),
        version=model.get("version", "0.1.0"),
        license=model.get("license", NO_LICENSE),
        description=model.get("description", ""),
        targets=tuple(dict.fromkeys(map(parse_target, build["targets"]))),
        golden=None if golden is None else Path(golden),
        output=Path(build.get("output", "bundles")),
        formats=tuple(sorted(set(build.get("formats", ("onnx", "ort"))))),
        opset=build.get("opset"),
        allow_random=build.get("allow_random", False),
        allow_nonfinite=tuple(build.get("allow_nonfinite", ())),
        labels={name: tuple(labels) for name, labels in tree.get("labels", {}).items()},
        metadata=dict(tree.get("metadata", {})),
        optimizer=build.get("optimizer", optimizers.ONNXSLIM),
        optimizer_options=dict(build.get("optimizer_options", {})),
        session=dict(tree.get("session", {})),
        seed=build.get("seed", 0),
        decisions=dict(tree.get("decisions", {})),
        trust_pickle=build.get("trust_pickle", False),
        precisions=tuple(dict.fromkeys(build.get("precisions", (SOURCE,)))),
        objective=build.get("objective", "size"),
        calibration=build.get("calibration"),
        resize=(build["resize"][0], build["resize"][1]) if "resize" in build else None,
        normalize=build.get("normalize"),
        replay=Path(build["decisions"]) if "decisions" in build else None,
        runner=build.get("runner", ""),
        driver=Path(build["driver"]) if "driver" in build else None,
        archive=build.get("archive", False),
        html=build.get("html", False),
        with_runtime=build.get("with_runtime", False),
        runtime_from=Path(build["runtime_from"]) if "runtime_from" in build else None,
    )


_HINT_MODEL = (
    "name one, as in `python -m bundle build model.onnx --target arm64`, or write a bundle.toml with "
    "`python -m bundle init model.onnx`"
)
_HINT_TARGET = "add `--target arm64`, or x86_64, or any; several times for several bundles"


def _refuse_absent(path: Path) -> None:
    """Refuse a model that is no file: of two faults on a command line it is the one to see first."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        hint = "name the .onnx file in it" if path.is_dir() else ""
        raise BundleError("model_unreadable", path.name or str(path), "an ONNX model", found, hint)


def name_of(path: Path) -> str:
    """Make a bundle's name from a file's.

    Errors: ``config_invalid`` `/model/name` where nothing of the file's name can stay.
    """
    name = re.sub("[^A-Za-z0-9._-]+", "-", path.stem).strip("._-")[:64]
    if not name:
        _refuse_absent(path)
        raise BundleError("config_invalid", "/model/name", "a name for the bundle", f"the file {path.name!r}")
    return name


def parse_target(text: str) -> Target:
    """Return the target that ``ARCH`` or ``ARCH:CPU_CLASS`` names; ``aarch64`` and other aliases are known.

    Raises:
        ValueError: with what would have been right, as a phrase.
    """
    arch, colon, cpu_class = text.partition(":")
    targets = table("targets")["targets"]
    for name, entry in targets.items():
        if arch == name or arch in entry["aliases"]:
            break
    else:
        known = [word for name, entry in targets.items() for word in (name, *entry["aliases"])]
        raise ValueError(f"a target: one of {', '.join(known)}")
    if colon and cpu_class not in entry["cpu_classes"]:
        raise ValueError(f"a CPU class of `{name}`: one of {', '.join(entry['cpu_classes'])}")
    return Target(name, cpu_class or entry["default_cpu_class"], entry["os"])


@cache
def _schema() -> dict[str, Any]:
    """Return the schema of bundle.toml, with what it takes from bundle.schema.json put in."""
    inlined: dict[str, Any] = _inlined(table("project.schema"), table("bundle.schema"))
    return inlined


def _inlined(node: Any, source: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, source) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        found: Any = source
        for key in node["$ref"].removeprefix(_BUNDLE_SCHEMA).split("/"):
            found = found[key]
        return found
    return {key: _inlined(value, source) for key, value in node.items()}
