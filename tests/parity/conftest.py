"""Fixtures of the tests of parity: one long-lived program per language."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bundle.parity.client import Client
from tests.parity.drivers import LANGUAGES, started


@pytest.fixture(scope="session")
def clients() -> Iterator[dict[str, Client]]:
    """The programs of all languages, by language."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(started(name)) for name in LANGUAGES}


@pytest.fixture(scope="session", params=LANGUAGES)
def driver(request: pytest.FixtureRequest) -> Iterator[Client]:
    """The program of each language in turn."""
    with started(request.param) as running:
        yield running
