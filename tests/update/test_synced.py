"""What is on the disk before what: a loss of power at any moment is to be as harmless as a kill.

No power is cut here: the system calls are watched, and stand in the one order that the page names.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.bundle import Bundle
from tests.update.device import Archives
from tests.update.steps import Change, Step

STAGED = "staging/update/bundle"


def ordered(steps: list[Step]) -> list[tuple[str, str]]:
    """The syncs and renames, in their order, with the path inside the device folder."""
    found = []
    for step in steps:
        path = step.path.removeprefix("device").strip("/")
        if step.call in ("fsync", "fdatasync"):
            found.append(("sync", path))
        elif step.call.startswith("rename"):
            found.append(("rename", path))
    return found


@pytest.fixture
def watched(change: Callable[[str], Change], tmp_path: Path) -> Callable[[str], list[tuple[str, str]]]:
    return lambda name: ordered(change(name).steps(tmp_path))


def test_an_update(
    watched: Callable[[str], list[tuple[str, str]]], archives: Archives, tmp_path: Path
) -> None:
    """Checks U6 and U9."""
    found = watched("update")
    at = found.index(("rename", STAGED))
    manifest = Bundle.open(tmp_path / "device" / "current").manifest
    files = {file.path for file in manifest.files} | {"bundle.json"}
    folders = {str(Path(path).parent) for path in files}
    assert set(found[:at]) == {("sync", str(Path(STAGED, path))) for path in files | folders}
    # Folders are synced when the files have their names in them.
    assert max(found.index(("sync", f"{STAGED}/{path}")) for path in files) < found.index(("sync", STAGED))
    assert found[at:] == [
        ("rename", STAGED),
        ("sync", "sha256"),
        ("sync", ""),
        ("rename", "staging/update/previous"),
        ("rename", "staging/update/current"),
        ("sync", ""),
        ("rename", f"sha256/{archives.digest('1.0.0')}"),
    ]


def test_modes_are_on_the_disk_with_what_has_them(change: Callable[[str], Change], tmp_path: Path) -> None:
    """Check U6: the sync comes last."""
    calls: dict[str, list[str]] = {}
    for step in change("update").steps(tmp_path):
        if STAGED in step.path:
            calls.setdefault(step.path, []).append(step.call)
    synced = {path: found for path, found in calls.items() if {"fsync", "fdatasync"} & set(found)}
    assert len(synced) > 3
    for path, found in synced.items():
        last = max(at for at, call in enumerate(found) if call in ("fsync", "fdatasync"))
        assert not any("chmod" in call for call in found[last:]), (path, found)


def test_a_repair(watched: Callable[[str], list[tuple[str, str]]]) -> None:
    """Check U9: neither link changes."""
    found = watched("repair")
    at = found.index(("rename", STAGED))
    assert found[at:] == [("rename", STAGED), ("sync", "sha256"), ("sync", ""), ("sync", "")]


def test_a_rollback(watched: Callable[[str], list[tuple[str, str]]]) -> None:
    """Check V4."""
    assert watched("rollback") == [("rename", "current"), ("sync", "")]
