"""The CPU that builds: calibration and recorded outputs depend on its class, so the manifest names it."""

from __future__ import annotations

from pathlib import Path

from bundle.library import host_arch

#: Features that change what ONNX Runtime computes, the strongest first, and the word for each class.
_CLASSES = {
    "x86_64": (
        ("avx512_vnni", "avx512-vnni"),
        ("avx512f", "avx512"),
        ("avx_vnni", "avx2-vnni"),
        ("avx2", "avx2"),
        ("sse4_1", "sse4.1"),
    ),
    "arm64": (("sme", "sme"), ("i8mm", "i8mm"), ("asimddp", "dotprod"), ("asimd", "v8.0")),
}


def cpu_class(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the class of this CPU, such as ``avx512-vnni``; ``unknown`` where the system does not tell."""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return "unknown"
    words = {
        word for line in lines if line.lower().startswith(("flags", "features")) for word in line.split()
    }
    return next((word for feature, word in _CLASSES.get(host_arch(), ()) if feature in words), "unknown")
