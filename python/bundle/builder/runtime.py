"""What a bundle says of the ONNX Runtime that it was proven with, and the library that may travel in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bundle import wheel
from bundle.builder.project import Project
from bundle.error import BundleError
from bundle.manifest import Target
from bundle.ort_format import format_of
from bundle.pins import api_needed

#: Where the library lies in a bundle.
FOLDER = "lib"


def take_libraries(project: Project, work: Path) -> dict[str, Mapping[str, Path]]:
    """Return the library of each target's architecture, and its terms, by path in the bundle.

    Nothing where the project does not ask for it.

    Raises:
        BundleError: ``wheel_unavailable``, ``wheel_mismatch``.
    """
    taken: dict[str, Mapping[str, Path]] = {}
    if not project.with_runtime:
        return taken
    for arch in sorted({target.arch for target in project.targets}):
        pinned = _proven(arch)
        if pinned is None:
            expected = f"a wheel of onnxruntime {version('onnxruntime')} for target `{arch}`"
            hint = "build for arm64 or x86_64, with the onnxruntime that this version asks for"
            raise BundleError("wheel_unavailable", arch, expected, "none that is pinned", hint)
        folder = work / f"runtime-{arch}"
        folder.mkdir()
        files = wheel.take(pinned, folder, project.runtime_from)
        taken[arch] = {f"{FOLDER}/{name}": path for name, path in files.items()}
    return taken


def section(
    target: Target, minimum: str, frozen: Iterable[Path], library: Mapping[str, Path]
) -> dict[str, Any]:
    """Return the section ``runtime`` of a manifest.

    What describes the library is there where it is known: the pinned wheel of the same version holds it.

    Args:
        target: what the bundle is for.
        minimum: the oldest version that opens it.
        frozen: its .ort files.
        library: what of it travels in the bundle, by path there; may be empty.
    """
    tree: dict[str, Any] = {"minimum": minimum, "version": version("onnxruntime")}
    formats = [number for number in map(format_of, frozen) if number is not None]
    if formats:
        tree["ort_format"] = max(formats)
    pinned = _proven(target.arch)
    if pinned is not None:
        tree |= pinned.runtime | {"api_minimum": api_needed()}
    inside = f"{FOLDER}/{wheel.LIBRARY}"
    return tree | ({"library": inside} if inside in library else {})


def _proven(arch: str) -> wheel.Wheel | None:
    """Return the pinned wheel of an architecture where it is of the version that builds and proves."""
    pinned = wheel.pinned(arch)
    return pinned if pinned is not None and pinned.version == version("onnxruntime") else None
