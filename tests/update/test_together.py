"""Updates by several processes at once, and programs that open the bundle meanwhile."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.bundle import Bundle
from bundle.parity.client import Client
from tests.parity.drivers import started
from tests.update.device import Archives, Device, done, running

#: So often the bundle changes while it is opened.
TURNS = 20


@pytest.fixture
def another(program: Client) -> Iterator[Client]:
    """A second process of the same language."""
    with started(program.name) as client:
        yield client


def test_a_change_waits_for_the_lock(device: Device, archives: Archives) -> None:
    """Checks U3 and V1."""
    device.update(archives("1.0.0"))
    device.update(archives("1.1.0"))
    replies: list[dict[str, object]] = []
    for change in (lambda: device.update(archives("1.2.0")), device.rollback):
        replies.clear()
        thread = threading.Thread(target=lambda change=change: replies.append(change()))  # type: ignore[misc]
        held = os.open(device.folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_EX)
        before = device.state()
        thread.start()
        time.sleep(0.3)
        assert replies == [] and device.state() == before
        os.close(held)
        thread.join(timeout=60)
        assert replies and replies[0]["ok"]


def test_two_updates_at_once(device: Device, another: Client, archives: Archives) -> None:
    """Whichever comes first: the higher version runs in the end, and nothing is left over."""
    rival = Device(another, device.folder)
    for turn in range(TURNS // 2):
        lower, higher = f"1.{2 * turn}.0", f"1.{2 * turn + 1}.0"
        replies: dict[str, dict[str, object]] = {}

        def send(who: Device, version: str, replies: dict[str, dict[str, object]] = replies) -> None:
            replies[version] = who.update(archives(version))

        archives(lower), archives(higher)
        pair = (device, rival) if turn % 2 else (rival, device)
        threads = [
            threading.Thread(target=send, args=each) for each in zip(pair, (lower, higher), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert replies[higher]["ok"], replies
        late = replies[lower]
        assert late["ok"] or late["error"]["code"] == "version_older"  # type: ignore[index]
        assert running(device.folder) == archives.digest(higher)
        assert os.listdir(device.folder / "staging") == []
        assert len(os.listdir(device.folder / "sha256")) <= 2


def test_a_reader_meanwhile_finds_a_whole_bundle(device: Device, archives: Archives) -> None:
    """At every moment `current` opens, with all checks."""
    device.update(archives("1.0.0"))
    device.update(archives("1.1.0"))
    found: list[str] = []
    errors: list[Exception] = []
    stop = threading.Event()

    def read(folder: Path) -> None:
        while not stop.is_set():
            try:
                found.append(Bundle.open(folder / "current").digest)
            except Exception as error:
                errors.append(error)
                return

    reader = threading.Thread(target=read, args=(device.folder,))
    reader.start()
    for _ in range(TURNS):
        assert done(device.rollback())[2]
        # What was rolled back comes again by an update, which writes nothing and deletes nothing.
        assert done(device.update(archives("1.1.0"))) == ("1.1.0", "1.0.0", True)
    stop.set()
    reader.join(timeout=60)
    assert errors == []
    assert set(found) == {archives.digest("1.0.0"), archives.digest("1.1.0")}
