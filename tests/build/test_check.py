import copy

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bundle.build import opset
from bundle.build.check import check
from bundle.build.ingest import ingest
from bundle.build.model import Port, StageSkipped
from bundle.build.opset import convert_opset
from bundle.build.repeat import check_repeats
from bundle.build.signature import open_bytes, open_session, read_signature
from bundle.build.synthetic import synthesize
from bundle.error import BundleError
from tests.build import make_models as make


@pytest.fixture
def checked(tmp_path):
    """Return a function that checks a message and gives the model and the advice."""

    def run(message):
        return check(ingest(make.save(message, tmp_path), tmp_path), tmp_path)

    return run


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
        "trees", "data_dependent", "local_function", "random_normal",
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
    first, _ = checked(make.unnamed_dims())
    content = first.path.read_bytes()
    assert checked(make.unnamed_dims())[0].path.read_bytes() == content


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
    assert error.code == "model_unloadable"
    assert str(tmp_path) not in str(error)


def test_contradicting_shapes_are_advice(checked):
    model, advice = checked(make.contradiction())
    assert codes(advice) == ["shapes_inconsistent"]
    assert open_session(model)


# Versions


@pytest.mark.parametrize("domain", opset.NEWEST_OPSETS)
def test_newest_opsets_are_those_of_the_runtime(domain):
    def stamped(version):
        message = make.mlp()
        message.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
        next(each for each in message.opset_import if each.domain == domain).version = version
        return message.SerializeToString()

    assert open_bytes(stamped(opset.NEWEST_OPSETS[domain]))
    assert refusal(open_bytes, stamped(opset.NEWEST_OPSETS[domain] + 1)).code == "model_unloadable"


def test_newest_ir_is_that_of_the_runtime():
    message = make.mlp()
    message.ir_version = opset.NEWEST_IR
    assert open_bytes(message.SerializeToString())
    message.ir_version += 1
    assert refusal(open_bytes, message.SerializeToString()).code == "model_unloadable"


def test_duplicate_imports_become_the_last(checked):
    model, _ = checked(make.duplicate_opset())
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
    model, _ = checked(make.new_ir())
    assert onnx.load(model.path).ir_version == opset.NEWEST_IR


def test_newer_opset_with_unchanged_operators_is_restamped(checked):
    model, advice = checked(make.new_ir(opset.NEWEST_OPSETS[""] + 1))
    assert onnx.load(model.path).opset_import[0].version == opset.NEWEST_OPSETS[""]
    assert advice == []


def test_opset_of_the_far_future(checked):
    error = refusal(checked, make.new_ir(99))
    assert (error.code, error.subject) == ("opset_unsupported", "ai.onnx")


def test_ml_opset_of_the_future(checked):
    message = make.strings()
    message.opset_import[1].version = 99
    error = refusal(checked, message)
    assert (error.code, error.subject) == ("opset_unsupported", "ai.onnx.ml")


def test_opset_without_kernels_is_raised(checked):
    model, advice = checked(make.old_opset())
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
    model, _ = checked(make.layer_norm())
    with pytest.raises(StageSkipped) as caught:
        convert_opset(model, tmp_path, 13)
    assert caught.value.reason == "tool_failed"


@pytest.mark.parametrize("version", [6, 27])
def test_convert_opset_outside_the_range(checked, tmp_path, version):
    model, _ = checked(make.mlp())
    assert refusal(convert_opset, model, tmp_path, version).code == "opset_unsupported"


# Operators


@pytest.mark.parametrize("inside_if", [False, True])
def test_unknown_domain(checked, inside_if):
    error = refusal(checked, make.custom_domain(inside_if))
    assert (error.code, error.subject) == ("domain_unknown", "com.example")


def test_unknown_domain_inside_a_local_function(checked):
    message = make.local_function()
    message.functions[0].node[0].domain = "com.other"
    assert refusal(checked, message).subject == "com.other"


def test_operator_missing_from_a_local_functions_domain(checked):
    message = make.local_function()
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


# The edge


def shapes(model):
    signature = read_signature(model)
    return [port.shape for port in (*signature.inputs, *signature.outputs)]


def test_unnamed_dimensions_get_names(checked):
    model, advice = checked(make.unnamed_dims())
    assert shapes(model) == [("batch", 3, "x_dim_2"), ("batch", 3, "x_dim_2")]
    assert advice == []


def test_outputs_of_unknown_size_are_named_after_themselves(checked):
    assert shapes(checked(make.data_dependent())[0]) == [("batch",), (1, "where_dim_1")]


def test_batch_is_taken(checked):
    message = make.unnamed_dims()
    message.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "batch"
    assert shapes(checked(message)[0])[0] == ("dim_0", 3, "batch")


def test_symbol_named_like_ours(checked):
    message = make.unnamed_dims()
    message.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "x_dim_2"
    assert shapes(checked(message)[0])[0] == ("x_dim_2", 3, "x_dim_2_2")


