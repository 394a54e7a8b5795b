"""The one list of programs that tests ask, and how they are started."""

import pytest

from bundle.error import BundleError
from bundle.parity import LANGUAGES, programs
from bundle.parity.client import Client

__all__ = ["LANGUAGES", "started"]

# A hang is found soon; nothing that a test asks takes longer on a loaded machine.
_SECONDS = 60.0


def started(language: str) -> Client:
    """Return a client of a language's program; without that program the test fails and is never skipped."""
    try:
        client = programs.client(language, {})
    except BundleError as error:
        pytest.fail(f"{error}\nhint: {error.hint}", pytrace=False)
    client.timeout = _SECONDS
    return client
