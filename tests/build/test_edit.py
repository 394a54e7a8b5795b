"""Editing: what each edit does to a model, what is refused, and that answers stay."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from bundle.builder import surgery
from bundle.builder.edit import Edit, Edited, edit
from bundle.builder.external import onnx_model
from bundle.builder.opset import NEWEST_OPSETS
from bundle.builder.plainfile import place, refuse_taken
from bundle.builder.signature import open_session
from bundle.builder.worker import Worker
from bundle.error import BundleError
from tests.build import make_models as make
from tests.build import make_odd_models as odd

Run = Callable[..., Edited]


@pytest.fixture(scope="module")
def worker():
    with Worker(timeout=120) as one:
        yield one


@pytest.fixture
def edited(tmp_path: Path, worker: Worker) -> Run:
    """Edit a message, or a file."""

    def run(model: ModelProto | Path, **wanted: Any) -> Edited:
        path = model if isinstance(model, Path) else make.save(model, tmp_path)
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        return edit(path, Edit(**wanted), work, worker)

    return run


def refusal(call: Callable[..., object], *arguments: Any, **wanted: Any) -> BundleError:
    with pytest.raises(BundleError) as caught:
        call(*arguments, **wanted)
    return caught.value


def shapes(done: Edited) -> dict[str, list[int | str]]:
    graph = onnx.load(done.model.path).graph
    return {
        port.name: [dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim]
        for port in (*graph.input, *graph.output)
    }


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


@pytest.mark.parametrize("version", [17, NEWEST_OPSETS[""]])
def test_another_operator_set(edited: Run, version: int) -> None:
    done = edited(make.mlp(), opset=version, rename_inputs={"x": "features"})
    assert onnx.load(done.model.path).opset_import[0].version == version
    assert done.likeness.worst_error is not None
    assert list(shapes(done)) == ["features", "probabilities"]


def test_the_operator_set_that_it_has_is_a_note(edited: Run) -> None:
    assert "already" in edited(make.mlp(), opset=make.OPSET).notes[0]


def test_an_operator_set_out_of_reach(edited: Run) -> None:
    error = refusal(edited, odd.layer_norm(), opset=13)
    assert (error.code, error.subject) == ("edit_invalid", "--opset")
    assert refusal(edited, make.mlp(), opset=99).code == "opset_unsupported"


def test_a_model_that_is_too_new_can_be_brought_down(edited: Run) -> None:
    done = edited(odd.new_ir(), opset=17)
    assert onnx.load(done.model.path).opset_import[0].version == 17
    assert "original does not run" in done.likeness.why_not


def test_a_random_model_is_not_compared(edited: Run) -> None:
    done = edited(make.random_normal(), rename_outputs={"y": "noisy"})
    assert done.likeness.why_not == "the original answers differently each time"


def test_a_converter_that_changes_answers_is_caught(edited: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version converter has been wrong before: here it leaves a bias out."""
    convert = onnx.version_converter.convert_version

    def wrong(model: ModelProto, version: int) -> ModelProto:
        result = convert(model, version)
        del result.graph.node[0].input[2:]
        return result

    monkeypatch.setattr(onnx.version_converter, "convert_version", wrong)
    error = refusal(edited, make.mlp(), opset=17)
    assert (error.code, error.subject) == ("edit_invalid", ".")
    assert "case 0" in error.found


def test_weights_outside_stay_outside(tmp_path: Path, edited: Run) -> None:
    source = make.external_data(tmp_path, "parts/weights.bin")
    done = edited(source, rename_inputs={"x": "features"}, opset=17)
    assert [path.name for path in done.model.data] == ["edited.onnx.data"]
    assert done.likeness.worst_error == 0.0


def test_weights_that_no_output_needs_are_not_copied(tmp_path: Path, edited: Run) -> None:
    source = make.external_data(tmp_path)
    done = edited(source, outputs=["r"])
    # One matrix of two, 8 times 16 float32.
    assert sum(path.stat().st_size for path in done.model.data) == 8 * 16 * 4
    assert done.likeness.worst_error == 0.0


