"""Fixtures of the tests of the predictor."""

from pathlib import Path

import pytest

from tests.runtime.make_bundle import Maker, write
from tests.vectors.kit import Bundle


@pytest.fixture
def place(tmp_path: Path) -> Maker:
    """Write a bundle to a new folder."""
    count = 0

    def put(made: Bundle) -> Path:
        nonlocal count
        count += 1
        return write(made, tmp_path / f"bundle{count}")

    return put
