"""Quantizing: what works, what is left alone by rule, and the models that tools fell over."""

import os
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from bundle.builder.gate import Gate, Reference
from bundle.builder.model import Model, StageSkipped
from bundle.builder.quantize import PRECISIONS, Scheme, output_steps, quantize
from bundle.builder.quantize.samples import STRIDE, Samples, save_samples
from bundle.builder.quantized import budget_of
from bundle.builder.worker import Worker
from bundle.manifest import Target
from bundle.spec import table
from bundle.tolerance import Tolerance
from tests.build import make_models as make
from tests.build import make_quantizable as odd

FP16, DYNAMIC, STATIC = PRECISIONS
INT8 = (DYNAMIC, STATIC)
REDUCED = Scheme("uint8", reduce_range=True)
FULL = Scheme("uint8", reduce_range=False)
SIGNED = Scheme("int8", reduce_range=False)


@pytest.fixture(scope="module")
def worker():
    with Worker(timeout=120) as one:
        yield one


def saved(message, folder) -> Model:
    return Model(make.save(message, folder), "onnx")


def cases_of(model: Model, count: int = 24) -> list:
    """Return drawn cases for the inputs of a model; symbols are 2."""
    generator = np.random.Generator(np.random.PCG64(3))
    ports = onnxruntime.InferenceSession(model.path).get_inputs()
    cases = []
    for number in range(count):
        case = {}
        for port in ports:
            shape = [size if isinstance(size, int) else 2 for size in port.shape]
            drawn = generator.standard_normal(shape, dtype=np.float32)
            case[port.name] = np.array(number % 2 == 0) if port.type == "tensor(bool)" else drawn
        cases.append(case)
    return cases


def judged(model: Model, precision: str, folder, worker, scheme=REDUCED):
    """Quantize and put the result through the gate of the build, which lets these small ones grow."""
    cases = cases_of(model)
    made = quantize(model, precision, folder, worker, scheme, cases)
    reference = Reference.of_source(model, cases, worker, {})
    usual = [Tolerance("close")] * len(reference.view.outputs)
    budget = replace(budget_of(precision, reference, usual), growth=None)
    measured = Gate(reference, worker).judge("quantize", made, model, budget)
    return made, measured


def refusal(message, precision, folder, worker) -> StageSkipped:
    model = saved(message, folder)
    with pytest.raises(StageSkipped) as caught:
        quantize(model, precision, folder, worker, REDUCED, cases_of(model))
    return caught.value


def weights_of(model: Model) -> dict[str, np.ndarray]:
    graph = onnx.load(model.path).graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def int8_weights(model: Model) -> list[np.ndarray]:
    return [
        each for each in weights_of(model).values() if each.dtype in (np.int8, np.uint8) and each.ndim > 1
    ]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_smaller_file_that_answers_alike(tmp_path, worker, precision):
    source = saved(odd.wide_mlp(), tmp_path)
    made, measured = judged(source, precision, tmp_path, worker)
    stored = {array.dtype for array in weights_of(made).values() if array.ndim > 1}
    assert stored == {np.dtype(np.float16 if precision == FP16 else np.int8)}
    assert measured.worst_error > 0
    assert made.size < source.size


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_the_author_wrote_stays_and_what_tools_wrote_goes(tmp_path, worker, precision):
    message = odd.contradicting_export()
    helper.set_model_props(message, {"author": "someone"})
    message.producer_name = "exporter"
    made, _ = judged(saved(message, tmp_path), precision, tmp_path, worker)
    after = onnx.load(made.path)
    onnx.checker.check_model(after, full_check=True)
    assert [(each.key, each.value) for each in after.metadata_props] == [("author", "someone")]
    assert after.producer_name == "exporter"
    assert list(after.graph.input) == list(message.graph.input)
    assert list(after.graph.output) == list(message.graph.output)
    assert not after.graph.value_info
    assert not any(node.doc_string for node in after.graph.node)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bytes_repeat_from_process_to_process(tmp_path, monkeypatch, precision):
    source = saved(odd.wide_mlp(), tmp_path)
    made = set()
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        folder = tmp_path / seed
        folder.mkdir()
        with Worker(timeout=120) as fresh:
            result = quantize(source, precision, folder, fresh, SIGNED, cases_of(source))
        made.add(result.path.read_bytes())
    assert len(made) == 1


def test_names_tell_precision_and_scheme(tmp_path, worker):
    source = saved(odd.wide_mlp(), tmp_path)
    cases = cases_of(source)
    asked = [(precision, scheme) for precision in PRECISIONS for scheme in (REDUCED, FULL, SIGNED)]
    made = [quantize(source, precision, tmp_path, worker, scheme, cases) for precision, scheme in asked]
    contents = {model.path.name: model.path.read_bytes() for model in made}
    # fp16 has no scheme, and dynamic int8 only the width of the weights.
    assert len(contents) == len(set(contents.values())) == 1 + 2 + 3
    assert all(
        model.path.name.startswith(precision) for model, (precision, _) in zip(made, asked, strict=True)
    )


