"""What the doctor predicts of a library, and that it is right: the cases of LIBRARY.md, and real files."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.__main__ import main
from bundle.cli import exits
from bundle.doctor import Finding, examine_device
from bundle.doctor.runtime import Device
from bundle.library import host_arch
from bundle.spec import table
from tests.library.conftest import Patch
from tests.runtime.make_bundle import write
from tests.vectors.elf import MACHINES, Library
from tests.vectors.valid_ort import ORT, scale_with_ort

CASES = Path(__file__).resolve().parents[2] / "spec" / "cases"
PREPARED = json.loads((CASES / "library" / "cases.json").read_bytes())
CXX = "libstdc++.so.6"


def problems(found: list[Finding]) -> list[str]:
    assert all(finding.advice for finding in found if finding.status == "problem")
    return [finding.code for finding in found if finding.status == "problem"]


def of_device(library: Path | None = None, root: Path | None = None, bundle: Path | None = None) -> list[str]:
    return problems(examine_device(Device(library, root), bundle))


def loads(library: Path) -> str:
    """Let the system's loader try it in a process of its own; return what it says against it."""
    program = "import ctypes, sys; ctypes.CDLL(sys.argv[1], mode=2)"
    done = subprocess.run([sys.executable, "-c", program, library], capture_output=True, text=True)
    return done.stderr if done.returncode == 1 else f"ended by {done.returncode}" if done.returncode else ""


@pytest.mark.parametrize("case", PREPARED, ids=[case["name"] for case in PREPARED])
def test_the_first_problem_is_the_error_of_the_prepared_case(case: dict[str, Any]) -> None:
    library = CASES / "library" / host_arch() / case["library"]
    found = examine_device(Device(library), CASES / case["bundle"])
    first = next(finding for finding in found if finding.check.startswith("library") and finding.code)
    assert first.status == "problem" and first.code == case["error"]["code"]
    assert f": `{case['error']['subject']}`: " in first.sentence


def test_the_prepared_cases_hold_no_library_that_could_be_loaded() -> None:
    assert len(PREPARED) >= 30
    for arch in MACHINES:
        made = {path.parent.name for path in (CASES / "library" / arch).glob("*/libonnxruntime.so")}
        assert made == {case["name"] for case in PREPARED}


def test_the_real_library_has_no_problem_here_and_loads(real: Path) -> None:
    found = examine_device(Device(real))
    assert problems(found) == [] and loads(real) == ""
    told = {finding.check: finding for finding in found}
    assert told["library version"].status == "ok" and "1." in told["library"].sentence
    # Its writer left out which instructions it needs.
    assert told["library CPU"].status == "unknown"


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        (b"GLIBC_2.28", b"GLIBC_9.28", "library_glibc", "GLIBC_9.28"),
        (b"GLIBCXX_3.4.22", b"GLIBCXX_9.4.22", "library_libstdcxx", "GLIBCXX_9.4.22"),
        (b"libgcc_s.so.1", b"libgcc_s.so.9", "library_dependency", "libgcc_s.so.9"),
        (b"OrtGetApiBase", b"OrtGetApiBaze", "library_malformed", ""),
        (b"VERS_1.31.1", b"VERS_1.21.1", "library_too_old", ""),
    ],
)
def test_a_patched_library_is_refused_as_the_loader_refuses_it(
    patched: Patch, old: bytes, new: bytes, code: str, said: str
) -> None:
    library = patched(old, new)
    assert of_device(library)[0] == code
    if said:
        assert said in loads(library)


def test_an_old_library_lacks_the_api_of_the_readers_that_ask_for_more(patched: Patch) -> None:
    found = examine_device(Device(patched(b"VERS_1.31.1", b"VERS_1.21.1")))
    assert problems(found) == ["library_too_old", "library_api"]
    [api] = [finding for finding in found if finding.code == "library_api"]
    readers = table("library")["readers"]
    for name, number in readers.items():
        assert (f"{number} for the {name} predictor" in api.sentence) == (number > 21)


