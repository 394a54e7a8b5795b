"""Work ahead: a large model is slimmed while its answers are asked for, and nothing of that shows."""

import time
from pathlib import Path

import pytest

from bundle.builder import ahead, build
from bundle.builder.ahead import Ahead
from bundle.builder.model import Model, StageSkipped
from tests.build.projects import project

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a small model count as large."""
    monkeypatch.setattr(ahead, "_LEAST", 0)


def test_the_bundle_is_the_same(tmp_path: Path, always: None, monkeypatch: pytest.MonkeyPatch) -> None:
    [early] = build(project(DIGITS, tmp_path / "early", "any"))
    monkeypatch.setattr(ahead, "_MOST", 0)
    [late] = build(project(DIGITS, tmp_path / "late", "any"))
    assert early.digest == late.digest
    assert early.report["stages"] == late.report["stages"]


def test_what_it_refuses_is_told_where_the_stage_stands(tmp_path: Path, always: None) -> None:
    with Ahead(tmp_path) as other:

        def refuse() -> Model:
            raise StageSkipped("unchanged", "nothing to do")

        wait = other.start(refuse)
        with pytest.raises(StageSkipped, match="nothing to do"):
            wait()


def test_a_job_that_nobody_waits_for_ends_with_it(tmp_path: Path) -> None:
    begun = time.monotonic()
    with Ahead(tmp_path) as other:
        other.start(lambda: other.worker.call(time.sleep, 600))
    assert time.monotonic() - begun < 60


def test_only_models_between_the_limits_are_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(100))
    model = Model(path, "onnx")
    assert not ahead.worth_it(model)
    monkeypatch.setattr(ahead, "_LEAST", 100)
    assert ahead.worth_it(model)
    monkeypatch.setattr(ahead, "_MOST", 99)
    assert not ahead.worth_it(model)
