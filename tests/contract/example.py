"""A small bundle that every reader accepts, for tests that break one thing of it."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.error import BundleError
from bundle.golden import write_tensors
from bundle.manifest import Manifest
from bundle.spec import table

MODEL, GOLDEN = "models/source.onnx", "golden/first.safetensors"


def tensors() -> dict[str, np.ndarray]:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    words = np.array([["a", ""], ["", "ünï"]], object)
    return {"inputs/x": rows, "inputs/words": words, "source/y": rows, "recorded/source/y": rows}


def contents() -> dict[str, bytes]:
    """Path inside the bundle -> bytes."""
    return {GOLDEN: write_tensors(tensors()), MODEL: bytes(range(200))}


def tree(files: dict[str, bytes] | None = None) -> dict[str, Any]:
    """A manifest that seals the files, with every optional field."""
    files = contents() if files is None else files
    sealed = [
        {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for path, data in sorted(files.items())
    ]
    return {
        "batch": {"symbol": "rows"},
        "components": [],
        "default_variant": "source",
        "features": [],
        "files": sealed,
        "format_version": 1,
        "golden": [{"name": "first", "path": GOLDEN, "synthetic": False}],
        "inputs": [
            {"dtype": "float32", "finite": True, "name": "x", "shape": ["rows", 3]},
            {"dtype": "string", "finite": False, "meaning": "text", "name": "words", "shape": ["rows", 2]},
        ],
        "metadata": {"a/b~c": "free text"},
        "model": {
            "license": "MIT",
            "name": "example",
            "source": {"format": "onnx", "sha256": "0" * 64},
            "version": "1.2.3",
        },
        "outputs": [{"decision": "argmax", "dtype": "float32", "name": "y", "shape": ["rows", 3]}],
        "recipe": {
            "host": {"arch": "x86_64", "cpu_class": "avx2"},
            "options": {},
            "stages": [{"outcome": "skipped", "reason": "larger", "stage": "slim", "variant": "source"}],
            "tools": {"onnx": "1.23.2"},
        },
        "runtime": {"minimum": "1.29.0", "version": "1.31.1"},
        "session": {"intra_op_threads": 2},
        "states": [{"input": "x", "output": "y"}],
        "target": {"arch": "x86_64", "cpu_class": "generic", "os": "linux"},
        "tasks": [{"kind": "classification", "labels": ["no", "yes", "maybe"], "output": "y"}],
        "variants": [
            {
                "batch_invariant": True,
                "bytes": len(files[MODEL]),
                "cpu_class": "generic",
                "files": {"onnx": MODEL},
                "minimum_runtime": "1.29.0",
                "name": "source",
                "peak_memory": 1000,
                "precision": "float32",
                "rank": 0,
                "threads": 1,
                "tolerances": [{"bound": "3f000000", "word": "absolute"}],
                "writer": "1.31.1",
            }
        ],
    }


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The manifest with the value at each JSON Pointer set; `...` removes it, a last step `-` appends."""
    result = tree()
    for pointer, value in changes:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        *way, last = [int(step) if step.isdigit() else step for step in steps]
        place: Any = result
        for step in way:
            place = place[step]
        if value is ...:
            del place[last]
        elif last == "-":
            place.append(value)
        else:
            place[last] = value
    return result


def refusal(data: bytes) -> tuple[str, str]:
    """The code and subject for a manifest that must be refused; the code is one of its stage."""
    with pytest.raises(BundleError) as caught:
        Manifest.parse(data)
    stages = {entry["code"]: entry["stage"] for entry in table("errors")["errors"]}
    assert stages[caught.value.code] == "manifest"
    return caught.value.code, caught.value.subject


def write(folder: Path, files: dict[str, bytes] | None = None, sealed: dict[str, Any] | None = None) -> Path:
    """Write the files, sealed by a manifest that may say something else about them."""
    files = contents() if files is None else files
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "bundle.json").write_bytes(Manifest.encode(tree(files) if sealed is None else sealed))
    return folder
