"""The command ``inspect``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.cli import exits, extra, output, stored
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.bundle import Bundle

SUMMARY = "shows a bundle, an .onnx or an .ort file"
DETAILS = (
    "An .onnx file needs the builder's libraries.\n"
    "Of a bundle the digests of files are not checked: that is verify."
)
EXAMPLES = ("bundles/digits-1.0.0-arm64", "model.onnx --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``inspect``."""
    parser.add_argument("path", metavar="PATH", help=f"{stored.BUNDLE_HELP}; or an .onnx or .ort file")
    stored.add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what the path holds.

    Errors: ``extra_missing``, ``model_unreadable``, ``model_rejected``, ``input_file_unreadable``; for a
    bundle ``bundle_unknown`` and those of stages ``manifest`` and ``open``.
    """
    path = Path(arguments.path)
    if path.suffix.lower() in (".onnx", ".ort") and not path.is_dir():
        tree = describe_file(path)
        lines = _file_lines(path, tree)
    else:
        from bundle.bundle import Bundle

        located = stored.locate(arguments.path, arguments.store)
        bundle = Bundle.open(located.path, digest=located.digest, mode="quick")
        tree = _bundle_tree(bundle)
        lines = _bundle_lines(tree)
    if arguments.json:
        output.print_json({"ok": True, **tree})
    else:
        output.print_text(lines)
    return exits.OK


def describe_file(path: Path) -> dict[str, Any]:
    """Return what a model file says about itself; see ``onnx_file.describe``.

    Errors: ``extra_missing``, ``model_unreadable``, ``model_rejected``, ``input_file_unreadable``.
    """
    if path.suffix.lower() == ".ort":
        from bundle.cli import ort_file

        return ort_file.describe(path)
    extra.require("onnx")
    from bundle.cli import onnx_file

    return onnx_file.describe(path)


def _bundle_tree(bundle: Bundle) -> dict[str, Any]:
    """Return the manifest without its seals, and for each model file what can be found out here."""
    tree = {key: value for key, value in bundle.manifest.tree.items() if key != "files"}
    models = {
        file.path: _described(bundle.file_path(file.path))
        for file in bundle.manifest.files
        if file.path.startswith("models/")
    }
    sizes = {file.path: file.size for file in bundle.manifest.files}
    return {"path": str(bundle.path), "digest": bundle.digest, **tree, "files": sizes, "models": models}


def _described(path: Path) -> dict[str, Any]:
    """Return IR, opsets, node count and operators of a bundle's file, or why they cannot be told here."""
    try:
        described = describe_file(path)
    except BundleError as error:
        return {"unknown": str(error)}
    return {key: described[key] for key in ("format", "bytes", "ir", "opsets", "nodes", "operators")}


def _file_lines(path: Path, tree: dict[str, Any]) -> list[str]:
    return [
        f"{path.name}: {tree['format']}, {output.size_text(tree['bytes'])}",
        *output.columns([row for row in _facts(tree) if row[1]]),
        "inputs",
        *_port_lines(tree["inputs"]),
        "outputs",
        *_port_lines(tree["outputs"]),
        f"{tree['nodes']} nodes",
        *_operator_lines(tree["operators"]),
        *_text_lines("metadata", tree["metadata"]),
    ]


def _facts(tree: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("ort format", str(tree.get("ort_format", ""))),
        ("ir", str(tree["ir"])),
        ("opset", _opset_text(tree)),
        ("producer", tree["producer"]),
    ]


def _bundle_lines(tree: dict[str, Any]) -> list[str]:
    model, target, runtime = tree["model"], tree["target"], tree["runtime"]
    facts = [
        ("digest", tree["digest"]),
        ("license", model["license"]),
        ("about", model.get("description", "")),
        ("target", _target_text(target)),
        ("onnxruntime", f"proven with {runtime['version']}, at least {runtime['minimum']}"),
        ("session", ", ".join(f"{name}={value}" for name, value in tree.get("session", {}).items())),
        ("golden", _golden_text(tree["golden"])),
        ("tasks", "; ".join(_task_text(task) for task in tree.get("tasks", []))),
        ("batch", ", ".join(f"{name} {value}" for name, value in tree.get("batch", {}).items()) or "none"),
    ]
    return [
        f"{model['name']} {model['version']}: {tree['path']}",
        *output.columns([row for row in facts if row[1]]),
        "inputs",
        *_port_lines(tree["inputs"]),
        "outputs",
        *_port_lines(tree["outputs"]),
        "variants",
        *output.columns([_VARIANT_HEADER, *(_variant_row(row, tree) for row in tree["variants"])]),
        "model files",
        *output.columns(
            [_MODEL_HEADER, *(_model_row(path, row, tree) for path, row in tree["models"].items())]
        ),
        *_text_lines("metadata", tree.get("metadata", {})),
    ]


_VARIANT_HEADER = ("name", "precision", "all its files", "tolerance", "rows independent", "written by")
_MODEL_HEADER = ("path", "size", "ir", "opset", "nodes", "operators")


def _variant_row(row: dict[str, Any], tree: dict[str, Any]) -> tuple[str, ...]:
    name = f"{row['name']} (default)" if row["name"] == tree["default_variant"] else row["name"]
    tolerances = ", ".join(dict.fromkeys(entry["word"] for entry in row["tolerances"]))
    invariant = "yes" if row["batch_invariant"] else "no"
    return name, row["precision"], output.size_text(row["bytes"]), tolerances, invariant, row["writer"]


def _model_row(path: str, row: dict[str, Any], tree: dict[str, Any]) -> tuple[str, ...]:
    size = output.size_text(tree["files"][path])
    if "unknown" in row:
        return path, size, "-", "-", "-", row["unknown"]
    return path, size, str(row["ir"]), _opset_text(row), str(row["nodes"]), _operator_text(row["operators"])


def _opset_text(row: dict[str, Any]) -> str:
    return ", ".join(f"{domain} {version}" for domain, version in row["opsets"].items())


def _operator_text(operators: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in operators.items())


def _operator_lines(operators: dict[str, int]) -> list[str]:
    return output.columns([(str(count), name) for name, count in operators.items()])


def _golden_text(cases: list[dict[str, Any]]) -> str:
    made_up = sum(case["synthetic"] for case in cases)
    if not cases:
        return "none: it cannot prove itself"
    kinds = {0: "all given by the author", len(cases): "all made up from the signature"}
    return f"{len(cases)} cases, {kinds.get(made_up, f'{made_up} of them made up from the signature')}"


def _target_text(target: dict[str, str]) -> str:
    if target["arch"] == "any":
        return "any machine"
    return f"{target['arch']} ({target['cpu_class']}), {target['os']}"


def _task_text(task: dict[str, Any]) -> str:
    labels = task.get("labels", [])
    return f"{task['kind']} of {task['output']}" + (f", {len(labels)} labels" if labels else "")


def _port_lines(ports: Iterable[dict[str, Any]]) -> list[str]:
    rows = [
        (port["name"], port["dtype"], output.shape_text(port["shape"]), _port_notes(port)) for port in ports
    ]
    return output.columns(rows)


def _port_notes(port: dict[str, Any]) -> str:
    finite = "must be finite" if port.get("finite") else ""
    decision = port.get("decision", "none")
    return ", ".join(filter(None, [port.get("meaning", ""), finite, decision if decision != "none" else ""]))


def _text_lines(title: str, entries: dict[str, str]) -> list[str]:
    return [title, *output.columns(list(entries.items()))] if entries else []
