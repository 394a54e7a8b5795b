"""Editing: other operator sets, weights outside the file, and how the result is compared."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto

from bundle.builder.edit import Edit, edit
from bundle.builder.opset import NEWEST_OPSETS
from bundle.builder.worker import Worker
from tests.build import make_models as make
from tests.build import make_odd_models as odd
from tests.build.edits import Run, refusal, shapes


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
