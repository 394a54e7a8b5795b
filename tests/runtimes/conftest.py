"""Fixtures of the tests of the predictors of other languages in this process."""

from collections.abc import Callable
from typing import Any

import pytest

import bundle
from bundle.predictor import Predictor
from bundle.runtimes import NATIVE
from tests.runtime.make_bundle import Maker
from tests.vectors.kit import Bundle

Opener = Callable[..., Predictor]


@pytest.fixture(params=NATIVE)
def runtime(request: pytest.FixtureRequest) -> str:
    """Each native runtime in turn; one that is not built fails."""
    return str(request.param)


@pytest.fixture
def opened(runtime: str, place: Maker) -> Opener:
    """Write a bundle and open it with the runtime of this test."""

    def open_(made: Bundle, **options: Any) -> Predictor:
        return bundle.open(place(made), runtime=runtime, **options)

    return open_
