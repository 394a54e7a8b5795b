"""Small bundles that work, made out of a vector's, each by what is to be different about it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from bundle.bundle import MANIFEST_NAME
from bundle.manifest import Manifest

VECTOR = Path(__file__).parents[2] / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"
CLASSES = {"any": ("any", "generic", "any"), "x86_64": ("x86_64", "generic", "linux")}
CLASSES |= {"arm64": ("arm64", "v8.0", "linux"), "arm64-dotprod": ("arm64", "dotprod", "linux")}


def make(
    folder: Path,
    name: str = "net",
    version: str = "1.0.0",
    target: str = "any",
    label: str = "",
    extra: dict[str, bytes] | None = None,
) -> Path:
    """Write a bundle and return its folder; ``extra`` are more files, ``label`` sets it apart."""
    files = {str(path.relative_to(VECTOR)): path.read_bytes() for path in VECTOR.rglob("*") if path.is_file()}
    tree: dict[str, Any] = json.loads(files.pop(MANIFEST_NAME))
    files |= extra or {}
    tree["files"] = [
        {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for path, data in sorted(files.items())
    ]
    arch, cpu_class, system = CLASSES[target]
    tree["model"] |= {"name": name, "version": version}
    tree["target"] = {"arch": arch, "cpu_class": cpu_class, "os": system}
    tree["variants"][0]["cpu_class"] = cpu_class
    tree["metadata"] = {"label": label}
    data = Manifest.encode(tree)
    Manifest.parse(data)
    for path, content in {MANIFEST_NAME: data, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def identity(folder: Path) -> str:
    return hashlib.sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest()


def state(folder: Path, *, index: bool = False) -> dict[str, bytes | None]:
    """Everything below a folder: content of files, None of folders; the index only where it is asked for."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        relative = str(path.relative_to(folder))
        if index or relative != "index.sqlite":
            found[relative] = path.read_bytes() if path.is_file() else None
    return found