def test_a_truncated_library_is_told_before_the_loader_meets_it(patched: Patch, real: Path) -> None:
    half = patched(size=real.stat().st_size // 2)
    assert of_device(half) == ["library_malformed"]
    assert loads(half) != ""


def test_no_library_and_no_file(tmp_path: Path) -> None:
    text = tmp_path / "libonnxruntime.so"
    text.write_text("no library")
    assert of_device(text) == ["library_malformed"]
    assert of_device(tmp_path) == ["library_malformed"]
    assert of_device(tmp_path / "nothing") == ["library_not_found"]
    assert of_device(root=tmp_path / "nothing") == ["library_not_found"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert of_device(tmp_path / "pipe") == ["library_malformed"]


def test_a_library_of_another_architecture(tmp_path: Path) -> None:
    other = next(arch for arch in MACHINES if arch != host_arch())
    library = tmp_path / "libonnxruntime.so"
    library.write_bytes(Library(MACHINES[other]).bytes())
    assert of_device(library) == ["library_architecture"]
    # It is what a bundle for that architecture asks for; but what its system has, this one cannot tell.
    bundle = scale_with_ort()
    bundle.tree["target"] = {
        "arch": other,
        "cpu_class": table("targets")["targets"][other]["default_cpu_class"],
        "os": "linux",
    }
    for variant in bundle.tree["variants"]:
        variant["cpu_class"] = bundle.tree["target"]["cpu_class"]
    folder = write(bundle, tmp_path / "bundle")
    assert "library_architecture" not in of_device(library, bundle=folder)


def test_a_system_that_has_all(real: Path, sysroot: Callable[..., Path]) -> None:
    assert of_device(real, sysroot()) == []


def test_a_system_whose_glibc_is_too_old(real: Path, sysroot: Callable[..., Path], machine: int) -> None:
    old = Library(machine, needed=[], defined=["GLIBC_2.4", "GLIBC_2.27", "GLIBC_2.3.4", "GLIBC_PRIVATE"])
    found = examine_device(Device(real, sysroot(libc=old)))
    assert problems(found) == ["library_glibc"]
    [glibc] = [finding for finding in found if finding.code]
    assert "glibc 2.28 or newer" in glibc.sentence and "glibc 2.27" in glibc.sentence


def test_a_stripped_system_without_libstdcxx(real: Path, sysroot: Callable[..., Path]) -> None:
    found = examine_device(Device(real, sysroot(libstdcxx=None)))
    assert problems(found) == ["library_dependency"]
    assert any(CXX in finding.sentence and "libstdc++6" in finding.advice for finding in found)


def test_a_system_with_an_old_libstdcxx(real: Path, sysroot: Callable[..., Path], machine: int) -> None:
    nodes = ["GLIBCXX_3.4.21", "GLIBCXX_3.4.9", "CXXABI_1.3.9"]
    root = sysroot(libstdcxx=Library(machine, needed=[], defined=nodes))
    assert of_device(real, root) == ["library_libstdcxx", "library_libstdcxx"]


def test_a_system_without_glibc(real: Path, sysroot: Callable[..., Path]) -> None:
    found = examine_device(Device(real, sysroot(libc=None)))
    assert problems(found) == ["library_dependency"]
    assert any("libc.so.6" in finding.sentence and "musl" in finding.advice for finding in found)


def test_without_glibc_the_library_must_be_for_this_machine(
    sysroot: Callable[..., Path], tmp_path: Path
) -> None:
    """Check L3: of a system on musl."""
    other = next(arch for arch in MACHINES if arch != host_arch())
    library = tmp_path / "libonnxruntime.so"
    library.write_bytes(Library(MACHINES[other]).bytes())
    assert of_device(library, sysroot(libc=None)) == ["library_architecture"]


def test_what_a_needed_library_needs_is_looked_for(
    real: Path, sysroot: Callable[..., Path], machine: int
) -> None:
    needing = Library(machine, needed=["libnowhere.so.3"], defined=["GLIBCXX_3.4.30", "CXXABI_1.3.13"])
    found = examine_device(Device(real, sysroot(libstdcxx=needing)))
    [missing] = [finding for finding in found if finding.code]
    assert missing.code == "library_dependency"
    assert "`libnowhere.so.3`" in missing.sentence and f"which {CXX} needs" in missing.sentence


def test_the_library_of_the_system_is_looked_for(real: Path, sysroot: Callable[..., Path]) -> None:
    root = sysroot()
    assert of_device(root=root) == ["library_not_found"]
    shutil.copy(real, root / "usr" / "lib" / "libonnxruntime.so.1")
    assert of_device(root=root) == []


def test_an_ort_format_that_is_too_new(real: Path, tmp_path: Path) -> None:
    for onnx, status in ((False, "problem"), (True, "warning")):
        made = scale_with_ort(onnx=onnx)
        made.tree["target"] = {"arch": host_arch(), "cpu_class": "generic", "os": "linux"}
        # The first text in the file is the number.
        head, number, tail = made.files[ORT].partition(b"\x01\0\0\0006\0")
        assert number
        made.files[ORT] = head + b"\x01\0\0\0007\0" + tail
        folder = write(made, tmp_path / f"bundle-{onnx}")
        found = examine_device(Device(real), folder)
        [refused] = [finding for finding in found if finding.code == "library_ort_format"]
        assert refused.status == status and "ORT format 7" in refused.sentence and refused.advice


def test_an_ort_file_of_a_newer_writer(patched: Patch, tmp_path: Path) -> None:
    folder = write(scale_with_ort(onnx=False), tmp_path / "bundle")
    assert of_device(patched(b"VERS_1.31.1", b"VERS_1.30.9"), bundle=folder) == ["target_mismatch"]


def test_another_library_than_the_proven_one_is_told(patched: Patch, real: Path, tmp_path: Path) -> None:
    made = scale_with_ort()
    made.tree["target"]["arch"] = host_arch()
    made.tree["runtime"]["sha256"] = hashlib.sha256(real.read_bytes()).hexdigest()
    folder = write(made, tmp_path / "bundle")

    def told(library: Path) -> list[str]:
        found = examine_device(Device(library), folder)
        return [each.status for each in found if each.check == "library identity"]

    assert told(real) == ["ok"]
    assert told(patched()) == ["ok"]
    assert told(patched(b"VERS_1.31.1", b"VERS_1.31.2")) == ["warning"]
    assert told(patched(size=1000)) == []


def test_the_command_tells_it(patched: Patch, capsys: pytest.CaptureFixture[str]) -> None:
    library = patched(b"GLIBC_2.28", b"GLIBC_9.28")
    status = main(["doctor", "--library", str(library), "--json"])
    tree = json.loads(capsys.readouterr().out)
    assert (status, tree["problems"]) == (exits.NO, 1)
    [row] = [row for row in tree["findings"] if row["status"] == "problem"]
    assert row["code"] == "library_glibc" and row["check"] == "library glibc" and row["advice"]
