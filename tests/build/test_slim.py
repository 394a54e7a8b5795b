"""Slimming: smaller, the same answers, and nothing lost of what a caller or a reader sees."""

import numpy as np
import onnx
import pytest
from onnx import helper

from bundle.builder.gate import Budget, Gate, Reference
from bundle.builder.model import Model, StageSkipped
from bundle.builder.optimizers import ONNXOPTIMIZER, ONNXSLIM, OPTIMIZERS
from bundle.builder.slim import slim
from bundle.builder.worker import Worker
from tests.build import make_models as make


def foldable() -> onnx.ModelProto:
    """x [batch, n, 8], unused [batch] -> y [batch, n, 4]; a constant to fold and nodes that do nothing."""
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Transpose", ["w"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["same", "turned"], ["product"]),
        helper.make_node("Identity", ["product"], ["again"]),
        helper.make_node("Relu", ["again"], ["y"]),
    ]
    inputs = [make.value("x", ["batch", "n", 8]), make.value("length", ["batch"], make.INT64)]
    model = make.model_of(nodes, inputs, [make.value("y", ["batch", "n", 4])], {"w": make.weights(4, 8)})
    helper.set_model_props(model, {"author": "someone"})
    model.producer_name = "exporter"
    return model


@pytest.fixture
def source(tmp_path) -> Model:
    return Model(make.save(foldable(), tmp_path), "onnx")


def refusal(model, folder, worker, optimizer=ONNXSLIM) -> StageSkipped:
    with pytest.raises(StageSkipped) as caught:
        slim(model, folder, worker, optimizer)
    return caught.value


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fewer_nodes_and_the_same_answers(source, tmp_path, worker, optimizer):
    case = {"x": make.weights(2, 3, 8), "length": np.array([3, 3])}
    reference = Reference.of_source(source, [case], worker, {})
    slimmed = slim(source, tmp_path, worker, optimizer)
    Gate(reference, worker).judge("slim", slimmed, source, Budget.of_stage("slim", 1))
    operators = {node.op_type for node in onnx.load(slimmed.path).graph.node}
    # That one merges and drops, and computes nothing in advance.
    left = {"Transpose"} if optimizer == ONNXOPTIMIZER else set()
    assert operators == {"MatMul", "Relu"} | left


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_the_author_wrote_stays(source, tmp_path, worker, optimizer):
    before = onnx.load(source.path)
    after = onnx.load(slim(source, tmp_path, worker, optimizer).path)
    onnx.checker.check_model(after, full_check=True)
    for part in ("metadata_props", "opset_import"):
        assert list(getattr(after, part)) == list(getattr(before, part))
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)
    assert after.producer_name == "exporter"
    assert not after.graph.value_info


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_that_were_inputs_are_none_any_more(tmp_path, worker, optimizer):
    model = Model(make.save(make.initializer_inputs(), tmp_path), "onnx")
    after = onnx.load(slim(model, tmp_path, worker, optimizer).path)
    assert [value.name for value in after.graph.input] == ["x"]
    assert after.ir_version >= 4


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_bytes_repeat_from_process_to_process(source, tmp_path, monkeypatch, optimizer):
    made = set()
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        folder = tmp_path / seed
        folder.mkdir()
        with Worker(timeout=120) as fresh:
            made.add(slim(source, folder, fresh, optimizer).path.read_bytes())
    assert len(made) == 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_nothing_to_do_is_said(tmp_path, worker, optimizer):
    model = Model(make.save(make.mlp(), tmp_path), "onnx")
    assert refusal(model, tmp_path, worker, optimizer).reason == "unchanged"


def test_a_failing_tool_is_a_reason_and_not_an_error(tmp_path, worker):
    """onnxslim needs the default operator set, which a model of trees only has no reason to import."""
    trees = make.trees()
    del trees.opset_import[0]
    refused = refusal(Model(make.save(trees, tmp_path), "onnx"), tmp_path, worker)
    assert refused.reason == "tool_failed"
    assert refused.detail.startswith("onnxslim: AttributeError")


def test_weights_outside_the_file_are_left_alone(tmp_path, worker):
    model = Model(make.external_data(tmp_path), "onnx")
    assert refusal(model, tmp_path, worker).reason == "not_applicable"