def test_nothing_else_is_left_in_the_folder(tmp_path, worker):
    source = saved(odd.wide_mlp(), tmp_path)
    made = quantize(source, STATIC, tmp_path, worker, REDUCED, cases_of(source))
    assert sorted(os.listdir(tmp_path)) == sorted([source.path.name, made.path.name])


def test_schemes_are_those_of_the_cpu_classes():
    for arch, entry in table("targets")["targets"].items():
        for cpu_class, row in entry["cpu_classes"].items():
            scheme = Scheme.of(Target(arch, cpu_class, entry["os"]))
            assert (scheme.activation_type, scheme.reduce_range) == (
                row["activation_type"],
                row["reduce_range"],
            )


@pytest.mark.parametrize("precision", INT8)
@pytest.mark.parametrize(("scheme", "largest"), [(REDUCED, 64), (FULL, 127)])
def test_reduced_weights_take_seven_bits(tmp_path, worker, precision, scheme, largest):
    source = saved(odd.wide_mlp(), tmp_path)
    made = quantize(source, precision, tmp_path, worker, scheme, cases_of(source))
    assert max(int(np.abs(each.astype(int)).max()) for each in int8_weights(made)) == largest


@pytest.mark.parametrize(("scheme", "dtype"), [(REDUCED, np.uint8), (SIGNED, np.int8)])
def test_activations_are_of_the_type_that_the_scheme_says(tmp_path, worker, scheme, dtype):
    source = saved(odd.wide_mlp(), tmp_path)
    made = quantize(source, STATIC, tmp_path, worker, scheme, cases_of(source))
    known = weights_of(made)
    nodes = [node for node in onnx.load(made.path).graph.node if node.op_type == "QuantizeLinear"]
    assert nodes
    assert {known[node.input[2]].dtype for node in nodes} == {np.dtype(dtype)}


def test_weights_are_scaled_by_channel(tmp_path, worker):
    source = saved(odd.wide_mlp(), tmp_path)
    made = quantize(source, STATIC, tmp_path, worker, REDUCED, cases_of(source))
    known = weights_of(made)
    scales = {
        known[node.input[1]].size
        for node in onnx.load(made.path).graph.node
        if node.op_type == "DequantizeLinear" and known.get(node.input[0], np.zeros(0)).ndim > 1
    }
    assert scales == {256, 4}


@pytest.mark.parametrize("at", [0, STRIDE, STRIDE + 1])
def test_every_case_of_calibration_counts(tmp_path, worker, at):
    """ONNX Runtime's own cap on memory, CalibMaxIntermediateOutputs, forgets all but the last cases."""
    source = saved(odd.tiny_matmul(), tmp_path)
    cases = [{"x": np.full((1, 2), 0.01, np.float32)} for _ in range(STRIDE + 2)]
    cases[at] = {"x": np.full((1, 2), 100, np.float32)}
    made = quantize(source, STATIC, tmp_path, worker, FULL, cases)
    known = weights_of(made)
    nodes = onnx.load(made.path).graph.node
    scale = next(known[node.input[1]] for node in nodes if node.op_type == "QuantizeLinear")
    assert scale * 255 == pytest.approx(100)


def test_text_crosses_to_the_worker(tmp_path):
    cases = [{"a/b": np.array(["é", ""], object), "x": np.array(3, np.int64)} for _ in range(2)]
    samples = Samples(save_samples(cases, tmp_path / "samples.npz"))
    assert len(samples) == STRIDE
    read = [samples.get_next(), samples.get_next()]
    assert [case["a/b"].tolist() for case in read] == [["é", ""]] * 2
    assert [case["x"].item() for case in read] == [3, 3]
    assert samples.get_next() is None


def test_steps_of_outputs(tmp_path, worker):
    """The Gemm's output ends in a DequantizeLinear; the Softmax behind it in the other model does not."""
    source = saved(odd.bias_of_two_axes(), tmp_path)
    made = quantize(source, STATIC, tmp_path, worker, FULL, cases_of(source))
    answers = onnxruntime.InferenceSession(made.path).run(None, cases_of(source)[0])[0]
    step = output_steps(made.path)["y"]
    assert np.allclose(answers / step, np.round(answers / step), atol=1e-3)
    made = quantize(saved(odd.wide_mlp(), tmp_path), STATIC, tmp_path, worker, FULL, cases_of(source))
    assert output_steps(made.path) == {}


def test_a_step_for_each_channel_is_no_step(tmp_path):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], axis=1),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], axis=1),
    ]
    stored = {"scale": np.full(3, 0.1, np.float32), "zero": np.zeros(3, np.uint8)}
    shapes = [make.value("x", ["batch", 3])], [make.value("y", ["batch", 3])]
    assert output_steps(make.save(make.model_of(nodes, *shapes, stored), tmp_path)) == {}
    assert output_steps(make.save(make.quantized(), tmp_path)) == {"y": pytest.approx(0.1)}


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


def test_a_tool_that_gives_up_is_a_reason_and_not_an_error(tmp_path, worker):
    """Two branches with weights of one name are valid, and fail an assertion of the float16 converter."""
    refused = refusal(odd.branches(outer=False), FP16, tmp_path, worker)
    assert refused.reason == "tool_failed"
    assert refused.detail.startswith("fp16: AssertionError")


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
