"""The gate: what it lets through, what it refuses and with which word, and what a crash costs."""

import os
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from bundle.builder.gate import Budget, Gate, Reference
from bundle.builder.model import Model, StageSkipped
from bundle.builder.worker import Worker, WorkerError
from bundle.error import BundleError
from bundle.spec import table
from bundle.tolerance import Tolerance
from tests.build import make_models as make

BUDGETS = table("tolerances")["budgets"]


def saved(model: ModelProto, folder: Path, name: str = "model.onnx") -> Model:
    return Model(make.save(model, folder, name), "onnx")


def shift(offset: list[float], name: str = "y") -> ModelProto:
    """x [batch, 2] -> x + offset."""
    node = onnx.helper.make_node("Add", ["x", "offset"], [name])
    shape: list[int | str | None] = ["batch", 2]
    return make.model_of(
        [node], [make.value("x", shape)], [make.value(name, shape)], {"offset": np.array(offset, np.float32)}
    )


ROWS = np.array([[0.0, 0.8], [0.8, 0.0], [0.0, 3.0], [3.0, 0.0]], np.float32)


@pytest.fixture
def source(tmp_path: Path) -> Model:
    return saved(shift([0.0, 0.0]), tmp_path, "source.onnx")


def reference(source: Model, worker: Worker, labels: np.ndarray | None = None) -> Reference:
    cases = [{"x": row[np.newaxis]} for row in ROWS]
    return Reference.of_source(source, cases, worker, {"y": "argmax"}, labels)


def refusal(gate: Gate, candidate: Model, before: Model, budget: Budget) -> StageSkipped:
    with pytest.raises(StageSkipped) as caught:
        gate.judge("slim", candidate, before, budget)
    return caught.value


def test_the_same_answers_pass(worker, source, tmp_path):
    gate = Gate(reference(source, worker, np.array([1, 0, 1, 1])), worker)
    measured = gate.judge("slim", saved(shift([0.0, 0.0]), tmp_path), source, Budget.of_stage("slim", 1))
    assert (measured.stage, measured.size) == ("slim", source.size)
    assert (measured.worst_error, measured.decisions, measured.flips, measured.near_ties) == (0.0, 4, 0, 0)
    assert measured.accuracy == 0.75


def test_other_answers_are_over_budget(worker, source, tmp_path):
    gate = Gate(reference(source, worker), worker)
    refused = refusal(gate, saved(shift([0.0, 0.1]), tmp_path), source, Budget.of_stage("slim", 1))
    assert refused.reason == "over_budget"
    assert refused.detail.startswith("case 0, `y`: first outside at [0, 1]: 0.90000004 instead of 0.8")


@pytest.mark.parametrize(("bound", "flips", "near_ties"), [(0.5, 1, 0), (1.0, 0, 1)])
def test_flips_count_by_the_margin_of_the_source(worker, source, tmp_path, bound, flips, near_ties):
    """An offset of 0.45 each way turns margins of 0.8, which lie within one bound and beyond the other."""
    gate = Gate(reference(source, worker), worker)
    candidate = saved(shift([0.45, -0.45]), tmp_path)
    lenient = Budget((Tolerance("absolute", bound=bound),), 1000, 1000, None)
    measured = gate.judge("int8", candidate, source, lenient)
    assert (measured.flips, measured.near_ties) == (flips, near_ties)
    usual = Budget.of_stage("int8", 1, Tolerance("absolute", bound=bound))
    if flips:
        assert refusal(gate, candidate, source, usual).detail == "1 of 4 decisions flipped"
    else:
        assert gate.judge("int8", candidate, source, usual) == measured


def in_bulk(bound: float, per_mille: int, labeled: str | None = None) -> Budget:
    usual = (Tolerance("close"),)
    return Budget(usual, 1000, 1000, None, bounds=(bound,), outliers_per_mille=per_mille, labeled=labeled)