@pytest.mark.parametrize("placeholder", ["?", "None"])
def test_placeholder_is_no_name(checked, placeholder):
    message = make.unnamed_dims()
    for port in (message.graph.input[0], message.graph.output[0]):
        port.type.tensor_type.shape.dim[0].dim_param = placeholder
        port.type.tensor_type.shape.dim[2].dim_param = placeholder
    assert shapes(checked(message)[0])[0] == ("batch", 3, "x_dim_2")


def test_negative_size_is_unnamed(checked):
    message = make.unnamed_dims()
    message.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    message.graph.output[0].type.tensor_type.shape.dim[0].dim_value = -1
    assert shapes(checked(message)[0])[0] == ("batch", 3, "x_dim_2")


def test_several_inputs_share_the_batch_and_it_is_said(checked):
    message = make.two_inputs()
    for port in message.graph.input:
        port.type.tensor_type.shape.dim[0].ClearField("dim_param")
    model, advice = checked(message)
    assert shapes(model)[:2] == [("batch", 3), ("batch", 3)]
    assert codes(advice) == ["batch_assumed"]


def test_output_without_a_shape(checked):
    message = make.mlp()
    message.graph.output[0].type.tensor_type.ClearField("shape")
    assert shapes(checked(message)[0])[1] == ("batch", 4)


def test_output_shape_that_only_the_runtime_knows(checked):
    message = make.two_inputs()
    message.graph.node[0].op_type = "BiasGelu"
    message.graph.node[0].domain = "com.microsoft"
    message.graph.input[1].CopyFrom(make.value("b", [3]))
    message.graph.output[0].type.tensor_type.ClearField("shape")
    message.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert shapes(checked(message)[0])[2] == ("batch", 3)


def test_input_without_a_shape(checked):
    error = refusal(checked, make.identity(TensorProto.FLOAT, None))
    assert (error.code, error.subject) == ("tensor_unsupported", "x")


def test_initializers_are_no_inputs(checked):
    model, _ = checked(make.initializer_inputs())
    assert [port.name for port in read_signature(model).inputs] == ["x"]
    assert [port.name for port in onnx.load(model.path).graph.input] == ["x"]


def test_second_output_of_a_name_is_dropped(checked):
    model, advice = checked(make.duplicate_output_name())
    assert [port.name for port in read_signature(model).outputs] == ["probabilities"]
    assert [(each.code, each.subject) for each in advice] == [("output_duplicate", "probabilities")]


@pytest.mark.parametrize("name", ["a\nb", "\x7f", "\x00", "\x85"])
def test_control_character_in_a_name(checked, name):
    message = make.identity(TensorProto.FLOAT)
    message.graph.input[0].name = name
    message.graph.node[0].input[0] = name
    assert refusal(checked, message).code == "name_invalid"


def test_control_character_in_a_symbol(checked):
    assert refusal(checked, make.identity(TensorProto.FLOAT, ["a\tb"])).code == "name_invalid"


@pytest.mark.parametrize("dtype", [TensorProto.BFLOAT16, TensorProto.COMPLEX64, TensorProto.INT4])
def test_element_type_outside_the_spec(checked, dtype):
    error = refusal(checked, make.identity(dtype))
    assert (error.code, error.found) == ("dtype_unsupported", TensorProto.DataType.Name(dtype).lower())


def test_sequence_at_the_edge(checked):
    error = refusal(checked, make.sequence_output())
    assert (error.code, error.subject, error.found) == ("tensor_unsupported", "parts", "a sequence")


@pytest.mark.parametrize("dtype", [TensorProto.STRING, TensorProto.FLOAT16])
def test_scalars_that_a_runtime_cannot_pass(checked, dtype):
    assert refusal(checked, make.identity(dtype, [])).code == "tensor_unsupported"


def test_signature_words(checked):
    signature = read_signature(checked(make.strings())[0])
    assert signature.inputs == (Port("words", "string", ("batch",)),)
    assert signature.outputs[1] == Port("number", "int64", ("batch",))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (make.identity(TensorProto.BFLOAT16), "dtype_unsupported"),
        (make.sequence_output(), "tensor_unsupported"),
    ],
)
def test_signature_of_an_unchecked_model(tmp_path, message, code):
    assert refusal(read_signature, ingest(make.save(message, tmp_path), tmp_path)).code == code


# Advice


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (make.mlp(4), ["fixed_batch"]),
        (make.dropout_training(), ["training_mode"]),
        (make.batchnorm_training(), ["training_mode"]),
        (make.quantized(), ["already_quantized"]),
        (make.double(), ["float64_weights"]),
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
    ("name", "operator"),
    [
        ("random_normal", "RandomNormalLike"),
        ("random_seeded", "RandomNormalLike"),
        ("dropout_training", "Dropout"),
    ],
)
def test_model_that_draws_numbers(checked, name, operator):
    model, _ = checked(getattr(make, name)())
    error = refusal(check_repeats, model, cases_for(model))
    assert (error.code, error.subject) == ("model_random", "y")
    assert operator in error.found
    assert codes(check_repeats(model, cases_for(model), allow_random=True)) == ["model_random"]
