"""The prepared cases of LIBRARY.md: libraries with one fault each, for each architecture. None is loaded."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.vectors.elf import MACHINES, WEAK, Library, patched, replaced

FOLDER = "library"
NAME = "libonnxruntime.so"
GOOD = "valid/digest_given/bundle"
ABSENT = "libedgebundle-absent.so.7"
# Of no architecture in targets.json.
MIPS = 8
# Compared as texts, these would be below every version of today.
GLIBC, GLIBCXX, CXXABI = "GLIBC_2.100", "GLIBCXX_3.4.100", "CXXABI_1.3.100"
CXX = "libstdc++.so.6"


@dataclass
class Made:
    """The files of a case: the library, and what stands in folders beside it."""

    library: bytes
    beside: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Row:
    """What a case must give."""

    checks: tuple[str, ...]
    code: str
    subject: str
    bundle: str
    make: Callable[[int], Made]
    comment: str


ROWS: dict[str, Row] = {}


def refused(*checks: str, code: str, subject: str = ".", bundle: str = GOOD) -> Callable:
    """Register a function that makes the files of a case for an ELF machine."""

    def decorate(function: Callable[[int], Made | bytes | Library]) -> Callable:
        def make(machine: int) -> Made:
            made = function(machine)
            made = made.bytes() if isinstance(made, Library) else made
            return made if isinstance(made, Made) else Made(made)

        comment = " ".join(inspect.getdoc(function).split())
        ROWS[function.__name__] = Row(checks, code, subject, bundle, make, comment)
        return function

    return decorate


def files() -> dict[str, bytes]:
    """Every file of the cases, by its path in `spec/cases`."""
    made = {f"{FOLDER}/cases.json": _index()}
    for arch, machine in MACHINES.items():
        for name, row in ROWS.items():
            case, folder = row.make(machine), f"{FOLDER}/{arch}/{name}"
            made |= {f"{folder}/{path}": data for path, data in {NAME: case.library, **case.beside}.items()}
    return made


def _index() -> bytes:
    rows = [
        {
            "name": name,
            "comment": row.comment,
            "checks": list(row.checks),
            "bundle": row.bundle,
            "library": f"{name}/{NAME}",
            "error": {"code": row.code, "subject": row.subject},
        }
        for name, row in sorted(ROWS.items())
    ]
    return json.dumps(rows, indent=1).encode() + b"\n"


@refused("L2", code="library_malformed")
def not_a_library(machine):
    """A text under the name of a library."""
    return b"this is a README, and no library\n" * 8


@refused("L2", code="library_malformed")
def empty_file(machine):
    """A download that never began."""
    return b""


@refused("L2", code="library_malformed")
def shorter_than_a_header(machine):
    """The first half of a header."""
    return Library(machine).bytes()[:32]


@refused("L2", code="library_malformed")
def of_32_bits(machine):
    """ELF32."""
    return patched(Library(machine).bytes(), 4, b"\x01")


@refused("L2", code="library_malformed")
def big_endian(machine):
    """ELF64 in the other byte order."""
    return patched(Library(machine).bytes(), 5, b"\x02")


@refused("L3", code="library_architecture")
def for_another_processor(machine):
    """A whole library for MIPS."""
    return Library(MIPS)


@refused("L4", code="library_malformed")
def a_program(machine):
    """A file that is started, not loaded (ET_EXEC)."""
    return patched(Library(machine).bytes(), 16, b"\x02")


@refused("L4", code="library_malformed")
def truncated(machine):
    """A download that broke off: the section table is gone, and the segment is not whole."""
    return Library(machine).bytes()[:-100]


@refused("L4", code="library_malformed")
def segment_past_the_end(machine):
    """One segment announces a byte more than there is."""
    made = Library(machine).bytes()
    return patched(made, 64 + 32, (len(made) + 1).to_bytes(8, "little"))


@refused("L4", code="library_malformed")
def segment_that_wraps(machine):
    """A segment whose end is beyond 64 bits."""
    return patched(Library(machine).bytes(), 64 + 8, b"\xff" * 8)


@refused("L4", code="library_malformed")
def sections_past_the_end(machine):
    """The section table begins behind the end."""
    made = Library(machine).bytes()
    return patched(made, 40, len(made).to_bytes(8, "little"))


@refused("L4", code="library_malformed")
def no_sections(machine):
    """A header that announces no section."""
    return patched(Library(machine).bytes(), 60, b"\0\0")


@refused("L5", code="library_malformed")
def another_library(machine):
    """A sound library of something else."""
    return Library(machine, exported={"OrtGetApiBas": True, "OrtGetApiBase2": True})


@refused("L5", code="library_malformed")
def entry_not_defined(machine):
    """A library that uses ONNX Runtime and does not hold it."""
    return Library(machine, exported={"OrtGetApiBase": False})


@refused("L5", code="library_malformed")
def needed_name_outside(machine):
    """DT_NEEDED leads behind the table of names."""
    library = Library(machine)
    return replaced(library.bytes(), (1).to_bytes(8, "little"), 8, (1 << 40).to_bytes(8, "little"))


@refused("L5", code="library_malformed")
def versions_lead_outside(machine):
    """The names of versions that it asks for would stand behind their section."""
    library = Library(machine, asked={"libc.so.6": [("GLIBC_2.2.5", 0)]})
    return replaced(library.bytes(), b"\x01\0\x01\0", 8, (0x7FFFFFF0).to_bytes(4, "little"))


@refused("L5", code="library_malformed")
def too_many_versions(machine):
    """One version node more than a list may have: lists that lead into one another would take hours."""
    return Library(machine, asked={"libc.so.6": [("GLIBC_2.17", 0)] * 1025})


@refused("L5", code="library_malformed")
def too_many_versions_of_all(machine):
    """The nodes of all libraries count together."""
    nodes = [("GLIBC_2.17", 0)]
    return Library(machine, asked={"libc.so.6": nodes * 1000, "libm.so.6": nodes * 25})


@refused("L5", code="library_malformed")
def too_many_needed(machine):
    """One needed library more than there may be."""
    return Library(machine, needed=["libc.so.6"] * 1025)


@refused("L5", code="library_malformed")
def name_too_long(machine):
    """A name of 4,097 bytes: overlapping ones would take more memory than the file has bytes."""
    return Library(machine, runpath="/" * 4097)


@refused("L6", code="library_dependency", subject=ABSENT)
def name_as_long_as_may_be(machine):
    """A name of 4,096 bytes, and as many needed libraries as may be."""
    return Library(machine, needed=["libc.so.6"] * 1023 + [ABSENT], runpath="/" * 4096)


@refused("L7", code="library_glibc")
def as_many_versions_as_may_be(machine):
    """The last of them counts."""
    return Library(machine, asked={"libc.so.6": [("GLIBC_2.17", 0)] * 1023 + [(GLIBC, 0)]})


@refused("L6", code="library_dependency", subject=ABSENT)
def needs_a_missing_library(machine):
    """A library that no system has, after one that each has."""
    return Library(machine, needed=["libc.so.6", ABSENT])


@refused("L6", code="library_dependency", subject=ABSENT)
def runpath_of_another_folder(machine):
    """What it needs stands in a folder beside it that DT_RUNPATH does not name."""
    beside = {f"other/{ABSENT}": Library(machine).bytes()}
    return Made(Library(machine, needed=[ABSENT], runpath="$ORIGIN/lib").bytes(), beside)


@refused("L6", "L9", code="library_too_old")
def needed_library_beside(machine):
    """DT_RUNPATH leads to what it needs; only then its age counts."""
    library = Library(machine, needed=["libedgebundle-beside.so.1"], defined=["VERS_1.28.9"])
    library.runpath = "/nonexistent:${ORIGIN}/lib"
    return Made(library.bytes(), {"lib/libedgebundle-beside.so.1": Library(machine, needed=[]).bytes()})


@refused("L7", code="library_glibc")
def needs_a_newer_glibc(machine):
    """Built on a system of the future; 2.100 is above 2.36."""
    return Library(machine, asked={"libc.so.6": [("GLIBC_2.17", 0), (GLIBC, 0), ("GLIBC_2.4", 0)]})


@refused("L7", code="library_glibc")
def needs_a_newer_glibc_in_libm(machine):
    """The floor is that of all parts of glibc."""
    asked = {"libc.so.6": [("GLIBC_2.17", 0)], "libm.so.6": [(GLIBC, 0)]}
    return Library(machine, needed=["libm.so.6", "libc.so.6"], asked=asked)


@refused("L7", "L9", code="library_too_old")
def weak_and_private_versions(machine):
    """A weak version, and names that are no versions, are not asked for."""
    names = [(GLIBC, WEAK), ("GLIBC_PRIVATE", 0), ("GLIBC_ABI_DT_RELR", 0), ("GLIBC_2.17", 0)]
    return Library(machine, asked={"libc.so.6": names}, defined=["VERS_1.28.9"])


@refused("L8", code="library_libstdcxx")
def needs_a_newer_libstdcxx(machine):
    """Built with a compiler of the future."""
    return Library(machine, needed=[CXX, "libc.so.6"], asked={CXX: [("GLIBCXX_3.4", 0), (GLIBCXX, 0)]})


@refused("L8", code="library_libstdcxx")
def needs_a_newer_cxxabi(machine):
    """The other floor of libstdc++."""
    asked = {CXX: [("GLIBCXX_3.4", 0), ("CXXABI_FLOAT128", 0), (CXXABI, 0)]}
    return Library(machine, needed=[CXX, "libc.so.6"], asked=asked)


@refused("L9", code="library_too_old")
def older_than_any_bundle(machine):
    """Older than session.json's minimum."""
    return Library(machine, defined=["VERS_1.28.9"])


