"""Editing: what each edit does to a model, what is refused, and that answers stay."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bundle.builder import surgery
from bundle.builder.signature import open_session
from tests.build import make_models as make
from tests.build import make_odd_models as odd
from tests.build.edits import Run, refusal, shapes


def test_inputs_and_outputs_get_other_names(edited: Run) -> None:
    done = edited(
        make.two_inputs(), rename_inputs={"a": "left", "b": "right"}, rename_outputs={"sum": "total"}
    )
    assert shapes(done) == {name: ["batch", 3] for name in ("left", "right", "total")}
    assert (len(done.likeness.cases), done.likeness.worst_error) == (3, 0.0)


def test_names_can_be_swapped(edited: Run) -> None:
    """a - b becomes b - a in the new words, which is the same answer to the same tensors."""
    message = make.two_inputs()
    message.graph.node[0].op_type = "Sub"
    done = edited(message, rename_inputs={"a": "b", "b": "a"})
    [node] = onnx.load(done.model.path).graph.node
    assert list(node.input) == ["b", "a"]
    assert done.likeness.worst_error == 0.0


def test_a_name_that_a_subgraph_takes_from_outside_follows(edited: Run) -> None:
    done = edited(make.if_branches(), rename_inputs={"x": "sound", "rate": "hertz"})
    branches = [each.g for each in onnx.load(done.model.path).graph.node[1].attribute]
    assert {name for graph in branches for node in graph.node for name in node.input} == {"sound", "five"}
    assert done.likeness.worst_error == 0.0


def test_a_name_of_a_subgraphs_own_stays(edited: Run) -> None:
    """ONNX forbids a name that hides another one, but files have them: only the outer tensor is meant."""
    message = make.if_branches()
    branch = message.graph.node[1].attribute[0].g
    branch.node[0].output[0] = branch.output[0].name = "y"
    surgery.rename(message, {}, {"y": "z"})
    assert branch.output[0].name == "y"
    assert message.graph.node[1].output[0] == message.graph.output[0].name == "z"


def test_weights_that_are_listed_as_inputs_are_no_inputs(edited: Run) -> None:
    message = make.initializer_inputs()
    weight = message.graph.initializer[0].name
    error = refusal(edited, message, rename_inputs={weight: "other"})
    assert (error.code, error.subject) == ("edit_invalid", weight)


@pytest.mark.parametrize(
    ("wanted", "subject", "expected"),
    [
        ({"rename_inputs": {"y": "z"}}, "y", "an input of the model: `x`"),
        ({"rename_outputs": {"x": "z"}}, "x", "an output of the model"),
        ({"rename_inputs": {"x": "w1"}}, "x", "no tensor of the model has"),
        ({"rename_outputs": {"probabilities": "h"}}, "probabilities", "no tensor of the model has"),
        (
            {"rename_inputs": {"x": "n"}, "rename_outputs": {"probabilities": "n"}},
            "probabilities",
            "new name",
        ),
        ({"rename_inputs": {"x": "a\nb"}}, "x", "control characters"),
        ({"rename_inputs": {"x": ""}}, "x", "1 to 1024 bytes"),
        ({"fix": {"bach": 2}}, "bach", "a named axis of an input (`batch`)"),
        ({"fix": {"batch": 0}}, "batch", "at least 1"),
        ({"fix": {"x:1": 9}}, "x:1", "an axis without a size"),
        ({"fix": {"x:2": 9}}, "x:2", "an axis below 2"),
        ({"fix": {"x:-1": 9}}, "x:-1", "INPUT:AXIS"),
        ({"fix": {"y:0": 9}}, "y", "an input of the model"),
        ({"free": {"x": "n"}}, "x", "INPUT:AXIS"),
        ({"free": {"x:0": "n"}}, "x:0", "an axis with a size"),
        ({"free": {"x:1": "8"}}, "x:1", "a name for the axis"),
        ({"fix": {"x:1": 8}, "free": {"x:1": "n"}}, "x:1", "fixed or freed"),
        ({"outputs": ["z", "nothing"]}, "nothing", "an output or an inner tensor"),
        ({"outputs": ["z,z"]}, "z", "each output once"),
        ({"outputs": ["x"]}, "x", "an output or an inner tensor"),
    ],
)
def test_what_cannot_be_done_is_said(
    wanted: dict[str, Any], subject: str, expected: str, edited: Run
) -> None:
    error = refusal(edited, make.mlp(), **wanted)
    assert (error.code, error.subject) == ("edit_invalid", subject)
    assert expected in error.expected


def test_a_misspelt_name_is_met_with_the_right_one(edited: Run) -> None:
    error = refusal(edited, make.mlp(), rename_outputs={"probabilites": "p"})
    assert error.hint == "did you mean `probabilities`?"


def test_a_tensor_that_is_input_and_output_keeps_its_name(edited: Run) -> None:
    message = make.two_inputs()
    message.graph.output.append(make.value("a", ["batch", 3]))
    assert refusal(edited, message, rename_inputs={"a": "left"}).found == "one that is both"


def test_a_symbol_gets_one_size_everywhere(edited: Run) -> None:
    done = edited(make.lstm(), fix={"batch": 2, "x:0": 6})
    assert shapes(done) == {
        "x": [6, 2, 4],
        "state": [1, 2, 5],
        "cell": [1, 2, 5],
        # The number of steps follows by shape inference.
        "out": [6, 1, 2, 5],
        "last": [1, 2, 5],
        "last_cell": [1, 2, 5],
    }
    assert done.likeness.cases[0]["x"].shape == (6, 2, 4)


def test_an_axis_without_a_name_is_fixed_by_its_place(edited: Run) -> None:
    assert shapes(edited(make.mlp(batch=None), fix={"x:0": 3}))["x"] == [3, 8]


def test_sizes_that_the_model_does_not_run_with_are_refused(edited: Run) -> None:
    """Three strided layers need a picture of at least 12 by 12."""
    error = refusal(edited, make.cnn(), fix={"H": 4, "W": 16})
    assert (error.code, error.subject) == ("edit_invalid", "image:2=4, image:3=16")
    assert shapes(edited(make.cnn(), fix={"H": 16, "W": 16}))["image"] == ["batch", 1, 16, 16]


def test_a_freed_axis_reaches_the_outputs(edited: Run) -> None:
    done = edited(make.mlp(batch=4), free={"x:0": "rows"})
    assert shapes(done) == {"x": ["rows", 8], "probabilities": ["rows", 4]}
    [answer] = open_session(done.model).run(None, {"x": make.weights(7, 8)})
    assert answer.shape == (7, 4)


def test_an_axis_that_the_graph_fixes_cannot_be_freed(edited: Run) -> None:
    error = refusal(edited, make.mlp(batch=4), free={"x:1": "features"})
    assert error.code in ("edit_invalid", "model_rejected")


def test_a_size_in_a_reshape_keeps_its_axis_fixed(edited: Run) -> None:
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    message = make.model_of(
        [node],
        [make.value("x", [4, 6])],
        [make.value("y", [4, 2, 3])],
        {"shape": np.array([4, 2, 3], np.int64)},
    )
    error = refusal(edited, message, free={"x:0": "batch"})
    assert (error.code, error.subject) == ("edit_invalid", "batch")
    assert "Reshape" in error.hint


def test_shapes_of_inner_tensors_are_forgotten(edited: Run) -> None:
    message = onnx.shape_inference.infer_shapes(make.mlp(batch=4))
    assert message.graph.value_info
    done = edited(message, free={"x:0": "rows"})
    assert not onnx.load(done.model.path).graph.value_info


def test_inner_tensors_can_be_outputs_and_the_rest_goes(edited: Run) -> None:
    done = edited(make.mlp(), outputs=["r,h"])
    graph = onnx.load(done.model.path).graph
    assert [port.name for port in graph.output] == ["r", "h"]
    assert [node.op_type for node in graph.node] == ["Gemm", "Relu"]
    assert {tensor.name for tensor in graph.initializer} == {"w1", "b1"}
    assert (done.removed_inputs, done.likeness.worst_error) == ((), 0.0)


def test_inputs_that_no_output_needs_go_and_are_told(edited: Run) -> None:
    message = make.two_inputs()
    message.graph.node.append(helper.make_node("Neg", ["a"], ["negative"]))
    done = edited(message, outputs=["negative"], rename_inputs={"a": "x"})
    assert done.removed_inputs == ("b",)
    assert list(shapes(done)) == ["x", "negative"]
    assert done.likeness.worst_error == 0.0


def test_a_removed_input_has_no_name_to_change(edited: Run) -> None:
    message = make.two_inputs()
    message.graph.node.append(helper.make_node("Neg", ["a"], ["negative"]))
    assert refusal(edited, message, outputs=["negative"], rename_inputs={"b": "y"}).subject == "b"


def test_what_a_subgraph_needs_stays(edited: Run) -> None:
    message = make.if_branches()
    message.graph.node.append(helper.make_node("Neg", ["y"], ["z"]))
    done = edited(message, outputs=["y"])
    graph = onnx.load(done.model.path).graph
    assert [node.op_type for node in graph.node] == ["Equal", "If"]
    assert {tensor.name for tensor in graph.initializer} == {"known", "five"}


def test_an_output_that_is_no_tensor_can_be_cut_off(edited: Run) -> None:
    message = odd.sequence_output()
    message.graph.node.append(helper.make_node("Neg", ["x"], ["negative"]))
    done = edited(message, outputs=["negative"])
    assert (list(shapes(done)), done.likeness.worst_error) == (["x", "negative"], 0.0)


def test_an_output_that_is_no_tensor_is_not_compared(edited: Run) -> None:
    done = edited(odd.sequence_output(), rename_inputs={"x": "whole"})
    assert (len(done.likeness.cases), done.likeness.worst_error) == (0, None)
    assert "parts" in done.likeness.why_not


def test_outputs_of_constants_alone_are_refused(edited: Run) -> None:
    message = make.two_inputs()
    message.graph.node.append(
        helper.make_node(
            "Constant", [], ["fixed"], value=helper.make_tensor("t", TensorProto.FLOAT, [1], [1.0])
        )
    )
    assert refusal(edited, message, outputs=["fixed"]).found == "constants only"


def test_names_there_and_back_give_the_same_bytes(edited: Run, tmp_path: Path) -> None:
    message = make.if_branches()
    there = edited(message, rename_inputs={"x": "a", "rate": "x"}, rename_outputs={"y": "b"}).model.path
    first = there.read_bytes()
    again = make.save(onnx.load(there), tmp_path, "again.onnx")
    back = edited(again, rename_inputs={"a": "x", "x": "rate"}, rename_outputs={"b": "y"}).model.path
    assert first != back.read_bytes() == message.SerializeToString(deterministic=True)
