"""A device folder in each language, and archives to update it with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.parity.client import Client
from tests.parity.drivers import LANGUAGES, started
from tests.update.device import Archives, Device


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
