"""The command `edit`: its flags, what it prints, what it leaves behind. Edits are tested in tests/build."""

import os
from pathlib import Path

import onnx
import pytest

from bundle.__main__ import main
from bundle.builder.edit import Edit
from bundle.cli import edit, exits
from bundle.cli.parser import parse
from bundle.error import BundleError
from tests.build import make_models as make


def wanted(*flags: str) -> Edit:
    return edit.wanted_of(parse(["edit", "in.onnx", "out.onnx", *flags]))


def test_the_flags() -> None:
    assert wanted(
        *("--rename-input", "x:0=image", "--rename-output", "Identity=scores", "--rename-output", "a=b"),
        *(
            "--fix",
            "batch=1",
            "--fix",
            "x:0:2=28",
            "--free",
            "y:0=batch",
            "--outputs",
            "a,b",
            "--outputs",
            "c",
        ),
        *("--opset", "17"),
    ) == Edit(
        rename_inputs={"x:0": "image"},
        rename_outputs={"Identity": "scores", "a": "b"},
        fix={"batch": 1, "x:0:2": 28},
        free={"y:0": "batch"},
        outputs=("a,b", "c"),
        opset=17,
    )


@pytest.mark.parametrize(
    ("flags", "subject"),
    [
        ([], "edit"),
        (["--fix", "batch=1", "--fix", "batch=2"], "--fix"),
        (["--fix", "batch"], "--fix"),
        (["--fix", "batch=one"], "--fix"),
        (["--free", "x:0"], "--free"),
        (["--rename-input", "x"], "--rename-input"),
        (["--rename-output", "a=b", "--rename-output", "a=c"], "--rename-output"),
        (["--opset", "new"], "--opset"),
    ],
)
def test_what_the_flags_may_not_say(flags: list[str], subject: str) -> None:
    with pytest.raises(BundleError) as caught:
        wanted(*flags)
    assert (caught.value.code, caught.value.subject) == ("usage_invalid", subject)


def test_a_model_is_edited(ask, tmp_path: Path, digits: Path) -> None:
    out = tmp_path / "out.onnx"
    name = onnx.load(digits).graph.input[0].name
    status, answer = ask("edit", digits, out, "--rename-input", f"{name}=picture", "--fix", f"{name}:0=1")
    assert status == exits.OK
    expected = {"ok": True, "path": str(out), "data": None, "removed_inputs": [], "compared_cases": 3}
    assert answer == {**expected, "worst_error": 0.0, "notes": []}
    [port] = onnx.load(out).graph.input
    assert (port.name, port.type.tensor_type.shape.dim[0].dim_value) == ("picture", 1)


def test_people_are_told_what_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = make.two_inputs()
    message.graph.node.append(onnx.helper.make_node("Neg", ["a"], ["negative"]))
    path, out = make.save(message, tmp_path), tmp_path / "out.onnx"
    assert (
        main(["edit", str(path), str(out), "--outputs", "negative", "--opset", str(make.OPSET)]) == exits.OK
    )
    assert capsys.readouterr().out.splitlines() == [
        "note: no output needs the input `b`: removed",
        f"note: the model is at opset {make.OPSET} already",
        "same answers in 3 made-up cases, worst error 0",
        f"wrote {out}",
    ]


def test_weights_outside_are_named(tmp_path: Path, ask) -> None:
    (tmp_path / "in").mkdir()
    source, out = make.external_data(tmp_path / "in"), tmp_path / "out.onnx"
    status, answer = ask("edit", source, out, "--rename-input", "x=y0")
    assert (status, answer["data"]) == (exits.OK, f"{out}.data")


def test_the_model_itself_is_edited_only_when_forced(tmp_path: Path, ask) -> None:
    path = make.save(make.mlp(), tmp_path)
    before = path.read_bytes()
    status, answer = ask("edit", path, path, "--fix", "batch=1")
    assert (status, answer["error"]["code"]) == (exits.NO, "output_file_unwritable")
    assert path.read_bytes() == before
    status, _ = ask("edit", path, path, "--fix", "batch=1", "--force")
    assert status == exits.OK
    assert onnx.load(path).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_refused_edit_leaves_nothing(tmp_path: Path, ask) -> None:
    path = make.save(make.mlp(batch=4), tmp_path)
    status, answer = ask("edit", path, tmp_path / "out.onnx", "--rename-input", "x=w1")
    assert (status, answer["error"]["code"]) == (exits.NO, "edit_invalid")
    assert os.listdir(tmp_path) == [path.name]


def test_what_is_no_model_is_told(tmp_path: Path, ask) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(make.mlp().SerializeToString()[:200])
    status, answer = ask("edit", path, tmp_path / "out.onnx", "--fix", "batch=1")
    assert (status, answer["error"]["code"]) == (exits.NO, "model_unreadable")
