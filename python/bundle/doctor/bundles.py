"""Checks of one bundle: everything that opening it here would refuse, and what would be used instead."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bundle import library
from bundle.doctor.finding import Finding
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.bundle import Bundle
    from bundle.fit import Choice
    from bundle.manifest import Variant


@dataclass(frozen=True)
class Look:
    """A bundle as it lies there.

    Attributes:
        bundle: with a manifest that passed every check.
        faults: of its files.
        version: of ONNX Runtime; None where it cannot be loaded.
    """

    bundle: Bundle
    faults: list[BundleError]
    version: str | None


def check(path: str | os.PathLike[str]) -> list[Finding]:
    """Look at the bundle in a folder; nothing is predicted, that is self-test."""
    seen, found = look(path)
    if seen is None:
        return found
    found += _threads(seen)
    return [*found, *(_variant(seen, variant) for variant in seen.bundle.manifest.variants)]


def look(path: str | os.PathLike[str]) -> tuple[Look | None, list[Finding]]:
    """Return the bundle in a folder, None where it has no manifest, and what is found of its files alone."""
    try:
        from bundle.bundle import examine
    except ImportError as error:
        sentence = f"it cannot be looked at without numpy: {error}"
        return None, [Finding("bundle", "unknown", sentence, "pip install numpy")]
    try:
        bundle, faults = examine(path)
    except BundleError as error:
        return None, [Finding("bundle", "problem", str(error), _advice(error), error.code)]
    seen = Look(bundle, faults, _version())
    return seen, [*_manifest(seen), *_files(seen), *_golden(seen)]


def _version() -> str | None:
    try:
        return library.version()
    except BundleError as error:
        # One that is too old has a version all the same, which each variant is compared with.
        return error.found if error.code == "library_too_old" else None


def _manifest(look: Look) -> list[Finding]:
    manifest = look.bundle.manifest
    target = manifest.target
    machine = "any machine" if target.arch == "any" else f"{target.arch} ({target.cpu_class})"
    sentence = f"{manifest.name} {manifest.version} for {machine}, {look.bundle.digest}"
    return [Finding("bundle", "ok", sentence)]


def _files(look: Look) -> list[Finding]:
    if look.faults:
        return [Finding("file", "problem", str(fault), _advice(fault), fault.code) for fault in look.faults]
    count = len(look.bundle.manifest.files)
    return [Finding("files", "ok", f"names, sizes and digests of all {count} are right")]


def _golden(look: Look) -> list[Finding]:
    from bundle.golden import load_case

    manifest = look.bundle.manifest
    if not manifest.golden:
        sentence = "there is no case, so that the bundle cannot prove itself: self-test fails"
        return [Finding("golden", "warning", sentence, "build it with --golden FILE, or of made-up inputs")]
    faulty = {fault.subject for fault in look.faults}
    found: dict[str, Finding] = {}  # by case: what is wrong with it is the same for each variant
    for file in manifest.golden:
        for variant in manifest.variants:
            try:
                if file.path not in faulty:
                    load_case(look.bundle, file, variant.name)
            except BundleError as error:
                found[file.name] = Finding(
                    f"golden {file.name}", "problem", str(error), _advice(error), error.code
                )
    if found or faulty.intersection(file.path for file in manifest.golden):
        return list(found.values())
    made_up = sum(file.synthetic for file in manifest.golden)
    kind = f", {made_up} of them made up from the signature" if made_up else ""
    return [Finding("golden", "ok", f"{len(manifest.golden)} cases{kind}")]


def _threads(look: Look) -> list[Finding]:
    from bundle.threads import effective_threads

    manifest = look.bundle.manifest
    asked = {f"variant {each.name}": each.threads for each in manifest.variants if each.threads is not None}
    if "intra_op_threads" in manifest.session:
        asked["the bundle"] = manifest.session["intra_op_threads"]
    found = []
    for who, wanted in asked.items():
        usable = effective_threads(wanted)
        if usable < wanted:
            sentence = (
                f"{who} asks for {wanted}, and a process may use {usable} here: it is slower than measured"
            )
            found.append(Finding("threads", "warning", sentence, "raise the CPU quota of the process"))
    return found


def _variant(look: Look, variant: Variant) -> Finding:
    from bundle.fit import choose

    name, manifest = f"variant {variant.name}", look.bundle.manifest
    if look.version is None:
        return Finding(name, "unknown", "whether it opens cannot be known without ONNX Runtime")
    try:
        minimum, api = (
            (manifest.runtime["minimum"], variant.minimum_runtime),
            manifest.runtime.get("api_minimum", 0),
        )
        library.load(allow_telemetry=True, minimum=minimum, api=api)
        choice = choose(manifest, variant, look.version, None)
        if not look.faults:
            look.bundle.predictor(variant.name).close()
    except BundleError as error:
        fits = error.code == "target_mismatch"
        advice = _instead(variant, look.version) if fits else _advice(error)
        return Finding(name, "problem", str(error), advice, error.code)
    return _chosen(name, look, variant, choice)


def _chosen(name: str, look: Look, variant: Variant, choice: Choice) -> Finding:
    trial = "it was not loaded, as the files are not right" if look.faults else "it loads"
    if choice.format == "onnx" and "ort" in variant.files:
        sentence = f"{choice.path} is used, since {choice.reason}; {trial}"
        return Finding(name, "warning", sentence, _instead(variant, look.version or ""))
    status = "unknown" if look.faults else "ok"
    return Finding(name, status, f"{choice.path} is used, since {choice.reason}; {trial}")


def _instead(variant: Variant, version: str) -> str:
    """Return how to have an .ort file that fits."""
    from bundle.version import parse_version

    if parse_version(version) < parse_version(variant.writer):
        return f'pip install "onnxruntime>={variant.writer}"'
    return f"for an .ort file that fits build with --target {library.host_arch()}"


def _advice(error: BundleError) -> str:
    return error.hint or "copy or build the bundle again: what is wrong is in it, not in this machine"
