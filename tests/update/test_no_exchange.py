"""Systems that cannot let two names change places in one step: the changes are the same, by more steps."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from bundle.device.change import update
from bundle.parity.client import Client
from tests.native.programs import environment
from tests.update.device import MODEL, Archives, running

pytestmark = pytest.mark.slow


def without_exchange(program: Client, log: Path, *words: object) -> dict[str, object]:
    """The reply of a program to which the system says that it does not know how."""
    fault = ["-e", "trace=renameat2", "-e", "inject=renameat2:error=EINVAL"]
    command = ["strace", "-f", "-qq", "-o", log, *fault, *program.command, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment())
    assert "RENAME_EXCHANGE" in log.read_text("utf-8"), "it did not try"
    reply: dict[str, object] = json.loads(done.stdout)
    assert (done.returncode, reply["ok"]) == (0, True), reply
    return reply


def test_a_rollback_and_a_repair(program: Client, tmp_path: Path, archives: Archives) -> None:
    folder = tmp_path / "device"
    for version in ("1.0.0", "1.1.0"):
        update(folder, archives(version))
    assert without_exchange(program, tmp_path / "log", "--rollback", folder)["previous"] == "1.1.0"
    assert running(folder) == archives.digest("1.0.0")
    assert running(folder, "previous") == archives.digest("1.1.0")
    (folder / "current" / MODEL).write_bytes(b"x" * 154)
    assert without_exchange(program, tmp_path / "log", "--update", folder, archives("1.0.0"))["changed"]
    assert running(folder) == archives.digest("1.0.0")
    assert running(folder, "previous") == archives.digest("1.1.0")
    assert os.listdir(folder / "staging") == []
