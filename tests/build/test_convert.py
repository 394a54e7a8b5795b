"""Frozen files: equal bytes in every process, right on every CPU, the same interface."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from bundle.builder import ortfile
from bundle.builder.convert import convert
from bundle.builder.gate import Budget, Gate, Reference
from bundle.builder.graph import load_graph, walk_nodes
from bundle.builder.model import Model, StageSkipped
from bundle.builder.operators import required_operators
from bundle.builder.worker import Worker
from bundle.host_specific import host_specific
from tests.build import make_models as make

MODELS = ("mlp", "cnn", "lstm", "trees", "strings", "quantized", "gather_table", "double")
NCHWC = "com.microsoft.nchwc"
# A model whose weights are made by nodes from tensors that are also inputs; onnx's wheel carries it.
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx"


def saved(name: str, folder: Path) -> Model:
    return Model(make.save(getattr(make, name)(), folder, f"{name}.onnx"), "onnx")


def blocks(inside_if: bool = False) -> onnx.ModelProto:
    """image [batch, 16, 8, 8] -> y: a convolution whose channels fill whole blocks on any CPU."""
    shape: list[int | str | None] = ["batch", 16, 8, 8]
    weights = {"w": make.weights(16, 16, 3, 3)}
    inputs = [make.value("image", shape)]
    nodes = [helper.make_node("Conv", ["image", "w"], ["y"], pads=[1, 1, 1, 1])]
    if inside_if:
        branch = helper.make_graph(nodes, "branch", [], [make.value("y", shape)])
        other = helper.make_graph(
            [helper.make_node("Identity", ["image"], ["z"])], "other", [], [make.value("z", shape)]
        )
        nodes = [helper.make_node("If", ["flag"], ["out"], then_branch=branch, else_branch=other)]
        inputs.append(make.value("flag", [], make.BOOL))
    return make.model_of(nodes, inputs, [make.value("out" if inside_if else "y", shape)], weights)


def write_optimized(source: Path, target: Path, form: str, disabled: list[str]) -> None:
    """Let ONNX Runtime write the fully optimized model for this machine."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", form.upper())
    onnxruntime.InferenceSession(
        str(source), options, providers=["CPUExecutionProvider"], disabled_optimizers=disabled
    )


def test_bytes_repeat_from_process_to_process(tmp_path, monkeypatch):
    digests: dict[str, set[str]] = {name: set() for name in MODELS}
    for seed in range(8):
        monkeypatch.setenv("PYTHONHASHSEED", str(seed))
        folder = tmp_path / str(seed)
        folder.mkdir()
        with Worker(timeout=120) as fresh:
            for name in MODELS:
                frozen = convert(saved(name, folder), folder, "arm64", fresh)
                digests[name].add(hashlib.sha256(frozen.path.read_bytes()).hexdigest())
    assert {name: len(found) for name, found in digests.items()} == dict.fromkeys(MODELS, 1)


@pytest.mark.parametrize("arch", ["arm64", "x86_64"])
def test_a_frozen_file_passes_the_gate_and_names_no_folder(tmp_path, worker, arch):
    source = saved("cnn", tmp_path)
    case = {"image": make.weights(2, 1, 16, 16)}
    reference = Reference.of_source(source, [case], worker, {"scores": "argmax"})
    frozen = convert(source, tmp_path, arch, worker)
    assert frozen.format == "ort"
    measured = Gate(reference, worker).judge("convert", frozen, source, Budget.of_stage("convert", 1))
    assert measured.decisions == 2
    assert str(tmp_path).encode() not in frozen.path.read_bytes()


def test_sorting_the_table_keeps_the_answers_read_or_mapped(tmp_path):
    source = make.save(blocks(), tmp_path)
    raw, ready = tmp_path / "raw.ort", tmp_path / "sorted.ort"
    write_optimized(source, raw, "ort", ["NchwcTransformer"])
    ready.write_bytes(ortfile.with_sorted_resolver(raw.read_bytes()))
    assert ortfile.with_sorted_resolver(ready.read_bytes()) == ready.read_bytes()
    assert ortfile.required_inputs(ready.read_bytes()) == ["image"]
    keys = ("use_memory_mapped_ort_model", "use_ort_model_bytes_for_initializers", "disable_prepacking")
    for mapped in (False, True):
        answers = []
        for path in (raw, ready):
            options = onnxruntime.SessionOptions()
            for key in keys if mapped else ():
                options.add_session_config_entry(f"session.{key}", "1")
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            answers.append(session.run(None, {"image": make.weights(3, 16, 8, 8)})[0])
        assert np.array_equal(*answers)


