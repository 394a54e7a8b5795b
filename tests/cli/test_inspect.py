"""The command `inspect`: a bundle, an .onnx and an .ort file."""

import shutil
from pathlib import Path

import onnx
import pytest

from bundle.__main__ import main
from bundle.cli import exits, extra, inspect

X = {"name": "x", "dtype": "float32", "shape": ["batch", 3]}


def test_a_bundle(vector, ask) -> None:
    status, answer = ask("inspect", vector("ort_file_preferred"))
    assert status == exits.OK
    assert answer["model"]["name"] == "vector"
    assert [port["name"] for port in answer["inputs"]] == ["x"]
    assert answer["variants"][0]["files"] == {"onnx": "models/source.onnx", "ort": "models/source.ort"}
    models = answer["models"]
    assert models["models/source.onnx"]["operators"] == models["models/source.ort"]["operators"]
    assert {row["format"] for row in models.values()} == {"onnx", "ort"}


def test_a_bundle_for_people(vector, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(vector("tasks_and_states"))]) == exits.OK
    shown = capsys.readouterr().out
    for word in (
        "vector 1.0.0",
        "digest",
        "inputs",
        "outputs",
        "variants",
        "source (default)",
        "model files",
    ):
        assert word in shown


def test_an_onnx_file(digits: Path, ask) -> None:
    status, answer = ask("inspect", digits)
    assert status == exits.OK
    assert answer["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["batch", 1, 8, 8]}]
    assert answer["nodes"] == sum(answer["operators"].values())
    assert set(answer["opsets"]) == {"ai.onnx"}
    assert answer["bytes"] == digits.stat().st_size


def test_an_ort_file(vector, ask, capsys: pytest.CaptureFixture[str]) -> None:
    path = vector("ort_file_preferred") / "models" / "source.ort"
    status, answer = ask("inspect", path)
    assert status == exits.OK
    assert answer["inputs"] == [X]
    assert answer["operators"] == {"Add": 1, "Mul": 1}
    assert set(answer["opsets"]) == {"ai.onnx"}
    assert main(["inspect", str(path)]) == exits.OK
    assert "ort format" in capsys.readouterr().out


def test_an_onnx_file_that_no_session_would_take(tmp_path: Path, ask) -> None:
    make = onnx.helper.make_tensor_value_info
    inputs = [
        make("x", onnx.TensorProto.BFLOAT16, [None, "n"]),
        make("w", onnx.TensorProto.FLOAT, [1]),
        onnx.helper.make_tensor_sequence_value_info("s", onnx.TensorProto.FLOAT, None),
    ]
    nodes = [onnx.helper.make_node("Magic", ["x", "w"], ["y"], domain="my.company")]
    weights = [onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [0.0])]
    graph = onnx.helper.make_graph(nodes, "g", inputs, [make("y", onnx.TensorProto.FLOAT, [])], weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("my.company", 3)])
    onnx.helper.set_model_props(model, {"author": "someone"})
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    status, answer = ask("inspect", path)
    assert status == exits.OK
    assert answer["inputs"] == [
        {"name": "x", "dtype": "bfloat16", "shape": [None, "n"]},
        {"name": "s", "dtype": "sequence", "shape": []},
    ]
    assert answer["operators"] == {"my.company:Magic": 1}
    assert answer["metadata"] == {"author": "someone"}


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("m.onnx", b"not a model", "model_unreadable"),
        ("m.ort", b"not a model", "model_rejected"),
        ("m.txt", b"", "bundle_not_found"),
    ],
)
def test_what_is_no_model(name: str, data: bytes, code: str, tmp_path: Path, ask) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    status, answer = ask("inspect", path)
    assert (status, answer["error"]["code"]) == (exits.NO, code)


def test_an_ort_file_that_is_not_there(tmp_path: Path, ask) -> None:
    assert ask("inspect", tmp_path / "m.ort")[1]["error"]["code"] == "input_file_unreadable"


def test_a_bundle_that_is_not_whole(vector, tmp_path: Path, ask) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(vector("self_test_passes"), copy)
    (copy / "models" / "source.onnx").unlink()
    assert ask("inspect", copy)[1]["error"]["code"] == "file_missing"


def test_without_the_builders_libraries(vector, digits: Path, ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra.importlib.util, "find_spec", lambda name: None)
    assert ask("inspect", digits)[1]["error"]["code"] == "extra_missing"
    status, answer = ask("inspect", vector("ort_file_preferred"))
    assert status == exits.OK
    assert "extra_missing" in answer["models"]["models/source.onnx"]["unknown"]
    assert answer["models"]["models/source.ort"]["nodes"] == 2


def test_whose_the_golden_cases_are_is_told(vector, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(vector("self_test_passes"))]) == exits.OK
    shown = capsys.readouterr().out
    assert "2 cases, all given by the author" in shown
    assert "any machine" in shown
    case, made_up = {"synthetic": False}, {"synthetic": True}
    assert inspect._golden_text([made_up] * 2) == "2 cases, all made up from the signature"
    assert inspect._golden_text([case, made_up]) == "2 cases, 1 of them made up from the signature"
    assert inspect._golden_text([]).startswith("none")
