"""Systems that cannot let two names change places in one step: the changes are the same, by more steps."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from bundle.device.change import update
from bundle.parity.client import Client
from tests.native.programs import environment
from tests.update.device import MODEL, Archives, Reply, refusal, running, state

pytestmark = pytest.mark.slow


def without_exchange(program: Client, log: Path, fault: list[str], *words: object) -> Reply:
    """The reply of a program to which the system says that it does not know how."""
    watched = ["strace", "-f", "-qq", "-o", log, *fault]
    command = [*watched, *program.command, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment())
    assert "RENAME_EXCHANGE" in log.read_text("utf-8"), "it did not try"
    reply: Reply = json.loads(done.stdout)
    assert (done.returncode == 0) == reply["ok"], reply
    return reply


# A kernel or a file system that cannot, and a sandbox that does not let it.
@pytest.mark.parametrize("error", ["EINVAL", "EPERM"])
def test_a_rollback_and_a_repair(error: str, program: Client, tmp_path: Path, archives: Archives) -> None:
    folder, log = tmp_path / "device", tmp_path / "log"
    fault = ["-e", "trace=renameat2", "-e", f"inject=renameat2:error={error}"]
    for version in ("1.0.0", "1.1.0"):
        update(folder, archives(version))
    assert without_exchange(program, log, fault, "--rollback", folder)["previous"] == "1.1.0"
    assert running(folder) == archives.digest("1.0.0")
    assert running(folder, "previous") == archives.digest("1.1.0")
    (folder / "current" / MODEL).write_bytes(b"x" * 154)
    assert without_exchange(program, log, fault, "--update", folder, archives("1.0.0"))["changed"]
    assert running(folder) == archives.digest("1.0.0")
    assert running(folder, "previous") == archives.digest("1.1.0")
    assert os.listdir(folder / "staging") == []


def test_a_repair_that_fails_half_way(program: Client, tmp_path: Path, archives: Archives) -> None:
    """The bundle that was renamed out of the way gets its name back: damaged or not, a device runs it."""
    folder = tmp_path / "device"
    update(folder, archives())
    (folder / "current" / "stray").touch()
    before = state(folder)
    # The rename of the new bundle touches this path, and that of the old one does not.
    staged = ["-P", str(folder / "staging" / "update" / "bundle")]
    calls = "rename,renameat,renameat2"
    fault = [*staged, "-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO"]
    reply = without_exchange(program, tmp_path / "log", fault, "--update", folder, archives())
    assert refusal(reply) == ("store_unwritable", str(folder))
    assert state(folder) == before
