"""The firmware example on an emulated arm64 CPU: it decides, survives bad frames, and is updated."""

import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundle
from bundle.archive import write_archive
from bundle.manifest import Manifest
from examples.firmware.frames import frame
from tests.arm64.machines import LIMIT, ROOT, arm64_library, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

EXAMPLE = ROOT / "examples" / "firmware"
PROGRAMS = ("firmware", "firmware-c")
CPU = "cortex-a72"
NEXT = "runs from the next start on"
FIGURES = re.compile(r"memory [1-9]\d* KiB at most, CPU [1-9]\d* us per inference")
# What the C library of a device brings along.
LIBC = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-aarch64.so.1"}

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Path:
    """Each of the two programs, as the example's own Makefile builds it."""
    done = subprocess.run(
        ["make", "-C", EXAMPLE, "ARCH=arm64"], capture_output=True, text=True, timeout=900, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return EXAMPLE / "build" / "arm64" / request.param


@pytest.fixture
def firmware(program: Path, tmp_path: Path) -> Run:
    """Run the program on a device of its own."""

    def run(*words: object, stream: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
        command = ["qemu-aarch64", program, tmp_path / "device", *map(str, words)]
        env = {**environment(CPU), **variables}
        return subprocess.run(command, input=stream, env=env, capture_output=True, timeout=LIMIT)

    return run


@pytest.fixture(scope="module")
def archives(built: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The example bundle as an archive, and the same model in an older and a newer version."""
    folder = tmp_path_factory.mktemp("archives")
    made = {"1.0.0": write_archive(built("arm64"), folder)}
    for version in ("0.9.0", "1.1.0"):
        copy = folder / version
        subprocess.run(["cp", "-r", built("arm64"), copy], check=True, timeout=LIMIT)
        tree = json.loads((copy / "bundle.json").read_bytes())
        tree["model"]["version"] = version
        (copy / "bundle.json").write_bytes(Manifest.encode(tree))
        made[version] = write_archive(copy, folder)
    return made


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    with np.load(ROOT / "examples" / "digits" / "golden.npz") as stored:
        return stored["inputs/image"][:6]


@pytest.fixture(scope="module")
def decisions(images: np.ndarray, built: Callable[[str], Path]) -> list[int]:
    """What this machine decides about the images."""
    with bundle.open(built("arm64"), allow_foreign_target=True) as predictor:
        return [int(predictor.predict(image)["probabilities"].argmax()) for image in images]


def printed(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def refused(done: subprocess.CompletedProcess[bytes], code: str) -> None:
    assert done.returncode == 1 and done.stderr.decode().startswith(f"{code} "), done


def runs(firmware: Run) -> str:
    """The version that a start of the device opens."""
    found = re.fullmatch(r"model digits (\S+): self-test passed", printed(firmware("run"))[0])
    assert found
    return found[1]


def changed(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_it_decides_and_a_bad_frame_costs_itself_alone(
    firmware: Run, archives: dict[str, Path], images: np.ndarray, decisions: list[int]
) -> None:
    good = [frame(image.astype("<f4").tobytes()) for image in images]
    length = changed(good[0], 4)
    pieces: list[tuple[bytes, str | int]] = [
        (b"FRFRM", "noise"),
        (good[0], decisions[0]),
        (changed(good[0], 100), "checksum"),
        (good[1], decisions[1]),
        (changed(good[0], -1), "checksum"),
        (length, "length"),
        (good[2], decisions[2]),
        (good[3][:150], "checksum"),
        (good[3], decisions[3]),
        (frame(np.full_like(images[0], np.nan).tobytes()), "input_not_finite image"),
        (b"FRM1" + struct.pack("<I", 2**32 - 1), "length"),
        (bytes(1000), ""),
        (good[4], decisions[4]),
        (good[5] * 2, decisions[5]),
        (b"", decisions[5]),
        (good[0][:-30] + b"FRM", "truncated"),
    ]
    assert printed(firmware("update", archives["1.0.0"])) == [f"model digits 1.0.0 {NEXT}"]
    first, *frames, count, figures = printed(firmware("run", stream=b"".join(piece for piece, _ in pieces)))
    assert first == "model digits 1.0.0: self-test passed"
    wanted = [what for _, what in pieces if what != ""]
    for number, (line, what) in enumerate(zip(frames, wanted, strict=True)):
        if isinstance(what, str):
            assert line == f"frame {number}: bad: {what}"
        else:
            assert re.fullmatch(rf"frame {number}: {what} \((0\.\d{{6}}|1\.000000)\)", line), line
    faults = sum(isinstance(what, str) for what in wanted)
    assert count == f"decided {len(wanted) - faults}, bad {faults}"
    assert FIGURES.fullmatch(figures), figures


def test_an_update_and_the_ways_back(firmware: Run, archives: dict[str, Path], tmp_path: Path) -> None:
    assert firmware("update", archives["1.0.0"]).returncode == 0
    assert printed(firmware("update", archives["1.0.0"])) == ["model digits 1.0.0 runs already"]
    damaged = tmp_path / "damaged"
    data = archives["1.1.0"].read_bytes()
    damaged.write_bytes(changed(data, len(data) // 2))
    refused(firmware("update", damaged), "file_digest_mismatch")
    assert printed(firmware("update", archives["1.1.0"])) == [f"model digits 1.1.0 {NEXT}"]
    refused(firmware("update", archives["0.9.0"]), "version_older")
    assert runs(firmware) == "1.1.0"
    assert printed(firmware("rollback")) == [f"model digits 1.0.0 {NEXT}"]
    assert runs(firmware) == "1.0.0"
    assert os.listdir(tmp_path / "device" / "staging") == []


def test_a_model_that_was_damaged_on_the_device_gives_way_to_the_one_before(
    firmware: Run, archives: dict[str, Path], tmp_path: Path
) -> None:
    for version in ("1.0.0", "1.1.0"):
        assert firmware("update", archives[version]).returncode == 0
    model = tmp_path / "device" / "current" / "models" / "source.ort"
    model.write_bytes(changed(model.read_bytes(), 1000))
    done = firmware("run")
    assert printed(done)[0] == "model digits 1.0.0: self-test passed"
    assert done.stderr.decode().startswith("file_digest_mismatch ")


def test_what_is_no_fault_of_a_model_changes_none(
    firmware: Run, archives: dict[str, Path], tmp_path: Path
) -> None:
    for version in ("1.0.0", "1.1.0"):
        assert firmware("update", archives[version]).returncode == 0
    done = firmware("run", ORT_DYLIB_PATH=str(tmp_path / "not-mounted-yet"))
    refused(done, "library_not_found")
    assert runs(firmware) == "1.1.0"


def test_a_stream_that_cannot_be_read_is_no_end(
    firmware: Run, archives: dict[str, Path], tmp_path: Path
) -> None:
    assert firmware("update", archives["1.0.0"]).returncode == 0
    assert firmware("run", tmp_path).returncode == 1


def test_a_device_without_a_model_says_so(firmware: Run) -> None:
    done = firmware("run")
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stderr.decode().splitlines() if "`" in line] == [
        "bundle_not_found",
        "bundle_not_found",
    ]
    assert firmware("dance").returncode == 2


def needed(path: Path) -> set[str]:
    """The libraries that the loader is asked for."""
    command = ["readelf", "--dynamic", "--wide", path]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", text))


def test_it_needs_the_c_library_and_what_onnxruntime_needs(program: Path) -> None:
    assert needed(program) <= LIBC | needed(arm64_library())
    assert program.stat().st_size < 1_000_000


def masked(line: str) -> str:
    """A printed line without its figures."""
    if FIGURES.fullmatch(line):
        return re.sub(r"\d+", "…", line)
    return re.sub(r"\((?:0\.\d{6}|1\.000000)\)", "(…)", line)


def test_the_commands_of_the_readme(tmp_path: Path) -> None:
    """As they stand there; the printed lines are those of the page."""
    page = (EXAMPLE / "README.md").read_text("utf-8")
    [script] = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    [shown] = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables: dict[str, Any] = {**os.environ, "PATH": path, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if re.match("model|frame|decided|memory", line)]
    assert [masked(line) for line in lines] == shown.splitlines()