def test_missing_weights_are_told_before_anything_is_written(tmp_path: Path, worker: Worker) -> None:
    source = make.external_data(tmp_path)
    (tmp_path / "weights.bin").unlink()
    work = tmp_path / "work"
    work.mkdir()
    wanted = Edit(rename_inputs={"x": "y"})
    assert refusal(edit, source, wanted, work, worker).code == "external_data_missing"
    assert list(work.iterdir()) == []


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_model_is_put_in_place_with_its_weights(tmp_path: Path, elsewhere: Path) -> None:
    model = onnx_model(make.external_data(tmp_path))
    out = elsewhere / "small.onnx"
    assert place(model, out) == elsewhere / "small.onnx.data"
    assert names(elsewhere) == ["small.onnx", "small.onnx.data"]
    case = {"x": make.weights(2, 8)}
    answers = [open_session(each).run(None, case)[0] for each in (model, onnx_model(out))]
    assert np.array_equal(*answers)
    # A second model takes another file for its weights: of the first one nothing is written over.
    first = (elsewhere / "small.onnx.data").read_bytes()
    assert place(model, out) == elsewhere / "small.onnx.2.data"
    assert (elsewhere / "small.onnx.data").read_bytes() == first
    assert open_session(onnx_model(out))


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    out = make.save(make.mlp(), tmp_path)
    error = refusal(refuse_taken, out, False)
    assert (error.code, error.hint) == ("output_file_unwritable", "add --force to write over it")
    refuse_taken(out, True)
    assert refusal(refuse_taken, tmp_path, True).found == "a folder"
    assert refusal(refuse_taken, tmp_path / "absent" / "m.onnx", True).found == "no such folder"


@pytest.mark.parametrize("external", [False, True])
def test_a_failure_half_way_leaves_what_was_there(
    external: bool, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make.external_data(tmp_path) if external else make.save(make.mlp(), tmp_path)
    out = elsewhere / "m.onnx"
    out.write_bytes(b"the older one")
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if target == out:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    error = refusal(place, onnx_model(path), out)
    assert (error.code, error.found) == ("output_file_unwritable", "No space left on device")
    assert (names(elsewhere), out.read_bytes()) == (["m.onnx"], b"the older one")


def test_a_kill_half_way_leaves_what_was_there(tmp_path: Path, elsewhere: Path) -> None:
    source, out = make.external_data(tmp_path), elsewhere / "m.onnx"
    out.write_bytes(b"the older one")
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from bundle.builder.external import onnx_model\nfrom bundle.builder.plainfile import place\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "place(onnx_model(Path(sys.argv[1])), Path(sys.argv[2]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(source), str(out)])
    assert done.returncode == -signal.SIGKILL
    assert out.read_bytes() == b"the older one"
    assert len(names(elsewhere)) == 2
    # The next one takes away what the killed one left.
    place(onnx_model(source), out)
    assert names(elsewhere) == ["m.onnx", "m.onnx.data"]


def test_names_there_and_back_give_the_same_bytes(edited: Run, tmp_path: Path) -> None:
    message = make.if_branches()
    there = edited(message, rename_inputs={"x": "a", "rate": "x"}, rename_outputs={"y": "b"}).model.path
    first = there.read_bytes()
    again = make.save(onnx.load(there), tmp_path, "again.onnx")
    back = edited(again, rename_inputs={"a": "x", "x": "rate"}, rename_outputs={"b": "y"}).model.path
    assert first != back.read_bytes() == message.SerializeToString(deterministic=True)


def long_name() -> ModelProto:
    message = make.mlp()
    message.opset_import[0].domain = "ai.onnx"
    return message


def absent() -> ModelProto:
    """words [batch] -> number [batch], with operators of ai.onnx.ml alone."""
    message = make.strings()
    del message.graph.node[0], message.graph.output[0], message.opset_import[0]
    return message


@pytest.mark.parametrize("make_it", [odd.duplicate_opset, long_name, absent])
def test_operator_sets_that_are_listed_oddly(edited: Run, make_it: Callable[[], ModelProto]) -> None:
    done = edited(make_it(), opset=19)
    assert [each.version for each in onnx.load(done.model.path).opset_import if not each.domain] == [19]
