"""A device folder in each language, and archives to update it with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundle.device.change import update
from bundle.parity.client import Client
from tests.parity.drivers import LANGUAGES, started
from tests.update.device import MODEL, Archives, Device
from tests.update.steps import Change


@pytest.fixture(scope="package", params=LANGUAGES)
def program(request: pytest.FixtureRequest) -> Iterator[Client]:
    """The program of one language, which answers all tests; every test here asks every language."""
    with started(request.param) as client:
        yield client


@pytest.fixture
def device(program: Client, tmp_path: Path) -> Device:
    """A device folder that is not there yet."""
    return Device(program, tmp_path / "the device")


@pytest.fixture(scope="package")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    return Archives(tmp_path_factory.mktemp("archives"))


@pytest.fixture(scope="package")
def templates(tmp_path_factory: pytest.TempPathFactory, archives: Archives) -> dict[str, Path]:
    """Device folders that ran 1.0.0 before 1.1.0: one whole, one whose current bundle is damaged."""
    folder = tmp_path_factory.mktemp("templates")
    for name in ("whole", "damaged"):
        for version in ("1.0.0", "1.1.0"):
            update(folder / name, archives(version))
    (folder / "damaged" / "current" / MODEL).write_bytes(b"x" * 154)
    return {"update": folder / "whole", "repair": folder / "damaged", "rollback": folder / "whole"}


@pytest.fixture
def change(templates: dict[str, Path], archives: Archives, program: Client) -> Callable[[str], Change]:
    """A change by its name, done by the program of a language."""

    def make(name: str) -> Change:
        words = {
            "update": ("--update", str(archives("1.2.0"))),
            "repair": ("--update", str(archives("1.1.0"))),
            "rollback": ("--rollback",),
        }
        return Change(program, templates[name], words[name])

    return make
