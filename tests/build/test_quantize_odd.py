"""Quantizing: what is left alone by rule, and the models that tools fell over."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bundle.builder.gate import Gate, Reference
from bundle.builder.graph import walk_graphs
from bundle.builder.model import Model, StageSkipped
from bundle.builder.quantize import PRECISIONS, quantize, tools
from bundle.builder.quantized import budget_of
from bundle.builder.worker import Worker
from bundle.tolerance import Tolerance
from tests.build import make_models as make
from tests.build import make_quantizable as odd
from tests.build.quantizing import REDUCED, cases_of, int8_weights, judged, refusal, saved, weights_of

FP16, DYNAMIC, STATIC = PRECISIONS
INT8 = (DYNAMIC, STATIC)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_trees_are_left_alone_by_rule(tmp_path, worker, precision):
    refused = refusal(make.trees(), precision, tmp_path, worker)
    assert (refused.reason, "trees" in refused.detail) == ("not_applicable", True)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("message", [make.quantized(), odd.int8_behind_cast()])
def test_int8_models_are_left_alone_by_rule(tmp_path, worker, precision, message):
    refused = refusal(message, precision, tmp_path, worker)
    assert (refused.reason, refused.detail) == ("not_applicable", "the model is quantized already")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("message", "detail"),
    [
        (odd.half_weights(), "the model's weights are float16"),
        (make.double(), "the model's weights are float64"),
        (make.identity(TensorProto.FLOAT), "the model has no weights"),
    ],
)
def test_other_weights_than_float32_are_left_alone_by_rule(tmp_path, worker, precision, message, detail):
    model = saved(message, tmp_path)
    with pytest.raises(StageSkipped) as caught:
        quantize(model, precision, tmp_path, worker, REDUCED, [{}])
    assert (caught.value.reason, caught.value.detail) == ("not_applicable", detail)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_outside_the_file_are_left_alone_by_rule(tmp_path, worker, precision):
    model = Model(make.external_data(tmp_path), "onnx")
    with pytest.raises(StageSkipped) as caught:
        quantize(model, precision, tmp_path, worker, REDUCED, cases_of(model))
    assert caught.value.reason == "not_applicable"


def test_convolutions_are_not_for_dynamic_int8(tmp_path, worker):
    refused = refusal(odd.small_cnn(), DYNAMIC, tmp_path, worker)
    assert refused.reason == "not_applicable"
    assert refused.detail.startswith("int8-dynamic is about operators with float32 weights (MatMul, ")
    made, _ = judged(saved(odd.small_cnn(), tmp_path), STATIC, tmp_path, worker)
    assert len(int8_weights(made)) == 1


def test_dynamic_int8_keeps_convolutions_beside_what_it_changes(tmp_path, worker):
    message = odd.small_cnn()
    message.graph.node.append(helper.make_node("MatMul", ["scores", "m"], ["y"]))
    message.graph.initializer.append(numpy_helper.from_array(make.weights(3, 2), "m"))
    del message.graph.output[:]
    message.graph.output.append(make.value("y", ["batch", 2]))
    made, _ = judged(saved(message, tmp_path), DYNAMIC, tmp_path, worker)
    operators = {node.op_type for node in onnx.load(made.path).graph.node}
    assert {"Conv", "MatMulInteger"} <= operators


def test_lstm_and_tables_are_for_dynamic_int8(tmp_path, worker):
    model = saved(make.lstm(), tmp_path)
    made, _ = judged(model, DYNAMIC, tmp_path, worker)
    assert "DynamicQuantizeLSTM" in {node.op_type for node in onnx.load(made.path).graph.node}
    assert refusal(make.lstm(), STATIC, tmp_path, worker).reason == "not_applicable"
    table_model = saved(make.gather_table(), tmp_path)
    ids = [{"ids": np.zeros((1, 2), np.int32)}]
    assert len(int8_weights(quantize(table_model, DYNAMIC, tmp_path, worker, REDUCED, ids))) == 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_behind_identity_and_constant_nodes(tmp_path, worker, precision):
    source = saved(odd.weights_behind_nodes(), tmp_path)
    made, _ = judged(source, precision, tmp_path, worker)
    if precision != FP16:
        assert len(int8_weights(made)) == 2
        assert "Identity" not in {node.op_type for node in onnx.load(made.path).graph.node}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_contradicting_shapes_of_an_exporter(tmp_path, worker, precision):
    judged(saved(odd.contradicting_export(), tmp_path), precision, tmp_path, worker)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_old_operator_set(tmp_path, worker, precision):
    """Per channel below opset 13, the static quantizer writes what ONNX Runtime refuses."""
    made, _ = judged(saved(odd.old_softmax(), tmp_path), precision, tmp_path, worker)
    after = onnx.load(made.path)
    assert precision != STATIC or after.opset_import[0].version >= 13


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("message", [odd.bias_of_two_axes(), odd.shared_bias()])
def test_biases_that_break_the_static_quantizer(tmp_path, worker, precision, message):
    source = saved(message, tmp_path)
    if precision == DYNAMIC and "Conv" in {node.op_type for node in message.graph.node}:
        assert refusal(message, precision, tmp_path, worker).reason == "not_applicable"
    else:
        judged(source, precision, tmp_path, worker)


@pytest.mark.parametrize("precision", INT8)
def test_branches_that_read_weights_of_the_graph_around_them(tmp_path, worker, precision):
    made, _ = judged(saved(odd.branches(outer=True), tmp_path), precision, tmp_path, worker)
    assert len(int8_weights(made)) == 1
    assert weights_of(made)["w"].dtype == np.float32


@pytest.mark.parametrize("precision", INT8)
def test_weights_of_branches_are_left_alone(tmp_path, worker, precision):
    assert refusal(odd.branches(outer=False), precision, tmp_path, worker).reason == "not_applicable"


def test_float16_takes_the_weights_of_branches_too(tmp_path, worker):
    """Two branches may have weights of one name."""
    made, _ = judged(saved(odd.branches(outer=False), tmp_path), FP16, tmp_path, worker)
    stored = [tensor for graph in walk_graphs(onnx.load(made.path)) for tensor in graph.initializer]
    assert [tensor.data_type for tensor in stored] == [TensorProto.FLOAT16] * 2
    assert len({tensor.name for tensor in stored}) == 2


def test_float16_leaves_alone_what_it_cannot_hold(tmp_path, worker):
    """A mask of -3.4e38 would become an infinity, a scale of Resize another size, its roi another place."""
    message = odd.wide_mlp()
    kept = {
        "mask": np.full(9, np.finfo(np.float32).min),
        "scales": np.float32([1, 1, 1.3333334]),
        "roi": np.float32([0, 0, 0.1, 0.1, 1, 1, 0.7, 0.7]),
    }
    for name, values in kept.items():
        message.graph.initializer.append(numpy_helper.from_array(values, name))
    made = quantize(saved(message, tmp_path), FP16, tmp_path, worker, REDUCED, [])
    after = weights_of(made)
    assert {name: after[name].dtype for name in kept} == dict.fromkeys(kept, np.dtype(np.float32))


def test_sums_stay_float32(tmp_path, worker):
    """A CPU with arithmetic in float16 has nothing to use it for, so that all CPUs answer alike."""
    made, _ = judged(saved(odd.wide_mlp(), tmp_path), FP16, tmp_path, worker)
    graph = onnx.load(made.path).graph
    halves = {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    assert halves
    for node in graph.node:
        assert node.op_type == "Cast" or halves.isdisjoint(node.input)


def test_a_tool_that_gives_up_is_a_reason_and_not_an_error(tmp_path, worker, monkeypatch):
    monkeypatch.setattr(tools, "run_fp16", int)  # which takes no paths
    refused = refusal(odd.wide_mlp(), FP16, tmp_path, worker)
    assert refused.reason == "tool_failed"
    assert refused.detail.startswith("fp16: TypeError")


def test_a_larger_result_is_for_the_gate_to_refuse(tmp_path, worker):
    source = saved(odd.tiny_matmul(), tmp_path)
    made = quantize(source, DYNAMIC, tmp_path, worker, REDUCED, [])
    reference = Reference.of_source(source, cases_of(source), worker, {})
    budget = budget_of(DYNAMIC, reference, [Tolerance("close")])
    with pytest.raises(StageSkipped) as caught:
        Gate(reference, worker).judge("quantize", made, source, budget)
    assert caught.value.reason == "larger"


def test_a_tool_that_hangs_is_a_reason_and_not_an_error(tmp_path):
    source = saved(odd.wide_mlp(), tmp_path)
    with Worker(timeout=0.001) as impatient, pytest.raises(StageSkipped) as caught:
        quantize(source, DYNAMIC, tmp_path, impatient, REDUCED, [])
    assert caught.value.reason == "tool_failed"
    assert "no answer" in caught.value.detail


def test_calibration_that_the_model_refuses_is_a_failure_of_the_tool(tmp_path, worker):
    source = saved(odd.wide_mlp(), tmp_path)
    with pytest.raises(StageSkipped) as caught:
        quantize(source, STATIC, tmp_path, worker, REDUCED, [{"x": np.zeros((1, 9), np.float32)}])
    assert caught.value.reason == "tool_failed"
    assert str(tmp_path) not in caught.value.detail


@pytest.mark.parametrize(("precision", "cases"), [(STATIC, []), ("int4", [{}])])
def test_calls_that_make_no_sense(tmp_path, worker, precision, cases):
    source = saved(odd.wide_mlp(), tmp_path)
    with pytest.raises(ValueError, match=precision):
        quantize(source, precision, tmp_path, worker, REDUCED, cases)
