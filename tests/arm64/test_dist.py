"""What `make dist-arm64` builds for devices: it runs, and needs no newer libraries than ONNX Runtime does."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.arm64.conftest import exchanged
from tests.arm64.machines import ROOT, arm64_library, environment
from tests.arm64.test_arm64 import opening

pytestmark = pytest.mark.slow

SHIPPED = ROOT / "build" / "dist-arm64"
PROGRAMS = {
    "cpp": SHIPPED / "cpp" / "bundle-predict",
    "go": SHIPPED / "go" / "bundle-predict",
    "rust": SHIPPED / "rust" / "aarch64-unknown-linux-gnu" / "release" / "bundle-predict",
}
# Of glibc, and so on every device that ONNX Runtime's own library runs on.
LIBRARIES = {"ld-linux-aarch64.so.1", "libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0"}


def readelf(option: str, file: Path) -> str:
    done = subprocess.run(["readelf", "--wide", option, file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def floor(file: Path) -> tuple[int, ...]:
    """The newest version of glibc that a file asks for."""
    needed = readelf("--version-info", file).split("Version needs section", 1)[1]
    versions = re.findall(r"Name: GLIBC_([0-9.]+)", needed)
    return max(tuple(int(number) for number in version.split(".")) for version in versions)


def test_the_library_has_the_floor_that_is_told() -> None:
    assert floor(arm64_library()) == (2, 28)


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_asks_for_no_newer_glibc_than_the_library(
    language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = floor(PROGRAMS[language])
    with capsys.disabled():
        print(f"\n{language}: glibc {'.'.join(map(str, found))}, {PROGRAMS[language].stat().st_size:,} bytes")
    assert found <= floor(arm64_library())


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_needs_only_libraries_of_glibc(language: str) -> None:
    """ONNX Runtime is loaded later, so that its absence is an error with a sentence."""
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", readelf("--dynamic", PROGRAMS[language])))
    assert "libc.so.6" in needed
    assert needed <= LIBRARIES


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_opens_a_bundle_and_proves_it(language: str, built: Callable[[str], Path]) -> None:
    requests = [opening(built("arm64")), {"op": "self_test", "handle": "h"}]
    opened, tested = exchanged(["qemu-aarch64", PROGRAMS[language]], requests, environment("cortex-a72"))
    assert (opened["ok"], opened.get("format")) == (True, "ort")
    assert tested["passed"]


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_refuses_what_is_no_bundle(language: str, tmp_path: Path) -> None:
    """In C++ an exception crosses functions on its way: its unwinder came with another compiler."""
    [reply] = exchanged(["qemu-aarch64", PROGRAMS[language]], [opening(tmp_path)], environment("cortex-a72"))
    assert reply["error"]["code"] == "file_missing"
