"""Packing survives kills, full disks and competitors: real system calls are made to fail by strace."""

import json
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bundle.builder import pack
from bundle.error import BundleError
from tests.build import pack_child

pytestmark = pytest.mark.slow

CHILD = [sys.executable, "-B", str(Path(__file__).with_name("pack_child.py"))]
CALLS = "mkdir,openat,write,fsync,chmod,fchmod,rename,renameat2"


def strace(log: Path, *options: str, destination: Path, label: str) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-f", "-qq", "-y", "-o", str(log), *options, *CHILD, str(destination), label]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def calls_of(log: Path) -> list[tuple[str, int]]:
    """The calls that worked, from the first one inside the staging folder on: (name, its ordinal)."""
    seen: Counter[str] = Counter()
    calls: list[tuple[str, int]] = []
    for line in log.read_text().splitlines():
        match = re.match(r"\d+\s+(\w+)\(", line)
        if not match:
            continue
        name = match[1]
        seen[name] += 1
        if " = -1 " not in line and (calls or "/.building-" in line):
            calls.append((name, seen[name]))
    return calls


def first(name: str, calls: list[tuple[str, int]]) -> int:
    return [call for call, _ in calls].index(name)


def content(destination: Path) -> str | None:
    """The label of a complete bundle, or None where there is no folder; anything else is a mixture."""
    if not destination.exists():
        return None
    label = str(json.loads((destination / pack.MANIFEST).read_bytes())["metadata"]["label"])
    assert (destination / pack.MANIFEST).read_bytes() == pack_child.manifest(label)
    for path in pack_child.MODELS:
        assert (destination / path).read_bytes() == pack_child.text(label)
    assert len(list(destination.rglob("*"))) == len(pack_child.MODELS) + 2
    return label


@pytest.fixture
def replaced(tmp_path: Path) -> tuple[Path, list[tuple[str, int]]]:
    """A destination that holds the bundle `old`, and the calls of the build that replaces it."""
    destination = tmp_path / "out" / "bundle"
    assert (
        strace(tmp_path / "first", "-e", f"trace={CALLS}", destination=destination, label="old").returncode
        == 0
    )
    log = tmp_path / "second"
    assert strace(log, "-e", f"trace={CALLS}", destination=destination, label="old").returncode == 0
    return destination, calls_of(log)


def test_a_kill_at_any_moment_leaves_the_old_bundle(
    tmp_path: Path, replaced: tuple[Path, list[tuple[str, int]]]
) -> None:
    destination, calls = replaced
    written, renamed = first("write", calls), first("renameat2", calls)
    landed = 0
    for index in random.Random(0).choices(range(len(calls)), k=50):
        name, ordinal = calls[index]
        inject = f"inject={name}:signal=KILL:when={ordinal}"
        killed = strace(tmp_path / "log", "-e", inject, destination=destination, label="new")
        assert killed.returncode not in (0, 1), killed.stderr
        landed += written <= index <= renamed
        # The signal arrives before its call takes effect.
        if index <= renamed:
            assert content(destination) == "old"
        else:
            assert content(destination) == "new"
            subprocess.run([*CHILD, str(destination), "old"], check=True, timeout=60)
        # What a killed build left is removed by the next one, which would shift the ordinals.
        for left in destination.parent.glob(".building-*"):
            shutil.rmtree(left, ignore_errors=True)
    assert landed >= 40


def test_the_next_build_removes_what_a_killed_one_left(
    tmp_path: Path, replaced: tuple[Path, list[tuple[str, int]]]
) -> None:
    destination, _ = replaced
    strace(tmp_path / "log", "-e", "inject=fsync:signal=KILL:when=3", destination=destination, label="new")
    assert len(list(destination.parent.iterdir())) == 2
    subprocess.run([*CHILD, str(destination), "new"], check=True, timeout=60)
    assert [path.name for path in destination.parent.iterdir()] == ["bundle"]
    assert content(destination) == "new"


