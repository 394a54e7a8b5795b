import numpy as np
import onnx
import pytest
from onnx import helper

from bundle.builder import opset
from bundle.builder.model import StageSkipped
from bundle.builder.opset import convert_opset
from bundle.builder.signature import open_bytes, open_session, read_signature
from bundle.builder.synthetic import synthesize
from bundle.error import BundleError
from tests.build import make_models as make
from tests.build import make_odd_models as odd


def codes(advice):
    return [each.code for each in advice]


def refusal(call, *arguments):
    with pytest.raises(BundleError) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize("domain", opset.NEWEST_OPSETS)
def test_newest_opsets_are_those_of_the_runtime(domain):
    def stamped(version):
        message = make.mlp()
        message.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
        next(each for each in message.opset_import if each.domain == domain).version = version
        return message.SerializeToString()

    assert open_bytes(stamped(opset.NEWEST_OPSETS[domain]))
    assert refusal(open_bytes, stamped(opset.NEWEST_OPSETS[domain] + 1)).code == "model_rejected"


def test_newest_ir_is_that_of_the_runtime():
    message = make.mlp()
    message.ir_version = opset.NEWEST_IR
    assert open_bytes(message.SerializeToString())
    message.ir_version += 1
    assert refusal(open_bytes, message.SerializeToString()).code == "model_rejected"


def test_duplicate_imports_become_the_last(checked):
    model, _ = checked(odd.duplicate_opset())
    imports = onnx.load(model.path).opset_import
    assert [(each.domain, each.version) for each in imports] == [("", make.OPSET)]


def test_long_name_of_the_default_domain(checked):
    message = make.mlp()
    message.opset_import[0].domain = "ai.onnx"
    for node in message.graph.node:
        node.domain = "ai.onnx"
    model, _ = checked(message)
    assert {node.domain for node in onnx.load(model.path).graph.node} == {""}


def test_missing_default_import_is_added(checked):
    message = make.trees()
    del message.opset_import[0]
    model, advice = checked(message)
    assert {each.domain for each in onnx.load(model.path).opset_import} == {"", "ai.onnx.ml"}
    assert advice == []


def test_newer_ir_is_lowered(checked):
    model, _ = checked(odd.new_ir())
    assert onnx.load(model.path).ir_version == opset.NEWEST_IR


def test_newer_opset_with_unchanged_operators_is_restamped(checked):
    model, advice = checked(odd.new_ir(opset.NEWEST_OPSETS[""] + 1))
    assert onnx.load(model.path).opset_import[0].version == opset.NEWEST_OPSETS[""]
    assert advice == []


def test_opset_of_the_far_future(checked):
    error = refusal(checked, odd.new_ir(99))
    assert (error.code, error.subject) == ("opset_unsupported", "ai.onnx")


def test_ml_opset_of_the_future(checked):
    message = make.strings()
    message.opset_import[1].version = 99
    error = refusal(checked, message)
    assert (error.code, error.subject) == ("opset_unsupported", "ai.onnx.ml")


def test_opset_without_kernels_is_raised(checked):
    model, advice = checked(odd.old_opset())
    assert codes(advice) == ["opset_changed", "old_opset"]
    assert onnx.load(model.path).opset_import[0].version == opset.OLDEST_OPSET


def test_convert_opset_keeps_answers(checked, tmp_path):
    model, _ = checked(make.mlp())
    candidate = convert_opset(model, tmp_path, 21)
    assert onnx.load(candidate.path).opset_import[0].version == 21
    assert read_signature(candidate) == read_signature(model)
    case = synthesize(model, read_signature(model))[0]
    answers = [open_session(each).run(None, case)[0] for each in (model, candidate)]
    assert np.array_equal(*answers)


def test_convert_opset_that_is_there_already(checked, tmp_path):
    model, _ = checked(make.mlp())
    with pytest.raises(StageSkipped) as caught:
        convert_opset(model, tmp_path, make.OPSET)
    assert caught.value.reason == "unchanged"


def test_convert_opset_beyond_the_converter(checked, tmp_path):
    model, _ = checked(odd.layer_norm())
    with pytest.raises(StageSkipped) as caught:
        convert_opset(model, tmp_path, 13)
    assert caught.value.reason == "tool_failed"


@pytest.mark.parametrize("version", [6, 27])
def test_convert_opset_outside_the_range(checked, tmp_path, version):
    model, _ = checked(make.mlp())
    assert refusal(convert_opset, model, tmp_path, version).code == "opset_unsupported"
