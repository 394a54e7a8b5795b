"""A kill, or a full disk, at each system call of an update and of a rollback."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.update.device import Archives, Device, running, state
from tests.update.steps import Change, Step

pytestmark = pytest.mark.slow

KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
# So few steps at least make up each change: with fewer, the test would not have looked.
FEWEST = {"update": 35, "repair": 35, "rollback": 2}


def finished(folder: Path, name: str, device: Device, archives: Archives) -> dict[str, object]:
    """What is in a folder once the change is made again, by a program that knows nothing of the fault."""
    again = Device(device.program, folder)
    if name == "rollback":
        if running(folder) == archives.digest("1.1.0"):
            assert again.rollback()["ok"]
        # A rollback deletes no bundle and no work; an update does.
        reply = again.update(archives("1.0.0"))
    else:
        reply = again.update(archives("1.2.0" if name == "update" else "1.1.0"))
    assert reply["ok"], reply
    return state(folder)


def check_whole(name: str, folder: Path, archives: Archives, step: Step) -> None:
    """The invariant: current is the old bundle or the new one, whole, and previous one that ran before."""
    old, new = archives.digest("1.1.0"), archives.digest("1.2.0")
    allowed = {"update": {old, new}, "rollback": {old, archives.digest("1.0.0")}}
    if name == "repair":
        # Damaged before, it is damaged or whole, and always there.
        assert os.readlink(folder / "current") == f"sha256/{old}", step
        assert (folder / "current" / "bundle.json").is_file(), step
    else:
        assert running(folder) in allowed[name], step
    assert running(folder, "previous") in {old, archives.digest("1.0.0")}, step


def chosen(steps: list[Step], name: str) -> list[Step]:
    """Every step of an update and of a rollback; of a repair those that an update has not: its renames."""
    return [step for step in steps if name != "repair" or step.call.startswith("rename")]


@pytest.mark.parametrize("name", FEWEST)
def test_a_kill_at_any_step(
    name: str, change: Callable[[str], Change], device: Device, archives: Archives, tmp_path: Path
) -> None:
    doing = change(name)
    (tmp_path / "once").mkdir()
    steps = doing.steps(tmp_path / "once")
    assert len(steps) >= FEWEST[name], steps
    wanted = finished(tmp_path / "once" / "device", name, device, archives)
    (tmp_path / "killed").mkdir()
    for step, folder, ended in doing.broken(chosen(steps, name), "signal=SIGKILL", tmp_path / "killed"):
        # strace counts by threads, so where a language has many only the first call is surely reached.
        assert ended.returncode in KILLED or (step.nth > 1 and ended.returncode == 0), (step, ended)
        check_whole(name, folder, archives, step)
        assert finished(folder, name, device, archives) == wanted, step


def kinds(steps: list[Step]) -> list[Step]:
    """The first and the last of each call; deleting is left out, since what cannot be deleted stays."""
    found: dict[str, list[Step]] = {}
    for step in steps:
        if step.nth == 1 and step.call not in ("unlink", "unlinkat", "rmdir"):
            found.setdefault(step.call, []).append(step)
    return list(dict.fromkeys(step for each in found.values() for step in (each[0], each[-1])))


@pytest.mark.parametrize("name", ["update", "rollback"])
def test_a_full_disk(
    name: str, change: Callable[[str], Change], device: Device, archives: Archives, tmp_path: Path
) -> None:
    """Checks U6, U9 and V4."""
    doing = change(name)
    (tmp_path / "once").mkdir()
    steps = kinds(doing.steps(tmp_path / "once"))
    wanted = finished(tmp_path / "once" / "device", name, device, archives)
    (tmp_path / "broken").mkdir()
    refused = set()
    for step, folder, ended in doing.broken(steps, "error=ENOSPC", tmp_path / "broken"):
        reply = json.loads(ended.stdout)
        check_whole(name, folder, archives, step)
        if not reply["ok"]:
            refused.add(step.call)
            assert ended.returncode == 1
            told = reply["error"]
            assert (told["code"], told["subject"]) == ("store_unwritable", str(folder)), step
            assert list((folder / "staging").iterdir()) == [], step
        assert finished(folder, name, device, archives) == wanted, step
    # A rollback can do without its one call, by renaming; an update can do without none of these.
    assert refused >= ({"write", "fsync"} if name == "update" else {"fsync"})
