"""The ONNX Runtime that a device has, or gets with a bundle: its file, its system and its operators."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bundle.bundle import Bundle
from bundle.doctor import reduced
from bundle.doctor.finding import Finding, of_error
from bundle.doctor.shared_library import Ask, SharedLibrary, machine_of
from bundle.doctor.system import System
from bundle.error import BundleError
from bundle.library import host_arch
from bundle.manifest import Manifest, Variant
from bundle.ort_format import format_of, newest_read
from bundle.version import parse_version

_CONFIG = "config/required_operators_and_types.config"


@dataclass(frozen=True)
class Device:
    """What the caller says of the device.

    Attributes:
        library: the file of its ONNX Runtime, where that is not the bundle's or the system's.
        root: the root folder of its system; None is this machine.
        config: what its ONNX Runtime was built with, where that is a reduced one.
    """

    library: Path | None = None
    root: Path | None = None
    config: Path | None = None

    def __bool__(self) -> bool:
        """Tell whether anything is said."""
        return any(each is not None for each in (self.library, self.root, self.config))


def check(device: Device, bundle: Bundle | None) -> list[Finding]:
    """Return what would fail where a device opens a bundle, or any, with its library."""
    if device.root is not None and not device.root.is_dir():
        error = BundleError(
            "library_not_found", ".", f"the root folder of a system at `{device.root}`", "no folder"
        )
        return [of_error("library", error)]
    system = System(device.root)
    found, version = _library(device, system, bundle)
    if bundle is None:
        return [*found, *_unused(device)]
    found += [
        finding for variant in bundle.manifest.variants for finding in _frozen(bundle, variant, version)
    ]
    return [*found, *(_operators(device.config, bundle) if device.config else [])]


def _unused(device: Device) -> list[Finding]:
    if device.config is None:
        return []
    return [
        Finding(
            "library operators", "unknown", "whose operators are asked for, only a bundle says", "name it"
        )
    ]


def _library(device: Device, system: System, bundle: Bundle | None) -> tuple[list[Finding], str | None]:
    """Return what was found of the library, and its version where it states one."""
    ask = _ask(system, bundle)
    path = device.library or _bundled(bundle) or _of_system(system, ask)
    if path is not None:
        library = SharedLibrary(path, system, ask)
        proven = _proven(path, bundle.manifest) if bundle and library.stated else []
        return [*library.findings(), *proven], library.version
    if system.root is None:
        # Nothing was named, and what this machine's loader would find is no part of the question.
        return [], None
    error = BundleError(
        "library_not_found", ".", "libonnxruntime.so.1 in a folder of the system's loader", "none"
    )
    return [of_error("library", error)], None


def _proven(path: Path, manifest: Manifest) -> list[Finding]:
    """Tell whether this is the very library that the bundle was proven with, where that is known."""
    check, known = "library identity", manifest.runtime.get("sha256")
    if known is None:
        return []
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == known:
        return [Finding(check, "ok", f"the very file that the bundle was proven with, {known}")]
    version = manifest.runtime["version"]
    sentence = (
        f"the bundle was proven with another file, ONNX Runtime {version} of SHA-256 {known}; this is {found}"
    )
    return [Finding(check, "warning", sentence, "let `self-test` prove it there, or take the pinned library")]


def _bundled(bundle: Bundle | None) -> Path | None:
    inside = bundle.manifest.runtime.get("library") if bundle else None
    return bundle.file_path(inside) if bundle and inside else None


def _of_system(system: System, ask: Ask) -> Path | None:
    return system.runtime(ask.machines) if system.root is not None else None


def _ask(system: System, bundle: Bundle | None) -> Ask:
    manifest = bundle.manifest if bundle else None
    target = machine_of(manifest.target.arch) if manifest else None
    own = machine_of(host_arch())
    machines: tuple[int, ...] = (own,) if own else ()
    whose = "this machine"
    if target is not None:
        machines, whose = (target,), "the bundle's target"
    elif system.root is not None and (known := system.machines()):
        machines, whose = tuple(sorted(known)), "the system in the root folder"
    if manifest is None:
        return Ask(machines, whose)
    runtime, preferred = manifest.runtime, manifest.variant(manifest.default_variant)
    return Ask(
        machines, whose, (runtime["minimum"], preferred.minimum_runtime), runtime.get("api_minimum", 0)
    )


def _frozen(bundle: Bundle, variant: Variant, version: str | None) -> list[Finding]:
    """Return whether the library may take a variant's .ort file: its writer (P4), its format (L11)."""
    path = variant.files.get("ort")
    if path is None or version is None:
        return []
    check = f"library ORT format ({variant.name})"
    if parse_version(version) < parse_version(variant.writer):
        expected = f"ONNX Runtime {variant.writer}, which wrote it, or newer"
        return [_refused(check, variant, BundleError("target_mismatch", path, expected, version))]
    number, newest = _number(bundle, path), newest_read(version)
    if number is None or newest is None:
        why = f"{path} states no number" if number is None else f"{version} is newer than this program"
        return [Finding(check, "unknown", f"whether the library reads it cannot be said: {why}")]
    if number > newest:
        expected = f"ORT format {newest} or older for ONNX Runtime {version}"
        error = BundleError("library_ort_format", path, expected, f"ORT format {number}")
        return [_refused(check, variant, error)]
    return [Finding(check, "ok", f"{path} has ORT format {number}, and the library reads up to {newest}")]


def _refused(check: str, variant: Variant, error: BundleError) -> Finding:
    """Return the problem, or the warning where the .onnx file would be taken instead."""
    refused = of_error(check, error)
    if "onnx" not in variant.files:
        return refused
    sentence = f"{refused.sentence}; {variant.files['onnx']} is used instead"
    return Finding(check, "warning", sentence, refused.advice, refused.code)


def _number(bundle: Bundle, path: str) -> int | None:
    try:
        stated = format_of(bundle.file_path(path))
    except OSError:
        stated = None
    return stated or bundle.manifest.runtime.get("ort_format")


def _operators(config: Path, bundle: Bundle) -> list[Finding]:
    check = "library operators"
    if not _lists(bundle.manifest):
        sentence = (
            "the bundle lists no operators, as it holds no .ort file, and a minimal runtime opens no other"
        )
        return [Finding(check, "unknown", sentence, "build with --formats onnx,ort for this target")]
    try:
        there = reduced.read_operators(config, str(config))
        needed = reduced.read_operators(bundle.file_path(_CONFIG), _CONFIG)
    except BundleError as error:
        return [of_error(check, error)]
    return reduced.compare(needed, there)


def _lists(manifest: Manifest) -> bool:
    return any(file.path == _CONFIG for file in manifest.files)
