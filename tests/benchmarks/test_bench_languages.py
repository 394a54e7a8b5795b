"""Calls and opening in each language and through each binding, beside ONNX Runtime's C API alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.languages import figures, programs
from tests.benchmarks.languages.figures import Figures, Kind
from tests.benchmarks.languages.programs import BASELINE, Work
from tests.benchmarks.models import WIDTH, digits, large
from tests.runtime.make_bundle import mlp, write
from tests.vectors.kit import MODEL

RESULTS = Path(__file__).parents[2] / ".benchmarks"


def small_work(folder: Path) -> Work:
    return Work(write(mlp(), folder), MODEL, "x", (1, 64), "y", (1, 10), rows=1024, piece=64)


def digits_work(folder: Path) -> Work:
    image, answer = (1, 1, 8, 8), (1, 10)
    return Work(digits(folder), MODEL, "image", image, "probabilities", answer, rows=1024, piece=64)


def large_work(folder: Path, width: int = WIDTH) -> Work:
    return Work(write(large(width), folder), MODEL, "x", (1, width), "y", (1, width), rows=64, piece=16)


def narrow_work(folder: Path) -> Work:
    """The same in a size that shows that everything works, where nothing is timed."""
    return large_work(folder, 64)


def kinds(bound: int, predict: int, whole: int, opens: tuple[int, int]) -> list[Kind]:
    """The kinds of call, each with as many calls as make a turn of some milliseconds."""
    return [
        Kind("bound", 60, bound, "bound"),
        Kind("predict", 60, predict, "predict"),
        Kind("open", *opens, "open"),
        Kind("whole", 30, whole, "whole"),
        Kind("pieces", 30, whole, "whole"),
    ]


MODELS: dict[str, tuple[Callable[[Path], Work], list[Kind]]] = {
    "small": (small_work, kinds(500, 300, 5, (40, 5))),
    "digits": (digits_work, kinds(100, 100, 1, (40, 5))),
    "90 MB": (large_work, kinds(3, 3, 1, (9, 1))),
}

measured: dict[str, dict[str, Figures]] = {}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_languages(benchmark, name, tmp_path) -> None:  # type: ignore[no-untyped-def]
    make, wanted = MODELS[name]
    if not benchmark.enabled:
        make = narrow_work if make is large_work else make
        wanted = [kind._replace(rounds=1, count=1) for kind in wanted]
    with programs.started(make(tmp_path / "bundle")) as running:
        answers = {program: one.answer() for program, one in running.items()}
        # Figures of programs that do different things would compare nothing.
        assert len(set(answers.values())) == 1, answers
        assert len(answers[BASELINE]) > 8
        measured[name] = {kind.name: figures.timed(running, kind) for kind in wanted}
    missing = programs.WITHOUT_PIECES - {BASELINE}
    for kind, each in measured[name].items():
        assert set(each) == set(running) - (missing if kind == "pieces" else set())
    print("\n" + figures.table(name, measured[name]), end="")
    benchmark.extra_info.update(measured[name])
    figures.write(RESULTS if benchmark.enabled else tmp_path, measured)
    benchmark.pedantic(lambda: None, rounds=1)
