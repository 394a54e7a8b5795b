"""Quantizing: smaller files that answer alike, of the scheme of the target, and the same ones each time."""

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from bundle.builder.model import Model
from bundle.builder.quantize import PRECISIONS, Scheme, int8_sums, output_steps, quantize
from bundle.builder.quantize.samples import STRIDE, Samples, save_samples
from bundle.builder.worker import Worker
from bundle.manifest import Target
from bundle.spec import table
from tests.build import make_models as make
from tests.build import make_quantizable as odd
from tests.build.quantizing import FULL, REDUCED, SIGNED, cases_of, int8_weights, judged, saved, weights_of

FP16, DYNAMIC, STATIC = PRECISIONS
INT8 = (DYNAMIC, STATIC)


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


def test_nothing_is_left_where_the_worker_stands(tmp_path, monkeypatch):
    """ONNX Runtime writes a file there where its inference of symbolic shapes gives up."""
    here, work = tmp_path / "here", tmp_path / "work"
    here.mkdir()
    work.mkdir()
    monkeypatch.setenv("TMPDIR", str(here))  # which is where a worker stands
    source = saved(odd.unknown_shape(), tmp_path)
    with Worker(timeout=120) as fresh:
        made = quantize(source, STATIC, work, fresh, REDUCED, cases_of(source))
    assert len(int8_weights(made)) == 1
    assert os.listdir(here) == []
    assert os.listdir(work) == [made.path.name]


def test_paths_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make.save(odd.wide_mlp(), tmp_path)
    source = Model(Path("model.onnx"), "onnx")
    with Worker(timeout=120) as fresh:
        for precision in PRECISIONS:
            assert quantize(source, precision, Path(), fresh, REDUCED, cases_of(source)).path.is_file()


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


@pytest.mark.parametrize(("behind", "sums"), [("", 1), ("Relu", 0)])
def test_sums_that_are_taken_in_int8(tmp_path, worker, behind, sums):
    """A Relu behind the sum keeps it apart from the QuantizeLinear that the next convolution brings."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["inner"]),
        helper.make_node("Conv", ["inner", "w"], ["deeper"]),
        helper.make_node("Add", ["inner", "deeper"], ["sum"]),
        *([helper.make_node(behind, ["sum"], ["after"])] if behind else []),
        helper.make_node("Conv", ["after" if behind else "sum", "w"], ["y"]),
    ]
    shape = ["batch", 3, 2, 2]
    stored = {"w": make.weights(3, 3, 1, 1)}
    model = make.model_of(nodes, [make.value("x", shape)], [make.value("y", shape)], stored)
    source = saved(model, tmp_path)
    assert int8_sums(source.path) == 0
    made = quantize(source, STATIC, tmp_path, worker, FULL, [{"x": make.weights(1, 3, 2, 2)}])
    assert int8_sums(made.path) == sums


def test_a_step_for_each_channel_is_no_step(tmp_path):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], axis=1),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], axis=1),
    ]
    stored = {"scale": np.full(3, 0.1, np.float32), "zero": np.zeros(3, np.uint8)}
    shapes = [make.value("x", ["batch", 3])], [make.value("y", ["batch", 3])]
    assert output_steps(make.save(make.model_of(nodes, *shapes, stored), tmp_path)) == {}
    assert output_steps(make.save(make.quantized(), tmp_path)) == {"y": pytest.approx(0.1)}