def test_only_files_in_ort_format_are_read():
    with pytest.raises(ValueError, match="ORT format"):
        ortfile.with_sorted_resolver(b"\x00" * 64)


@pytest.mark.parametrize("form", ["ort", "onnx"])
@pytest.mark.parametrize("disabled", [[], ["NchwcTransformer"]], ids=["blocks", "plain"])
@pytest.mark.parametrize("inside_if", [False, True], ids=["main", "if"])
def test_the_sign_of_blocked_layouts_agrees_with_the_graph(tmp_path, form, disabled, inside_if):
    source = make.save(blocks(inside_if), tmp_path)
    target = tmp_path / f"optimized.{form}"
    write_optimized(source, target, form, disabled)
    readable = tmp_path / "optimized.onnx"
    write_optimized(source, readable, "onnx", disabled)
    blocked = any(node.domain == NCHWC for node in walk_nodes(load_graph(readable)))
    assert host_specific([target.read_bytes()], form) == blocked
    assert NCHWC.encode() in target.read_bytes()
    if disabled:
        assert not blocked


def test_the_sign_is_found_across_the_seams_of_pieces():
    for form, sign in (("ort", b"com.microsoft.nchwc:Conv"), ("onnx", b"\x3a\x13com.microsoft.nchwc")):
        data = b"a" * 50 + sign + b"b" * 50
        for size in (1, 2, 7, 64, 1000):
            pieces = [data[start : start + size] for start in range(0, len(data), size)]
            assert host_specific(pieces, form)
        assert not host_specific([b"B\x17\n\x13com.microsoft.nchwc\x10\x01"], form)


def test_a_model_of_blocked_operators_is_refused(tmp_path, worker):
    """Written by hand, because only some CPUs make such nodes out of a convolution."""
    model = blocks()
    model.graph.node[0].domain = NCHWC
    model.opset_import.append(helper.make_opsetid(NCHWC, 1))
    source = Model(make.save(model, tmp_path), "onnx")
    with pytest.raises(StageSkipped) as caught:
        convert(source, tmp_path, "x86_64", worker)
    assert caught.value.reason == "host_specific"


def test_folded_weights_must_not_become_inputs(tmp_path, worker):
    with pytest.raises(StageSkipped) as caught:
        convert(Model(LIGHT, "onnx"), tmp_path, "arm64", worker)
    assert caught.value.reason == "signature_changed"
    assert caught.value.detail == "18 inputs instead of 1, among them folded weights"


def test_a_portable_bundle_has_no_frozen_file(tmp_path, worker):
    with pytest.raises(StageSkipped) as caught:
        convert(saved("mlp", tmp_path), tmp_path, "any", worker)
    assert caught.value.reason == "not_applicable"


def test_a_model_that_does_not_load_is_a_reason_and_not_an_error(tmp_path, worker):
    with pytest.raises(StageSkipped) as caught:
        convert(saved("unknown_operator", tmp_path), tmp_path, "arm64", worker)
    assert caught.value.reason == "tool_failed"
    assert str(tmp_path) not in caught.value.detail


def test_operators_are_listed_for_all_files_in_one_order(tmp_path, worker):
    frozen = []
    for name in ("mlp", "trees"):
        folder = tmp_path / name
        folder.mkdir()
        frozen.append(convert(saved(name, folder), folder, "arm64", worker))
    text = required_operators(frozen, worker)
    assert text == required_operators(frozen[::-1], worker)
    assert "ai.onnx.ml;3;TreeEnsembleClassifier" in text
    assert 'Softmax{"inputs": {"0": ["float"]}}' in text
    assert "#" not in text
    assert str(tmp_path) not in text