@refused("L9", code="library_too_old")
def name_of_the_library_itself(machine):
    """The first entry of the version nodes names the library (VER_FLG_BASE), whatever it looks like."""
    return Library(machine, soname="VERS_99.0.0", defined=["VERS_1.28.9"])


@refused("L9", code="library_too_old", bundle="invalid/bundle_needs_a_newer_library/bundle")
def older_than_the_bundle(machine):
    """The library of today under a bundle of the future."""
    return Library(machine)


@refused("L10", code="library_api", bundle="invalid/bundle_needs_a_newer_api/bundle")
def api_too_low(machine):
    """The bundle asks for an API that the library does not offer."""
    return Library(machine)


@refused("L2", "L3", code="library_malformed")
def both_L2_L3(machine):
    """No ELF64 file, and for another processor."""
    return patched(Library(MIPS).bytes(), 4, b"\x01")


@refused("L3", "L4", code="library_architecture")
def both_L3_L4(machine):
    """For another processor, and truncated."""
    return Library(MIPS).bytes()[:-100]


@refused("L5", "L6", code="library_malformed")
def both_L5_L6(machine):
    """Another library, that needs a missing one."""
    return Library(machine, exported={"main": True}, needed=[ABSENT])


@refused("L6", "L7", code="library_dependency", subject=ABSENT)
def both_L6_L7(machine):
    """It needs a missing library and a newer glibc."""
    return Library(machine, needed=["libc.so.6", ABSENT], asked={"libc.so.6": [(GLIBC, 0)]})


@refused("L7", "L8", code="library_glibc")
def both_L7_L8(machine):
    """It needs a newer libstdc++ and a newer glibc."""
    asked = {CXX: [(GLIBCXX, 0)], "libc.so.6": [(GLIBC, 0)]}
    return Library(machine, needed=[CXX, "libc.so.6"], asked=asked)


@refused("L8", "L9", code="library_libstdcxx")
def both_L8_L9(machine):
    """It needs a newer libstdc++, and is too old itself."""
    return Library(machine, needed=[CXX], asked={CXX: [(GLIBCXX, 0)]}, defined=["VERS_1.28.9"])


@refused("L9", "L10", code="library_too_old", bundle="invalid/age_before_api/bundle")
def both_L9_L10(machine):
    """Too old for the bundle, which asks for a newer API, too."""
    return Library(machine)