def test_in_bulk_some_values_may_lie_beyond_the_bound(worker, source, tmp_path):
    gate = Gate(reference(source, worker), worker)
    candidate = saved(shift([0.0, 0.1]), tmp_path)
    measured = gate.judge("quantize", candidate, source, in_bulk(0.05, 500))
    assert measured.worst_error == pytest.approx(0.1)
    refused = refusal(gate, candidate, source, in_bulk(0.05, 499))
    assert (refused.reason, refused.detail) == (
        "over_budget",
        "`y`: 50.0% of its values are off by more than 0.05",
    )
    assert gate.judge("quantize", candidate, source, in_bulk(0.11, 0)) == measured


def test_in_bulk_every_changed_decision_beyond_rounding_is_a_flip(worker, source, tmp_path):
    gate = Gate(reference(source, worker), worker)
    measured = gate.judge("quantize", saved(shift([0.45, -0.45]), tmp_path), source, in_bulk(9.0, 0))
    assert (measured.flips, measured.near_ties) == (1, 0)


def test_where_labels_judge_an_output_its_values_may_move(worker, source, tmp_path):
    gate = Gate(reference(source, worker, np.array([1, 0, 1, 0])), worker)
    candidate = saved(shift([9.0, 9.0]), tmp_path)
    assert refusal(gate, candidate, source, in_bulk(0.05, 0)).reason == "over_budget"
    assert gate.judge("quantize", candidate, source, in_bulk(0.05, 0, labeled="y")).accuracy == 1.0


def test_in_bulk_another_form_is_still_refused(worker, source, tmp_path):
    gate = Gate(reference(source, worker), worker)
    wide = onnx.helper.make_node("Concat", ["x", "x"], ["y"], axis=1)
    shapes = ["batch", 2], ["batch", 4]
    other = make.model_of([wide], [make.value("x", shapes[0])], [make.value("y", shapes[1])])
    assert refusal(gate, saved(other, tmp_path), source, in_bulk(9.0, 1000)).reason == "over_budget"


def test_a_stage_that_is_there_for_size_must_make_the_model_smaller(worker, source, tmp_path):
    gate = Gate(reference(source, worker), worker)
    same = saved(shift([0.0, 0.0]), tmp_path)
    refused = refusal(gate, same, source, Budget.of_stage("quantize", 1))
    assert (refused.reason, refused.detail) == (
        "not_smaller",
        f"{source.size:,} bytes instead of {source.size:,}",
    )


def test_lost_accuracy_is_over_budget_even_without_flips(worker, source, tmp_path):
    gate = Gate(reference(source, worker, np.array([1, 0, 1, 0])), worker)
    budget = Budget.of_stage("int8", 1, Tolerance("absolute", bound=1.0))
    refused = refusal(gate, saved(shift([0.45, -0.45]), tmp_path), source, budget)
    assert (refused.reason, refused.detail) == ("over_budget", "accuracy 75.00% instead of 100.00%")


def test_a_loss_of_exactly_the_budget_is_kept(worker, source, tmp_path):
    gate = Gate(reference(source, worker, np.array([1, 0, 1, 0])), worker)
    budget = Budget((Tolerance("absolute", bound=1.0),), 0, 250, None)
    assert gate.judge("int8", saved(shift([0.45, -0.45]), tmp_path), source, budget).accuracy == 0.75


@pytest.mark.parametrize(
    ("candidate", "detail"),
    [
        (
            shift([0.0, 0.0], name="z"),
            "outputs: `z` tensor(float) of rank 2 instead of `y` tensor(float) of rank 2",
        ),
        (make.scalar_input(), "2 inputs instead of 1"),
        (make.identity(make.INT64, ("batch", 2)), "`x` tensor(int64)"),
        (make.identity(make.FLOAT, ("batch", 2, 1)), "`x` tensor(float) of rank 3"),
    ],
    ids=["name", "number", "dtype", "rank"],
)
def test_another_interface_is_refused(worker, source, tmp_path, candidate, detail):
    gate = Gate(reference(source, worker), worker)
    refused = refusal(gate, saved(candidate, tmp_path), source, Budget.of_stage("slim", 1))
    assert refused.reason == "signature_changed"
    assert detail in refused.detail


