"""Checks of the installation: Python, the two libraries that prediction needs, the builder's extras."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
from importlib import metadata
from itertools import groupby
from pathlib import Path

from bundle import library
from bundle.doctor.finding import Finding, of_error
from bundle.doctor.requirements import DISTRIBUTION, Requirement, bounds_of, installed, requirements
from bundle.error import BundleError

_TELEMETRY = "ORT_DISABLE_TELEMETRY"


def python() -> list[Finding]:
    """Compare the version of Python with the one that the package asks for."""
    version = platform.python_version()
    try:
        asked = metadata.metadata(DISTRIBUTION)["Requires-Python"]
    except (metadata.PackageNotFoundError, KeyError):
        return [
            Finding("python", "unknown", f"{version}; which one is needed, only an installed package says")
        ]
    if Requirement("python", bounds_of(asked)).allows(version):
        return [Finding("python", "ok", f"{version}, and {asked} is needed")]
    return [Finding("python", "problem", f"{version}, but {asked} is needed", "install another Python")]


def numpy() -> list[Finding]:
    """Load numpy and compare its version with the one that the package asks for."""
    needed = next((each for each in requirements() or [] if each.name == "numpy"), Requirement("numpy", ()))
    advice = f'pip install "{needed.text}"'
    try:
        module = importlib.import_module("numpy")
    except Exception as error:  # a broken build of it raises anything
        sentence = f"it cannot be loaded, and nothing can be opened without it: {_said(error)}"
        return [Finding("numpy", "problem", sentence, advice)]
    if not needed.allows(module.__version__):
        return [Finding("numpy", "problem", f"{module.__version__}, but {needed.text} is needed", advice)]
    return [Finding("numpy", "ok", str(module.__version__))]


def onnxruntime() -> list[Finding]:
    """Load ONNX Runtime and compare its version with the oldest one that a predictor takes."""
    if importlib.util.find_spec("onnxruntime") and not loads("numpy"):
        # Not tried, since its own complaints about numpy go to stderr past Python.
        return [Finding("onnxruntime", "unknown", "it is installed, and cannot be loaded without numpy")]
    try:
        module = library.load()
    except BundleError as error:
        return [of_error("onnxruntime", error)]
    place = library.library_file() or Path(module.__file__).parent
    return [Finding("onnxruntime", "ok", f"{module.__version__}, {place}")]


def telemetry(environment: Path = Path("/proc/self/environ")) -> list[Finding]:
    """Tell what the environment said before this package turned telemetry off for its own process.

    Args:
        environment: the file with the variables that this process was started with.
    """
    try:
        entries = os.fsdecode(environment.read_bytes()).split("\0")
    except OSError:
        sentence = f"off in this process; whether {_TELEMETRY} is set outside it, the system does not tell"
        return [Finding("telemetry", "unknown", sentence)]
    value = next((entry.partition("=")[2] for entry in entries if entry.startswith(f"{_TELEMETRY}=")), None)
    if value == "1":
        return [Finding("telemetry", "ok", f"off: {_TELEMETRY}=1 is set")]
    said = "not set" if value is None else f"`{value}`"
    sentence = (
        f"off in this process; but {_TELEMETRY} is {said}, so a program that imports onnxruntime before "
        "bundle sends telemetry, and opening a bundle in it is refused"
    )
    return [Finding("telemetry", "warning", sentence, f"export {_TELEMETRY}=1")]


def extras() -> list[Finding]:
    """Tell for each extra which of its distributions are missing, or of another version."""
    needed = requirements()
    if needed is None:
        sentence = f"which libraries the builder needs, only an installed package says: {DISTRIBUTION} is not"
        return [Finding("extras", "unknown", sentence)]
    ordered = sorted((each for each in needed if each.extra), key=lambda each: each.extra)
    return [_extra(name, list(group)) for name, group in groupby(ordered, key=lambda each: each.extra)]


def _extra(name: str, needed: list[Requirement]) -> Finding:
    versions = {each: installed(each.name) for each in needed}
    missing = [each.name for each, version in versions.items() if version is None]
    other = [
        f"{each.name} is {version}, but {each.text} is needed"
        for each, version in versions.items()
        if version is not None and not each.allows(version)
    ]
    advice = f'pip install "{DISTRIBUTION}[{name}]"'
    if missing or other:
        sentence = "; ".join([*([f"missing: {', '.join(missing)}"] if missing else []), *other])
        return Finding(f"extra {name}", "absent" if missing else "warning", sentence, advice)
    return Finding(f"extra {name}", "ok", ", ".join(f"{each.name} {versions[each]}" for each in needed))


def loads(name: str) -> bool:
    """Tell whether a module can be imported."""
    try:
        importlib.import_module(name)
    except Exception:  # a broken build of it raises anything
        return False
    return True


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
