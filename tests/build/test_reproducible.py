"""The same project gives the same bytes, wherever and whenever; a build that ends early leaves no half."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bundle.bundle import Bundle
from tests.build import make_models as make

pytestmark = pytest.mark.slow

TARGETS = ("arm64", "x86_64")
SECONDS = 120


def command(model: Path, output: Path, *more: str) -> list[str]:
    """Return the command line that builds a model, whose own name and place must not matter."""
    words = [str(model), "--name", "model", "--version", "1.0.0", "--output", str(output), "--json", *more]
    return [sys.executable, "-m", "bundle", "build", *words]


def environment(temporary: Path, seed: str = "0") -> dict[str, str]:
    temporary.mkdir(exist_ok=True)
    return {**os.environ, "PYTHONHASHSEED": seed, "TMPDIR": str(temporary)}


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a bundle but its attestations."""
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: data for name, data in found.items() if not name.startswith("attest/")}


def source_of(name: str, root: Path, folder: Path) -> tuple[Path, list[str]]:
    """Put a model into a folder; return its path and the flags for its golden cases."""
    if name == "digits":
        example = root / "examples" / "digits"
        return Path(shutil.copy(example / "digits.onnx", folder / "a.onnx")), [
            "--golden",
            str(example / "golden.npz"),
        ]
    return make.save(getattr(make, name)(), folder, f"{name}-{folder.name}.onnx"), []


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make.save(make.mlp(), tmp_path)


@pytest.mark.parametrize("name", ["digits", "if_branches", "trees"])
def test_two_builds_give_the_same_bytes(name: str, root: Path, tmp_path: Path) -> None:
    built = []
    for seed in ("1", "20"):
        folder = tmp_path / seed
        folder.mkdir()
        path, flags = source_of(name, root, folder)
        flags += [word for target in TARGETS for word in ("--target", target)]
        subprocess.run(
            command(path, folder / "out", *flags),
            cwd=folder,
            env=environment(folder / "tmp", seed),
            check=True,
            timeout=SECONDS,
            stdout=subprocess.DEVNULL,
        )
        built.append({target: content(folder / "out" / f"model-1.0.0-{target}") for target in TARGETS})
    assert built[0] == built[1]
    for target in TARGETS:
        assert "models/source.ort" in built[0][target]
    assert built[0]["arm64"]["bundle.json"] != built[0]["x86_64"]["bundle.json"]


def test_two_builds_at_once_into_one_folder_both_work(model: Path, tmp_path: Path) -> None:
    words = command(model, tmp_path / "out", "--target", "arm64")
    children = [
        subprocess.Popen([*words, "--description", text], stdout=subprocess.DEVNULL) for text in ("a", "b")
    ]
    assert [child.wait(SECONDS) for child in children] == [0, 0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model-1.0.0-arm64"]
    bundle = Bundle.open(tmp_path / "out" / "model-1.0.0-arm64")
    assert bundle.manifest.tree["model"]["description"] in ("a", "b")


def test_a_killed_build_leaves_the_old_bundle_or_the_new_one(model: Path, tmp_path: Path) -> None:
    destination = tmp_path / "out" / "model-1.0.0-arm64"
    words = command(model, tmp_path / "out", "--target", "arm64", "--description")
    # A killed build cannot clear its work folder.
    env = environment(tmp_path / "tmp")
    start = time.monotonic()
    subprocess.run([*words, "old"], env=env, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - start
    moments = random.Random(7)
    for _ in range(10):
        child = subprocess.Popen([*words, "new"], env=env, start_new_session=True, stdout=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.2, 1.0) * whole)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(SECONDS)
        assert Bundle.open(destination).manifest.tree["model"]["description"] in ("old", "new")
    subprocess.run([*words, "last"], env=env, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [destination.name]
    assert Bundle.open(destination).manifest.tree["model"]["description"] == "last"


@pytest.mark.parametrize(
    ("name", "code"), [("random_normal", "model_random"), ("unknown_operator", "operator_unknown")]
)
def test_a_failing_build_leaves_nothing_anywhere(name: str, code: str, tmp_path: Path) -> None:
    path = make.save(getattr(make, name)(), tmp_path)
    done = subprocess.run(
        command(path, tmp_path / "out", "--target", "arm64"),
        env=environment(tmp_path / "tmp"),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 1 and code in done.stdout + done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_build_opens_no_socket(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    subprocess.run(
        [
            *("strace", "--follow-forks", "--output", str(log), "--trace", "network,execve"),
            *command(model, tmp_path / "out", "--target", "arm64"),
        ],
        env=environment(tmp_path / "tmp"),
        check=True,
        timeout=SECONDS,
        stdout=subprocess.DEVNULL,
    )
    calls = [line for line in log.read_text().splitlines() if "(" in line and "<" not in line.split("(")[0]]
    started = [line for line in calls if "execve(" in line]
    # The build, its worker and the process that replays the cases.
    assert sum("bundle.builder.worker" in line for line in started) == 1
    assert sum("bundle.driver" in line for line in started) == 1
    assert [line for line in calls if line not in started] == []
