"""What a soak does over and over: predictions of one model, and openings of its bundle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import bundle
from bundle.error import BundleError
from bundle.predictor import Predictor
from tests.runtime.make_bundle import mlp, write

#: Every so many operations there is one that is refused.
REFUSED_EACH = 10
_ROWS = 4


def make(folder: Path) -> Path:
    """Write the bundle that everything here is about: three layers, which take about 5 µs."""
    return write(mlp(), folder / "mlp")


def inputs() -> list[np.ndarray]:
    """One to four rows."""
    random = np.random.default_rng(3)
    return [random.standard_normal((rows, 64)).astype(np.float32) for rows in range(1, _ROWS + 1)]


def answers(path: Path) -> list[bytes]:
    """What Python says of these."""
    with bundle.open(path) as predictor:
        return [predictor.predict(x)["y"].tobytes() for x in inputs()]


def predictions(predictor: Predictor, right: list[bytes]) -> Callable[[int], None]:
    """Return work that predicts, and that fails where an answer is not the right one."""
    given = inputs()
    wrong = np.zeros((1, 63), np.float32)

    def work(number: int) -> None:
        turn = number % _ROWS
        if predictor.predict(given[turn])["y"].tobytes() != right[turn]:
            raise AssertionError(f"a wrong answer at prediction {number}")
        if number % REFUSED_EACH == 0:
            refused("input_shape_mismatch", lambda: predictor.predict(wrong))

    return work


def openings(path: Path, runtime: str, right: list[bytes]) -> Callable[[int], None]:
    """Return work that opens, predicts once and closes."""
    given = inputs()

    def work(number: int) -> None:
        turn = number % _ROWS
        with bundle.open(path, runtime=runtime) as predictor:
            if predictor.predict(given[turn])["y"].tobytes() != right[turn]:
                raise AssertionError(f"a wrong answer at opening {number}")
        if number % REFUSED_EACH == 0:
            refused("file_missing", lambda: bundle.open(path / "models", runtime=runtime))

    return work


def refused(code: str, work: Callable[[], object]) -> None:
    """Do what must be refused with this code."""
    try:
        work()
    except BundleError as error:
        if error.code == code:
            return
        raise
    raise AssertionError(f"not refused with {code}")
