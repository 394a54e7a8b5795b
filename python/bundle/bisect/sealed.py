"""A bundle around a model file, so that the predictors of all languages can open it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bundle.builder import host
from bundle.builder.pack import MANIFEST
from bundle.library import host_arch
from bundle.manifest import FORMAT_VERSION, Manifest
from bundle.spec import table

#: What the variant of such a bundle is called.
VARIANT = "source"

#: An input or output: name, dtype word, and a size or a symbol for each axis.
Port = tuple[str, str, Sequence[int | str]]


def seal_file(model: Path, folder: Path, inputs: Sequence[Port], outputs: Sequence[Port]) -> Path:
    """Write a bundle without golden cases around one model file, and return its folder.

    Args:
        model: an .onnx or .ort file without data files beside it.
        folder: the new folder.
        inputs: what the model takes, in order.
        outputs: what it gives, in order.

    Raises:
        BundleError: codes of stage ``manifest`` where a bundle cannot hold such a model; an output of a
            kind that not every language can carry is ``tensor_unsupported``.
    """
    form = model.suffix[1:].lower()
    path = f"models/{VARIANT}.{form}"
    (folder / "models").mkdir(parents=True)
    shutil.copyfile(model, folder / path)
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    tree = _tree({"path": path, "sha256": digest, "size": model.stat().st_size}, form)
    tree["inputs"] = [{**_port(port), "finite": False} for port in inputs]
    tree["outputs"] = [{**_port(port), "decision": "none"} for port in outputs]
    tree["variants"][0]["tolerances"] = [{"word": "exact"}] * len(outputs)
    data = Manifest.encode(tree)
    Manifest.parse(data)
    (folder / MANIFEST).write_bytes(data)
    return folder


def _tree(file: dict[str, Any], form: str) -> dict[str, Any]:
    """Return the manifest of one file, without what it takes and gives."""
    writer, minimum = version("onnxruntime"), table("session")["minimum_runtime"]
    arch = "any" if form == "onnx" else host_arch()
    target = table("targets")["targets"][arch]
    cpu_class = target["default_cpu_class"]
    variant = {
        "batch_invariant": False,
        "bytes": file["size"],
        "cpu_class": cpu_class,
        "files": {form: file["path"]},
        "minimum_runtime": minimum,
        "name": VARIANT,
        "precision": "mixed",
        "rank": 0,
        "writer": writer,
    }
    return {
        "default_variant": VARIANT,
        "files": [file],
        "format_version": FORMAT_VERSION,
        "golden": [],
        "model": {
            "license": "none",
            "name": "model",
            "source": {"format": "onnx", "sha256": file["sha256"]},
            "version": "0.0.0",
        },
        "recipe": {
            "host": {"arch": host_arch(), "cpu_class": host.cpu_class()},
            "options": {},
            "stages": [],
            "tools": {},
        },
        "runtime": {"minimum": minimum, "version": writer},
        "target": {"arch": arch, "cpu_class": cpu_class, "os": target["os"]},
        "variants": [variant],
    }


def _port(port: Port) -> dict[str, Any]:
    name, dtype, shape = port
    return {"dtype": dtype, "name": name, "shape": list(shape)}
