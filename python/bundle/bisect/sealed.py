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


def seal_file(
    model: Path, folder: Path, inputs: Sequence[Port], outputs: Sequence[Port], precision: str = "float32"
) -> Path:
    """Write a bundle without golden cases around one model file, and return its folder.

    Args:
        model: an .onnx or .ort file without data files beside it.
        folder: the new folder.
        inputs: what the model takes, in order.
        outputs: what it gives, in order.
        precision: a word of the schema.

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
    size = model.stat().st_size
    writer, minimum = version("onnxruntime"), table("session")["minimum_runtime"]
    arch = "any" if form == "onnx" else host_arch()
    target = table("targets")["targets"][arch]
    cpu_class = target["default_cpu_class"]
    variant = {
        "batch_invariant": False,
        "bytes": size,
        "cpu_class": cpu_class,
        "files": {form: path},
        "minimum_runtime": minimum,
        "name": VARIANT,
        "precision": precision,
        "rank": 0,
        "tolerances": [{"word": "exact"}] * len(outputs),
        "writer": writer,
    }
    tree = {
        "default_variant": VARIANT,
        "files": [{"path": path, "sha256": digest, "size": size}],
        "format_version": FORMAT_VERSION,
        "golden": [],
        "inputs": [{**_port(port), "finite": False} for port in inputs],
        "model": {
            "license": "none",
            "name": "model",
            "source": {"format": "onnx", "sha256": digest},
            "version": "0.0.0",
        },
        "outputs": [{**_port(port), "decision": "none"} for port in outputs],
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
    data = Manifest.encode(tree)
    Manifest.parse(data)
    (folder / MANIFEST).write_bytes(data)
    return folder


def _port(port: Port) -> dict[str, Any]:
    name, dtype, shape = port
    return {"dtype": dtype, "name": name, "shape": list(shape)}
