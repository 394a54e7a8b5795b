"""A store of its own for each test, and bundles to put in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store import bundles


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the default store, which is not there yet."""
    folder = tmp_path.resolve() / "the store"
    monkeypatch.setenv("EDGEBUNDLE_STORE", str(folder))
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Make a bundle by what is different about it; each call gives another folder."""
    folder = tmp_path / "made"
    folder.mkdir()

    def call(**different: object) -> Path:
        return bundles.make(folder / str(len(list(folder.iterdir()))), **different)  # type: ignore[arg-type]

    return call