def test_a_file_that_does_not_load_is_refused_without_naming_folders(worker, source, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x08\x0a\xff\xff")
    refused = refusal(
        Gate(reference(source, worker), worker), Model(broken, "onnx"), source, Budget.of_stage("slim", 1)
    )
    assert refused.reason == "load_failed"
    assert str(tmp_path) not in refused.detail


class Crashing(Worker):
    """A worker whose process ends the way a fault in native code ends it."""

    def call(self, job, *args, **kwargs):
        return super().call(os.abort)


def test_a_crash_of_the_runtime_costs_the_stage_and_not_the_build(worker, source):
    with Crashing() as crashing:
        gate = Gate(reference(source, worker), crashing)
        refused = refusal(gate, source, source, Budget.of_stage("slim", 1))
    assert (refused.reason, refused.detail) == (
        "load_failed",
        "ONNX Runtime cannot load the result: killed by SIGABRT",
    )


@pytest.mark.parametrize("stage", ["slim", "convert"])
def test_growth_beyond_the_percentage_and_the_slack_is_refused(worker, source, tmp_path, stage):
    gate = Gate(reference(source, worker), worker)
    growth = BUDGETS["growth"][stage]
    padded = shift([0.0, 0.0])
    padded.doc_string = "x" * (growth["slack_bytes"] + 10)
    candidate = saved(padded, tmp_path)
    budget = Budget.of_stage(stage, 1)
    assert refusal(gate, candidate, source, budget).reason == "larger"
    padded.doc_string = "x" * (growth["slack_bytes"] - 10)
    gate.judge(stage, saved(padded, tmp_path), source, budget)


def test_a_large_model_may_grow_by_the_percentage(worker, source, tmp_path):
    before = shift([0.0, 0.0])
    before.doc_string = "x" * 1_000_000
    after = shift([0.0, 0.0])
    after.doc_string = "x" * (10_000 * BUDGETS["growth"]["slim"]["ratio_percent"])
    gate = Gate(reference(source, worker), worker)
    budget = Budget.of_stage("slim", 1)
    gate.judge("slim", saved(after, tmp_path), saved(before, tmp_path, "before.onnx"), budget)


def test_strings_and_labels_are_judged_by_equality(worker, tmp_path):
    source = saved(make.strings(), tmp_path)
    case = {"words": np.array(["yes", "no", "maybe"], object)}
    right = np.array([[1, 0, 0]])
    known = Reference.of_source(source, [case], worker, {"number": "equal"}, right)
    measured = Gate(known, worker).judge("slim", source, source, Budget.of_stage("slim", 2))
    assert (measured.decisions, measured.flips, measured.accuracy) == (3, 0, 2 / 3)


def test_a_source_that_does_not_run_is_an_error(worker, tmp_path):
    with pytest.raises(BundleError) as caught:
        Reference.of_source(saved(make.unknown_operator(), tmp_path), [], worker, {})
    assert caught.value.code == "source_failed"


def test_a_worker_outlives_errors_crashes_and_hangs(tmp_path, monkeypatch):
    # A file of the user's that is called like a library must not be taken for it.
    (tmp_path / "numpy.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with Worker(timeout=30) as worker:
        with pytest.raises(WorkerError, match="raised: ValueError: invalid literal"):
            worker.call(int, "x")
        process = worker.call(os.getpid)
        assert worker.call(os.getpid) == process != os.getpid()
        with pytest.raises(WorkerError, match="crashed: killed by SIGABRT"):
            worker.call(os.abort)
        assert worker.call(os.getpid) != process
    with (
        Worker(timeout=0.5) as worker,
        pytest.raises(WorkerError, match=r"timed_out: no answer within 0\.5 s"),
    ):
        worker.call(time.sleep, 60)


def test_the_worker_ends_with_its_owner():
    with Worker() as worker:
        process = worker.call(os.getpid)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_answers_do_not_depend_on_where_the_caller_keeps_the_inputs(worker, tmp_path):
    node = onnx.helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)
    source = saved(make.model_of([node], [make.value("x", ["n"])], [make.value("y", [])]), tmp_path)
    values = make.weights(1021)
    cases = []
    for offset in range(4):
        view = np.zeros(1040, np.float32)[offset : offset + 1021]
        view[:] = values
        cases.append({"x": view})
    answers = Reference.of_source(source, cases, worker, {}).outputs
    assert len({answer["y"].tobytes() for answer in answers}) == 1
