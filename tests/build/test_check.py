import copy

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bundle.builder.check import check
from bundle.builder.ingest import ingest
from bundle.builder.repeat import check_repeats
from bundle.builder.signature import open_bytes, open_session, read_signature
from bundle.builder.synthetic import synthesize
from bundle.error import BundleError
from tests.build import make_models as make
from tests.build import make_odd_models as odd
from tests.build import make_quantizable as quantizable


def codes(advice):
    return [each.code for each in advice]


def refusal(call, *arguments):
    with pytest.raises(BundleError) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize(
    "name",
    [
        "mlp", "cnn", "two_inputs", "scalar_input", "strings", "lstm", "gather_table", "fp16", "boolean",
        "trees", "data_dependent", "random_normal",
    ],
)  # fmt: skip
def test_sound_model_passes_without_advice(checked, name):
    message = getattr(make, name)()
    before = copy.deepcopy(message)
    model, advice = checked(message)
    assert advice == []
    assert list(onnx.load(model.path).graph.node) == list(before.graph.node)
    signature = read_signature(model)
    assert [port.name for port in signature.inputs] == [port.name for port in before.graph.input]


def test_same_bytes_twice(checked):
    first, _ = checked(odd.unnamed_dims())
    content = first.path.read_bytes()
    assert checked(odd.unnamed_dims())[0].path.read_bytes() == content


def test_model_with_its_weights_outside(tmp_path):
    source = make.external_data(tmp_path / "source")
    (tmp_path / "ingest").mkdir()
    (tmp_path / "check").mkdir()
    model, _ = check(ingest(source, tmp_path / "ingest", 100), tmp_path / "check")
    case = synthesize(model, read_signature(model))[0]
    plain = make.save(make.mlp(), tmp_path)
    actual = open_session(model).run(None, case)[0]
    assert np.array_equal(actual, open_bytes(plain.read_bytes()).run(None, case)[0])


def test_invalid_graph(checked):
    message = make.mlp()
    message.graph.node[1].input[0] = "nowhere"
    assert refusal(checked, message).code == "model_invalid"


def test_model_that_the_runtime_has_no_kernel_for(checked, tmp_path):
    message = make.identity(TensorProto.DOUBLE)
    message.graph.node[0].op_type = "Erf"
    error = refusal(checked, message)
    assert error.code == "model_rejected"
    assert str(tmp_path) not in str(error)


def test_contradicting_shapes_are_advice(checked):
    model, advice = checked(odd.contradiction())
    assert codes(advice) == ["shapes_inconsistent"]
    assert open_session(model)


# Operators


@pytest.mark.parametrize("inside_if", [False, True])
def test_unknown_domain(checked, inside_if):
    error = refusal(checked, odd.custom_domain(inside_if))
    assert (error.code, error.subject) == ("domain_unknown", "com.example")


def test_local_function_is_known(checked):
    assert checked(odd.local_function())[1] == []


def test_unknown_domain_inside_a_local_function(checked):
    message = odd.local_function()
    message.functions[0].node[0].domain = "com.other"
    assert refusal(checked, message).subject == "com.other"


def test_operator_missing_from_a_local_functions_domain(checked):
    message = odd.local_function()
    message.functions[0].name = "Varnish"
    error = refusal(checked, message)
    assert (error.code, error.subject) == ("operator_unknown", "Polish")


@pytest.mark.parametrize("domain", ["", "ai.onnx.ml", "com.microsoft"])
def test_unknown_operator(checked, domain):
    message = make.unknown_operator()
    message.graph.node[0].domain = domain
    message.opset_import.extend(
        [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("com.microsoft", 1)]
    )
    error = refusal(checked, message)
    assert (error.code, error.subject) == ("operator_unknown", "Polish")


def test_operator_of_the_runtime(checked):
    message = make.two_inputs()
    message.graph.node[0].op_type = "BiasGelu"
    message.graph.node[0].domain = "com.microsoft"
    message.graph.input[1].CopyFrom(make.value("b", [3]))
    message.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert checked(message)[1] == []


def test_operator_of_one_host(checked):
    message = make.mlp()
    message.graph.node[0].domain = "com.microsoft.nchwc"
    assert refusal(checked, message).code == "host_specific_model"


# Advice


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (make.mlp(4), ["fixed_batch"]),
        (make.identity(make.FLOAT, [3]), []),
        (make.dropout_training(), ["training_mode"]),
        (make.batchnorm_training(), ["training_mode"]),
        (make.quantized(), ["already_quantized"]),
        (make.double(), ["float64_weights"]),
        (quantizable.half_weights(), ["float16_sums"]),
    ],
)
def test_advice(checked, message, expected):
    assert codes(checked(message)[1]) == expected


def test_advice_on_an_old_opset(checked):
    message = make.identity(TensorProto.FLOAT)
    message.opset_import[0].version = 12
    assert codes(checked(message)[1]) == ["old_opset"]


# Repetition


def cases_for(model):
    return synthesize(model, read_signature(model), count=2)


@pytest.mark.parametrize("name", ["mlp", "strings", "if_branches"])
def test_model_that_repeats(checked, name):
    model, _ = checked(getattr(make, name)())
    assert check_repeats(model, cases_for(model)) == []


@pytest.mark.parametrize(
    ("message", "operator"),
    [
        (make.random_normal(), "RandomNormalLike"),
        (odd.random_seeded(), "RandomNormalLike"),
        (make.dropout_training(), "Dropout"),
    ],
)
def test_model_that_draws_numbers(checked, message, operator):
    model, _ = checked(message)
    error = refusal(check_repeats, model, cases_for(model))
    assert (error.code, error.subject) == ("model_random", "y")
    assert operator in error.found
    assert codes(check_repeats(model, cases_for(model), allow_random=True)) == ["model_random"]
