"""What checks cost: each figure is a ratio to ONNX Runtime alone, both measured in turn in one run."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import bundle
from bundle.align import aligned_empty
from bundle.library import load
from bundle.session import bare_session
from tests.benchmarks.models import digits, large
from tests.runtime.make_bundle import mlp, write
from tests.vectors.kit import MODEL

BATCH = 200


def seconds(call: Callable[[], object], count: int) -> float:
    """Time of one call, in seconds, over `count` of them."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def compared(
    first: Callable[[], object], second: Callable[[], object], rounds: int, count: int
) -> tuple[float, float, float]:
    """Run two calls in turn; return the median of the ratios of neighbours, and both best times in seconds.

    Neighbours, because a shared machine changes its speed from second to second.
    """
    pairs = [(seconds(first, count), seconds(second, count)) for _ in range(rounds)]
    ratio = statistics.median(one / other for one, other in pairs)
    return ratio, min(one for one, _ in pairs), min(other for _, other in pairs)


def note(benchmark: object, ratio: float, ours: float, theirs: float, what: str) -> None:
    info = benchmark.extra_info  # type: ignore[attr-defined]
    info.update(ratio=round(ratio, 3), ours_us=round(ours * 1e6, 2), bare_us=round(theirs * 1e6, 2))
    print(f"\n{what}: {ratio:.3f} ({ours * 1e6:.2f} µs, bare {theirs * 1e6:.2f} µs)")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bundle.Predictor]:
    with bundle.open(write(mlp(), tmp_path_factory.mktemp("mlp") / "bundle")) as opened:
        yield opened


def bare(predictor: bundle.Predictor) -> object:
    return bare_session(predictor.bundle.file_path(MODEL))


def test_predict(benchmark, predictor) -> None:  # type: ignore[no-untyped-def]
    session, names = bare(predictor), ["y"]
    feed = {"x": np.random.default_rng(1).random((1, 64), dtype=np.float32)}
    np.testing.assert_array_equal(predictor.predict(feed)["y"], session.run(names, feed)[0])
    figures = compared(lambda: predictor.predict(feed), lambda: session.run(names, feed), 150, BATCH)
    note(benchmark, *figures, "predict of a small model / InferenceSession.run")
    benchmark(predictor.predict, feed)


def test_bound_call(benchmark, predictor) -> None:  # type: ignore[no-untyped-def]
    session = bare(predictor)
    x, y = aligned_empty((1, 64), np.dtype(np.float32)), aligned_empty((1, 10), np.dtype(np.float32))
    x[...] = 1
    call = predictor.bind(x, {"y": y})
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    figures = compared(call.run, lambda: session.run_with_iobinding(binding), 150, BATCH)
    note(benchmark, *figures, "a bound call / run_with_iobinding")
    benchmark(call.run)


def hashed(path: Path) -> None:
    import hashlib

    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "rounds"),
    [(lambda folder: write(mlp(), folder), 100), (digits, 100), (lambda folder: write(large(), folder), 7)],
    ids=["small", "digits", "90MB"],
)
def test_open(benchmark, make, rounds, tmp_path) -> None:  # type: ignore[no-untyped-def]
    folder = make(tmp_path / "bundle")
    load()
    model = folder / MODEL

    def alone() -> None:
        hashed(model)
        bare_session(model)

    figures = compared(lambda: bundle.open(folder).close(), alone, rounds, 1)
    note(benchmark, *figures, "bundle.open / a bare session and hashing")
    benchmark.pedantic(lambda: bundle.open(folder).close(), rounds=3)
