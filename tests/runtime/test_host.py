"""What the predictor finds out about its host: quota, processor, library, network."""

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bundle import library
from bundle.error import BundleError
from bundle.spec import table
from bundle.threads import effective_threads
from tests.runtime.make_bundle import Maker
from tests.vectors.bases import scale


def fake_root(folder: Path, groups: str, files: dict[str, str]) -> Path:
    for path, text in {"proc/self/cgroup": groups, **files}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


QUOTAS = {
    "v2, own group": ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "300000 100000\n"}, 3),
    "v2, a group above": (
        "0::/a/b\n",
        {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "200000 100000\n"},
        2,
    ),
    "v2, seen from inside": ("0::/docker/abc\n", {"sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
    "v2, one and a half": ("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
    "v2, less than one": ("0::/\n", {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
    "v2, no quota": ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    "v1": (
        "5:cpu,cpuacct:/a\n4:memory:/a\n",
        {
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
        },
        2,
    ),
    "v1, no quota": (
        "1:cpu:/\n",
        {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
        None,
    ),
    "no groups": ("", {}, None),
    "garbage": ("0::/\nnothing\n", {"sys/fs/cgroup/cpu.max": "\n"}, None),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_threads_stay_within_the_quota(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups, files, quota = QUOTAS[name]
    root = fake_root(tmp_path, groups, files)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert effective_threads(64, root) == min(8, quota or 8)
    assert effective_threads(1, root) == 1


def test_threads_stay_within_the_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5})
    assert effective_threads(64, tmp_path) == 2


def test_features_come_from_the_auxiliary_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {
        feature
        for target in table("targets")["targets"].values()
        for row in target["cpu_classes"].values()
        for feature in row["features"]
    }
    assert named == set(library._HWCAP_BITS), "every feature of spec/targets.json can be looked up"
    monkeypatch.setattr(library, "host_arch", lambda: "arm64")
    vector = tmp_path / "auxv"
    for bits, expected in ((1 << 20, {"asimddp"}), (~(1 << 20) & (1 << 64) - 1, set())):
        vector.write_bytes(struct.pack("=6Q", 6, 4096, 16, bits, 0, 0))
        assert library.host_features(vector) == expected
    assert library.host_features(tmp_path / "none") == set()


def test_a_library_that_is_too_old_or_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundleError) as error:
        library.load(minimum=["999.0.0"])
    assert (error.value.code, error.value.subject) == ("library_too_old", ".")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BundleError) as error:
        library.load()
    assert (error.value.code, error.value.subject) == ("library_not_found", ".")
    assert "pip install" in error.value.hint


def test_the_library_file_is_the_wheels() -> None:
    file = library.library_file()
    assert file is not None
    assert file.suffix == ".so"


def python(
    code: str, folder: Path, *wrapper: str, telemetry: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, in an environment without our variable."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "PYTHONPATH": ":".join(filter(None, sys.path)),
    }
    if telemetry is not None:
        environment["ORT_DISABLE_TELEMETRY"] = telemetry
    command = [*wrapper, sys.executable, "-c", code]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


OPEN = (
    "import bundle, numpy; p = bundle.open({path!r}{more}); "
    "p.predict(numpy.zeros((1, 3), 'f4')); p.self_test()"
)


def test_import_turns_telemetry_off(place: Maker, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    run = python(OPEN.format(path=str(place(scale())), more=""), home)
    assert run.returncode == 0, run.stderr
    assert run.stdout == run.stderr == ""
    assert list(home.iterdir()) == [], "ONNX Runtime's telemetry leaves files in the home folder"


@pytest.mark.parametrize(
    ("before", "more", "telemetry", "code"),
    [
        ("import onnxruntime; ", "", None, "telemetry_active"),
        ("import onnxruntime; ", "", "0", "telemetry_active"),
        ("import onnxruntime; ", "", "1", None),
        ("import onnxruntime; ", ", allow_telemetry=True", None, None),
        ("import bundle, onnxruntime; ", "", None, None),
    ],
)
def test_telemetry_that_is_on_already(
    place: Maker, tmp_path: Path, before: str, more: str, telemetry: str | None, code: str | None
) -> None:
    program = before + OPEN.format(path=str(place(scale())), more=more)
    run = python(program, tmp_path, telemetry=telemetry)
    assert (run.returncode != 0) == (code is not None), run.stderr
    if code:
        assert f"BundleError: {code}: `.`" in run.stderr


def test_opening_and_predicting_touch_no_network(place: Maker, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    assert strace, "this test needs the program strace"
    trace = tmp_path / "trace"
    program = OPEN.format(path=str(place(scale())), more="")
    run = python(program, tmp_path, strace, "-f", "-e", "trace=socket,connect,execve", "-o", str(trace))
    assert run.returncode == 0, run.stderr
    text = trace.read_text()
    assert "execve(" in text, "the trace is empty, so that it proves nothing"
    assert re.findall(r".*\b(?:socket|connect)\(.*", text) == []
