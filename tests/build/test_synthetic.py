import numpy as np
import pytest

from bundle.builder.golden import run_case
from bundle.builder.graph import load_graph
from bundle.builder.model import Model, Port, Signature
from bundle.builder.ranges import Range, integer_ranges
from bundle.builder.signature import open_session, read_signature
from bundle.builder.synthetic import batch_symbol, follow_batch, synthesize
from bundle.error import BundleError
from tests.build import make_models as make


def refusal(call, *arguments, **options):
    with pytest.raises(BundleError) as caught:
        call(*arguments, **options)
    return caught.value


def model_file(tmp_path, message):
    model = Model(make.save(message, tmp_path), "onnx")
    return model, read_signature(model)


@pytest.mark.parametrize(
    "name",
    ["mlp", "cnn", "two_inputs", "scalar_input", "strings", "if_branches", "lstm", "gather_table", "fp16",
     "double", "boolean", "trees", "data_dependent"],
)  # fmt: skip
def test_synthetic_cases_run_and_differ(tmp_path, name):
    model, signature = model_file(tmp_path, getattr(make, name)())
    cases = synthesize(model, signature, count=4)
    assert len(cases) == 4
    session = open_session(model)
    batch = batch_symbol(signature)
    for case in cases:
        run_case(session, case)
        for port in signature.inputs:
            assert [case[port.name].shape[i] for i, size in enumerate(port.shape) if size == batch] in (
                [1],
                [],
            )
    first, second = (
        [array.tolist() for array in case.values() if array.dtype.kind != "b"] for case in cases[:2]
    )
    assert first != second or name == "boolean"


def test_synthetic_cases_repeat(tmp_path):
    model, signature = model_file(tmp_path, make.two_inputs())

    def contents(**options):
        return [
            array.tobytes() for case in synthesize(model, signature, **options) for array in case.values()
        ]

    assert contents() == contents()
    assert contents(seed=1) != contents(seed=2)


def test_images_get_the_size_that_the_model_needs(tmp_path):
    model, signature = model_file(tmp_path, make.cnn())
    assert synthesize(model, signature)[0]["image"].shape == (1, 1, 16, 16)


def test_symbols_may_need_sizes_of_their_own(tmp_path):
    message = make.lstm()
    for port in message.graph.input[1:]:
        port.type.tensor_type.shape.dim[1].dim_param = "of_the_state"
    model, signature = model_file(tmp_path, message)
    case = synthesize(model, signature)[0]
    assert case["state"].shape == (1, 1, 5)


def test_batch_is_followed_to_the_outputs(tmp_path):
    model, signature = model_file(tmp_path, make.lstm())
    case = synthesize(model, signature)[0]
    expected = {("out", 2), ("last", 1), ("last_cell", 1)}
    assert follow_batch(open_session(model), signature, case) == expected


def test_indices_stay_inside_the_table(tmp_path):
    model, signature = model_file(tmp_path, make.gather_table(3))
    assert integer_ranges(load_graph(model.path)) == {"ids": Range(stop=3)}
    ids = np.concatenate([case["ids"] for case in synthesize(model, signature)])
    assert set(ids.ravel()) == {0, 1, 2}


def test_branch_values_come_from_the_graph(tmp_path):
    model, signature = model_file(tmp_path, make.if_branches())
    assert integer_ranges(load_graph(model.path)) == {"rate": Range(choices=(16000,))}
    assert {int(case["rate"]) for case in synthesize(model, signature)} == {16000}


def test_comparison_that_no_branch_needs_limits_nothing(tmp_path):
    message = make.if_branches()
    del message.graph.node[1]
    message.graph.node.append(make.helper.make_node("Identity", ["x"], ["y"]))
    assert integer_ranges(message) == {}


def test_masks_hold_mostly_ones(tmp_path):
    signature = Signature((Port("attention_mask", "int64", ("batch", "n")),), ())
    message = make.identity(make.INT64, ("batch", "n"))
    message.graph.input[0].name = message.graph.node[0].input[0] = "attention_mask"
    model = Model(make.save(message, tmp_path), "onnx")
    masks = np.stack([case["attention_mask"] for case in synthesize(model, signature)])
    assert set(masks.ravel()) == {0, 1}
    assert masks[..., 0].all()


def test_bytes_cover_their_range(tmp_path):
    model, signature = model_file(tmp_path, make.identity(make.TensorProto.UINT8, ("batch", 64)))
    assert synthesize(model, signature)[0]["x"].max() > 100


def test_logarithms_get_positive_numbers(tmp_path):
    message = make.identity(make.FLOAT, ("batch", 1))
    message.graph.node[0].op_type = "Log"
    message.graph.node[0].output[0] = "log"
    message.graph.node.append(make.helper.make_node("ReduceSum", ["log"], ["y"], keepdims=1))
    model, signature = model_file(tmp_path, message)
    cases = synthesize(model, signature, count=2)
    assert any(np.isfinite(run_case(open_session(model), case)["y"]).all() for case in cases)


def test_impossible_cases_ask_for_real_ones(tmp_path):
    node = make.helper.make_node("Reshape", ["x", "shape"], ["y"])
    inputs = [make.value("x", ["batch", 3]), make.value("shape", [2], make.INT64)]
    message = make.model_of([node], inputs, [make.value("y", ["a", "b"])])
    model, signature = model_file(tmp_path, message)
    error = refusal(synthesize, model, signature)
    assert error.code == "golden_impossible"
    assert "--golden" in error.hint
