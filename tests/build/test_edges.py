import onnx
import pytest
from onnx import TensorProto, helper

from bundle.builder.ingest import ingest
from bundle.builder.model import Port
from bundle.builder.signature import read_signature
from bundle.error import BundleError
from tests.build import make_models as make
from tests.build import make_odd_models as odd


def codes(advice):
    return [each.code for each in advice]


def refusal(call, *arguments):
    with pytest.raises(BundleError) as caught:
        call(*arguments)
    return caught.value


def shapes(model):
    signature = read_signature(model)
    return [port.shape for port in (*signature.inputs, *signature.outputs)]


def test_unnamed_dimensions_get_names(checked):
    model, advice = checked(odd.unnamed_dims())
    assert shapes(model) == [("batch", 3, "x_dim_2"), ("batch", 3, "x_dim_2")]
    assert advice == []


def test_outputs_of_unknown_size_are_named_after_themselves(checked):
    assert shapes(checked(make.data_dependent())[0]) == [("batch",), (1, "where_dim_1")]


def test_output_axes_that_grow_with_the_batch_get_its_name(checked):
    message = make.trees()
    for port in message.graph.output:
        port.type.tensor_type.shape.dim[0].dim_param = f"of_{port.name}"
    assert shapes(checked(message)[0]) == [("batch", 2), ("batch",), ("batch", 2)]


def test_batch_is_taken(checked):
    message = odd.unnamed_dims()
    message.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "batch"
    assert shapes(checked(message)[0])[0] == ("dim_0", 3, "batch")


def test_symbol_named_like_ours(checked):
    message = odd.unnamed_dims()
    message.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "x_dim_2"
    assert shapes(checked(message)[0])[0] == ("x_dim_2", 3, "x_dim_2_2")


@pytest.mark.parametrize("placeholder", ["?", "None"])
def test_placeholder_is_no_name(checked, placeholder):
    message = odd.unnamed_dims()
    for port in (message.graph.input[0], message.graph.output[0]):
        port.type.tensor_type.shape.dim[0].dim_param = placeholder
        port.type.tensor_type.shape.dim[2].dim_param = placeholder
    assert shapes(checked(message)[0])[0] == ("batch", 3, "x_dim_2")


def test_negative_size_is_unnamed(checked):
    message = odd.unnamed_dims()
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
    model, advice = checked(odd.duplicate_output_name())
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


@pytest.mark.parametrize("what", ["input", "symbol"])
def test_name_that_is_too_long(checked, what):
    longest, longer = "ü" * 512, "ü" * 512 + "n"
    for name, taken in ((longest, True), (longer, False)):
        message = make.identity(TensorProto.FLOAT, [name if what == "symbol" else "n"])
        if what == "input":
            message.graph.input[0].name = message.graph.node[0].input[0] = name
        if taken:
            checked(message)
        else:
            assert refusal(checked, message).code == "name_invalid"


def test_rank_that_is_too_high(checked):
    checked(make.identity(TensorProto.FLOAT, ["n", *[1] * 7]))
    error = refusal(checked, make.identity(TensorProto.FLOAT, ["n", *[1] * 8]))
    assert (error.code, error.subject, error.found) == ("tensor_unsupported", "x", "9")


@pytest.mark.parametrize("dtype", [TensorProto.BFLOAT16, TensorProto.COMPLEX64, TensorProto.INT4])
def test_element_type_outside_the_spec(checked, dtype):
    error = refusal(checked, make.identity(dtype))
    assert (error.code, error.found) == ("dtype_unsupported", TensorProto.DataType.Name(dtype).lower())


def test_sequence_at_the_edge(checked):
    error = refusal(checked, odd.sequence_output())
    assert (error.code, error.subject, error.found) == ("tensor_unsupported", "parts", "sequence")


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
        (odd.sequence_output(), "tensor_unsupported"),
    ],
)
def test_signature_of_an_unchecked_model(tmp_path, message, code):
    assert refusal(read_signature, ingest(make.save(message, tmp_path), tmp_path)).code == code
