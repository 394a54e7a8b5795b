"""Whether a CPU has the instructions that a library says it needs (check L12), as far as it says."""

from __future__ import annotations

from pathlib import Path

from bundle.doctor.finding import Finding, of_error
from bundle.doctor.system import System
from bundle.elf import Elf
from bundle.error import BundleError

_CHECK = "library CPU"
#: By bit of the note: the name of the level, and flags of /proc/cpuinfo that tell it from the one below.
_LEVELS = {
    1: ("x86-64", frozenset({"sse2"})),
    2: ("x86-64-v2", frozenset({"sse4_2", "ssse3", "popcnt"})),
    4: ("x86-64-v3", frozenset({"avx2", "bmi2", "fma", "movbe"})),
    8: ("x86-64-v4", frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})),
}


def check(
    library: Elf, system: System, host: int | None, information: Path = Path("/proc/cpuinfo")
) -> Finding:
    """Compare the x86 ISA level that a library needs with this machine's CPU; ``host`` is its ELF machine."""
    names = [name for bit, (name, _) in _LEVELS.items() if library.isa_level & bit]
    if not names:
        return Finding(_CHECK, "unknown", "the file does not state which CPU features it needs")
    if system.root is not None:
        sentence = (
            f"the file needs a CPU of level {names[-1]}; a root folder does not say which CPU it runs on"
        )
        return Finding(_CHECK, "unknown", sentence)
    flags = _flags(information) if library.machine == host else frozenset()
    if not flags:
        sentence = f"the file needs a CPU of level {names[-1]}; this machine does not say whether it is one"
        return Finding(_CHECK, "unknown", sentence)
    for bit, (name, needed) in _LEVELS.items():
        if library.isa_level & bit and not needed <= flags:
            missing = ", ".join(sorted(needed - flags))
            return of_error(
                _CHECK, BundleError("library_cpu", ".", f"a CPU of level {name}", f"one without {missing}")
            )
    return Finding(_CHECK, "ok", f"the file needs a CPU of level {names[-1]}, as this one is")


def _flags(information: Path) -> frozenset[str]:
    try:
        lines = information.read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    return next(
        (frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), frozenset()
    )
