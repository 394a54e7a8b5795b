"""The emulated machines: their CPUs, the programs that run on them, and how one is started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bundle.parity.client import Client
from tests.native import programs as host

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "arm64"
PROGRAMS = {
    "cpp": BUILT / "cpp" / "bundle-predict",
    "go": BUILT / "go" / "bundle-predict",
    "rust": BUILT / "rust" / "aarch64-unknown-linux-gnu" / "release" / "bundle-predict",
}
#: Debian's Python for arm64, unpacked by `make arm64`, and the wheels that predicting needs.
PYTHON = BUILT / "python"
SITE = BUILT / "site"
#: For the emulator alone, which else takes minutes for one answer of a CPU with AVX2.
QUICK_FMA = BUILT / "quick_fma.so"
# An emulated program that hangs is ended, in seconds.
LIMIT = 120
# One answer of the largest model takes half a minute on one idle core.
_LARGEST = 600.0


@dataclass(frozen=True)
class Machine:
    """A CPU that an emulator shows to the programs of its architecture.

    Attributes:
        arch: under the name that targets.json has for it.
        cpu: under the name that the emulator has for it.
        about: what ONNX Runtime finds there to compute with.
        without: features that such a CPU has and the emulator warns that it lacks.
    """

    arch: str
    cpu: str
    about: str
    without: str = ""

    def client(self, language: str) -> Client:
        """Return a client of a language's program, which starts with its first request."""
        name = f"{language} on {self.cpu}"
        return Client(name, self.command(language), _LARGEST, self.environment())

    def command(self, language: str) -> list[str]:
        """Return the command line of a language's program."""
        if self.arch == "x86_64":
            return ["qemu-x86_64", "-U", "LD_PRELOAD", str(host.PROGRAMS[language])]
        if language == "python":
            return ["qemu-aarch64", *_emulated_python(), "-m", "bundle.driver"]
        return ["qemu-aarch64", str(PROGRAMS[language])]

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the emulator."""
        if self.arch == "x86_64":
            return {**host.environment(), "QEMU_CPU": self.cpu + self.without, "LD_PRELOAD": str(QUICK_FMA)}
        return environment(self.cpu)


ARM64 = (
    Machine("arm64", "cortex-a53", "NEON"),
    Machine("arm64", "cortex-a72", "NEON"),
    Machine("arm64", "neoverse-n1", "NEON, int8 dot products"),
)
X86_64 = (
    Machine("x86_64", "Haswell", "AVX2", ",-pcid,-x2apic,-tsc-deadline,-hle,-invpcid,-rtm"),
    Machine("x86_64", "Nehalem", "SSE4.2"),
)
MACHINES = (*ARM64, *X86_64)
#: Asked most: the CPU that targets.json has in mind for arm64.
[USUAL] = (machine for machine in ARM64 if machine.cpu == "cortex-a72")


def arm64_library() -> Path:
    """The shared library of ONNX Runtime's wheel for arm64."""
    [library] = (SITE / "onnxruntime" / "capi").glob("libonnxruntime.so.*")
    return library


def environment(cpu: str) -> dict[str, str]:
    """The emulator's CPU, and the folder that stands before / for emulated programs.

    It holds /proc/cpuinfo in the form of arm64: ONNX Runtime reads it, and the emulator would show that of
    the host, which makes the library crash.
    """
    prefix = str(Path(__file__).parent / "root")
    return {**os.environ, "QEMU_LD_PREFIX": prefix, "QEMU_CPU": cpu, "ORT_DYLIB_PATH": str(arm64_library())}


def _emulated_python() -> list[str]:
    """The interpreter for arm64, with variables that the emulator shows to it alone."""
    libraries = [PYTHON / "lib" / "aarch64-linux-gnu", PYTHON / "usr" / "lib" / "aarch64-linux-gnu"]
    variables = {
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "PYTHONHOME": str(PYTHON / "usr"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "python"), str(SITE)]),
    }
    given = [word for name, value in variables.items() for word in ("-E", f"{name}={value}")]
    return [*given, str(PYTHON / "usr" / "bin" / "python3.11")]