@pytest.mark.parametrize("name", ["mkdir", "openat", "write", "fsync", "chmod", "fchmod", "renameat2"])
def test_a_full_disk_at_any_call_is_one_sentence(
    name: str, tmp_path: Path, replaced: tuple[Path, list[tuple[str, int]]]
) -> None:
    destination, calls = replaced
    ordinals = [ordinal for call, ordinal in calls[: first("renameat2", calls) + 1] if call == name]
    assert ordinals
    for ordinal in ordinals:
        inject = f"inject={name}:error=ENOSPC:when={ordinal}"
        failed = strace(tmp_path / "log", "-e", inject, destination=destination, label="new")
        # Without an exchange the old bundle is moved aside, so this one call has a second way.
        if name == "renameat2":
            assert failed.returncode == 0 and content(destination) == "new"
            continue
        assert (failed.returncode, failed.stdout) == (1, "write_failed\n"), failed.stderr
        assert content(destination) == "old"
        assert [path.name for path in destination.parent.iterdir()] == ["bundle"]


def test_without_an_exchange_the_old_bundle_gets_its_name_back(
    tmp_path: Path, replaced: tuple[Path, list[tuple[str, int]]]
) -> None:
    destination, _ = replaced
    # The rename of the new bundle is the second one: the old one was moved aside before.
    faults = ["-e", "inject=renameat2:error=EPERM", "-e", "inject=rename,renameat:error=EIO:when=2"]
    failed = strace(tmp_path / "log", *faults, destination=destination, label="new")
    assert (failed.returncode, failed.stdout) == (1, "write_failed\n"), failed.stderr
    assert content(destination) == "old"
    assert [path.name for path in destination.parent.iterdir()] == ["bundle"]


def test_builds_at_once_do_not_harm_each_other(tmp_path: Path) -> None:
    destination = tmp_path / "bundle"
    for _ in range(5):
        children = [subprocess.Popen([*CHILD, str(destination), label]) for label in ("a", "b", "c")]
        assert [child.wait(timeout=60) for child in children] == [0, 0, 0]
        assert content(destination) in ("a", "b", "c")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize("what", ["file", "link", "folder", "no manifest"])
def test_only_a_bundle_is_replaced(what: str, tmp_path: Path) -> None:
    destination = tmp_path / "out"
    if what == "file":
        destination.write_text("mine")
    elif what == "link":
        destination.symlink_to(tmp_path)
    else:
        destination.mkdir()
        name = "thesis.txt" if what == "folder" else pack.MANIFEST
        (destination / name).write_text('{"mine": true}')
    with pytest.raises(BundleError, match="output_exists"), pack.staging(destination):
        pass
    assert destination.exists()


@pytest.mark.parametrize(
    "name", ["notes.txt", "models/notes.txt", "mine/notes.txt", "mine/", "models/a.link"]
)
def test_a_file_of_the_users_is_never_deleted(name: str, tmp_path: Path) -> None:
    destination = tmp_path / "bundle"
    assert pack_child.main(destination, "old") == 0
    path = destination / name
    if name.endswith("/"):
        path.mkdir()
    elif name.endswith(".link"):
        path.symlink_to(tmp_path)
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    with pytest.raises(BundleError) as caught, pack.staging(destination):
        pass
    assert (caught.value.code, caught.value.subject) == ("output_exists", str(destination))
    assert f"`{name.split('/', maxsplit=1)[0] if name.startswith('mine') else name}`" in caught.value.found
    assert path.exists()


def test_a_file_that_appears_while_the_build_runs_stops_it(tmp_path: Path) -> None:
    destination = tmp_path / "bundle"
    assert pack_child.main(destination, "old") == 0
    with pytest.raises(BundleError, match="output_exists"), pack.staging(destination) as folder:
        pack.write_files(folder, {pack.MANIFEST: pack_child.manifest("new")})
        (destination / "notes.txt").write_text("mine")
        pack.put_in_place(folder, destination)
    assert (destination / "notes.txt").read_text() == "mine"


def test_what_was_said_about_the_old_bundle_goes_with_it(tmp_path: Path) -> None:
    destination = tmp_path / "bundle"
    assert pack_child.main(destination, "old") == 0
    (destination / "attest").mkdir()
    (destination / "attest" / "report.json").write_text("{}")
    assert pack_child.main(destination, "new") == 0
    assert content(destination) == "new"


def test_a_file_where_a_folder_is_needed_has_a_hint_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BundleError) as caught, pack.staging(tmp_path / "out" / "bundle"):
        pass
    assert caught.value.code == "write_failed"
    assert "a file stands" in caught.value.hint


def test_a_failing_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError), pack.staging(tmp_path / "bundle") as folder:
        pack.write_files(folder, {"bundle.json": b"{}"})
        raise ValueError
    assert list(tmp_path.iterdir()) == []
