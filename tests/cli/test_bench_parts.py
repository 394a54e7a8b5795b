"""What the command `bench` is made of: turns, ratios, rows, the folded profile, and its bar."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundle
from bundle.bench import figures, measure, memory, profile, rows
from bundle.bench.plan import Job, SessionPlan
from bundle.cli import progress


def event(name: str, begun: int, took: int, operator: str = "") -> dict[str, Any]:
    kind = {"cat": "Node", "args": {"op_name": operator}} if operator else {"cat": "Session", "args": {}}
    return {"ph": "X", "name": name, "ts": begun, "dur": took, "tid": 1, **kind}


def test_a_profile_leaves_out_the_warm_up_and_what_lies_inside_a_node() -> None:
    events = [
        event("a_kernel_time", 1, 90, "Add"),
        event("model_run", 0, 100),
        # The body of the Loop is listed before the Loop itself.
        event("b_kernel_time", 110, 10, "Mul"),
        event("b_kernel_time", 120, 15, "Mul"),
        event("loop_kernel_time", 105, 40, "Loop"),
        event("c_kernel_time", 150, 5, "Mul"),
        event("model_run", 100, 60),
    ]
    found = profile.fold(events, warmup=1)
    assert (found.runs, found.us) == (1, 60.0)
    assert [(cost.name, cost.us, cost.calls) for cost in found.nodes] == [
        ("b", 25, 2),
        ("loop", 15, 1),
        ("c", 5, 1),
    ]
    assert [(cost.name, cost.us, cost.calls) for cost in found.operators] == [("Mul", 30, 3), ("Loop", 15, 1)]


def test_all_are_called_equally_often_and_in_turns() -> None:
    said: list[str] = []
    subjects = {name: (lambda name=name: said.append(name)) for name in "abc"}
    ticks: list[None] = []
    samples = measure.measure(subjects, 50, 7, lambda: ticks.append(None))
    rounds = measure.round_count(50)
    assert len(ticks) == rounds
    for each in samples.values():
        assert len(each.rounds) == rounds
        assert sum(map(len, each.rounds)) == 50
    assert len(set(Counter(said).values())) == 1
    # The last subject's turn is followed by others' until the end: none waits for another to be done.
    assert set(said[-len(said) // rounds :]) == set("abc")
    assert measure.round_count(1) == 1


def test_the_ratio_is_that_of_rounds_and_not_of_outliers() -> None:
    rival = measure.Samples([np.full(5, 100 * drift, np.int64) for drift in range(1, 9)])
    own = measure.Samples([np.array([9e9, *[250 * drift] * 4], np.int64) for drift in range(1, 9)])
    assert figures.ratio(own, rival) == {"median": 2.5, "q1": 2.5, "q3": 2.5}
    assert figures.figures(rival, rows=3)["us"]["mean"] == pytest.approx(0.45)


def test_rows_come_from_all_cases_and_are_repeated(vector) -> None:
    opened = bundle.Bundle.open(vector("self_test_passes"))
    known = rows.cases(opened, "source", None)
    joined = np.concatenate([case["x"] for case in known])
    made = rows.with_rows(opened.manifest, known, len(joined) + 2)["x"]
    assert np.array_equal(made, np.concatenate([joined, joined[:2]]))
    assert rows.with_rows(opened.manifest, known, None) is known[0]
    assert rows.row_count(opened.manifest, {"x": made}) == len(made)


def test_rows_lie_along_the_axis_of_each_input(vector) -> None:
    opened = bundle.Bundle.open(vector("batch_along_other_axes"))
    case = {
        "x": np.arange(6, dtype=np.float32).reshape(2, 3),
        "flag": np.array([True, False, True]),
        "shift": np.ones((2, 1), np.float32),
    }
    made = rows.with_rows(opened.manifest, [case], 4)
    assert made["x"].tolist() == [[0, 1, 2, 0], [3, 4, 5, 3]]
    assert made["flag"].tolist() == [True, False, True, True]
    assert made["shift"] is case["shift"]


def test_a_process_that_ends_badly_is_an_error(vector, tmp_path: Path) -> None:
    session = SessionPlan(tmp_path / "absent.onnx", "absent.onnx", {}, {}, [])
    with pytest.raises(bundle.BundleError) as caught:
        memory.peak_memory(Job(str(tmp_path), {}, "python", session, {}))
    assert (caught.value.code, caught.value.subject) == ("runtime_crashed", "python")


def test_a_bar_that_is_still_is_drawn_when_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "visible", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress.bar("timing", still=True) as advance:
        assert advance
        advance(1, 2)
    assert "timing" in capsys.readouterr().err
