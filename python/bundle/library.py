"""Find and load ONNX Runtime: in Python the `onnxruntime` wheel, with telemetry off."""

from __future__ import annotations

import importlib.util
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bundle.error import BundleError
from bundle.spec import table
from bundle.version import parse_version

_SWITCH = "ORT_DISABLE_TELEMETRY"

# The library reads the switch once, while it loads. What was loaded before this module ran with whatever
# the variable said then; this is the last moment to find out, since from here on it is always set.
_LOADED_WITH_TELEMETRY = "onnxruntime" in sys.modules and os.environ.get(_SWITCH) != "1"
os.environ[_SWITCH] = "1"

# Bits of AT_HWCAP, the kernel's list of CPU features in the auxiliary vector (linux, arm64).
_AT_HWCAP = 16
_HWCAP_BITS = {"asimddp": 20}


def load(*, allow_telemetry: bool = False, minimum: Iterable[str] = (), api: int = 0) -> Any:
    """Return the module ``onnxruntime``, loaded without telemetry.

    Args:
        allow_telemetry: accept a library that was loaded before without the switch.
        minimum: versions ``N.N.N`` that the library must not be older than, beside the
            one of spec/session.json.
        api: the C API that the bundle asks for; 0 where it says nothing.

    Raises:
        BundleError: ``library_not_found``, ``telemetry_active``, ``library_too_old`` or ``library_api``.
    """
    if _LOADED_WITH_TELEMETRY and not allow_telemetry:
        raise BundleError(
            "telemetry_active",
            ".",
            "an ONNX Runtime that was loaded with telemetry off",
            f"one that was imported without {_SWITCH}=1",
            f"set {_SWITCH}=1, import bundle before onnxruntime, or pass allow_telemetry=True",
        )
    module = _import()
    needed = max((table("session")["minimum_runtime"], *minimum), key=parse_version)
    if parse_version(module.__version__) < parse_version(needed):
        raise BundleError(
            "library_too_old",
            ".",
            f"ONNX Runtime {needed} or newer",
            str(module.__version__),
            f'pip install "onnxruntime>={needed}"',
        )
    offered = api_of(module.__version__)
    if offered is not None and offered < api:
        expected = f"ONNX Runtime with C API {api}"
        raise BundleError("library_api", ".", expected, f"{module.__version__}, which offers 1 to {offered}")
    return module


def api_of(version: str) -> int | None:
    """Return the newest C API that an ONNX Runtime of a version offers, or None where no rule is known."""
    major, minor, *_ = (*parse_version(version), 0, 0)
    return minor if major == 1 else None


def _import() -> Any:
    # The variable may have been removed since this module was imported.
    os.environ[_SWITCH] = "1"
    try:
        import onnxruntime
    except Exception as error:
        raise BundleError(
            "library_not_found",
            ".",
            "ONNX Runtime in the Python package `onnxruntime`",
            f"{type(error).__name__}: {error}",
            "pip install onnxruntime",
        ) from error
    return onnxruntime


def version() -> str:
    """Return the version of the loaded ONNX Runtime. Raises as `load`."""
    return str(load(allow_telemetry=True).__version__)


def library_file() -> Path | None:
    """Return the shared library that Python loads, or None where the package is built in another way."""
    return _in_wheel(_import().__file__, "onnxruntime_pybind11_state*.so")


def shared_library() -> Path | None:
    """Return the shared library that the wheel holds for other languages, or None where there is none.

    Python's own, beside it, is not loaded for this.

    Raises:
        BundleError: ``library_not_found`` where the wheel cannot be looked at. Another library, found
            elsewhere, must not take its place because this process is out of file descriptors.
    """
    try:
        found = importlib.util.find_spec("onnxruntime")
        return _in_wheel(found.origin, "libonnxruntime.so.*") if found and found.origin else None
    except OSError as error:
        expected = "a folder of the package `onnxruntime` that can be read"
        raise BundleError("library_not_found", ".", expected, str(error)) from error


def _in_wheel(module: str, pattern: str) -> Path | None:
    return next(iter(sorted((Path(module).parent / "capi").glob(pattern))), None)


def available_providers() -> list[str]:
    """Return the execution providers that the library holds, its preferred one first."""
    return list(load(allow_telemetry=True).get_available_providers())


def host_arch() -> str:
    """Return the host's architecture under the name that spec/targets.json has for it."""
    machine = os.uname().machine.lower()
    for name, target in table("targets")["targets"].items():
        if machine == name or machine in target["aliases"]:
            return str(name)
    return machine


def host_features(auxiliary_vector: Path = Path("/proc/self/auxv")) -> frozenset[str]:
    """Return the CPU features, of those that spec/targets.json names, that this host has.

    Args:
        auxiliary_vector: the file with the pairs of 64-bit numbers that the kernel handed to this process.
    """
    if host_arch() != "arm64":
        return frozenset()
    return _hwcap_features(auxiliary_vector)


def _hwcap_features(auxiliary_vector: Path) -> frozenset[str]:
    try:
        data = auxiliary_vector.read_bytes()
    except OSError:
        return frozenset()
    pairs = dict(struct.iter_unpack("=QQ", data[: len(data) // 16 * 16]))
    bits = pairs.get(_AT_HWCAP, 0)
    return frozenset(name for name, bit in _HWCAP_BITS.items() if bits >> bit & 1)
