"""The command `init`: the file that it writes is one that `build` takes."""

import re
import tomllib
from pathlib import Path

import onnx
import pytest

from bundle.__main__ import main
from bundle.builder import config
from bundle.cli import exits
from bundle.spec import table


def test_what_it_writes_builds_the_model(digits: Path, tmp_path: Path, ask) -> None:
    path = tmp_path / "bundle.toml"
    assert ask("init", digits, "--output", path) == (exits.OK, {"ok": True, "path": str(path)})
    project = config.make_project(config.read_tree(path))
    assert project.model.resolve() == digits
    assert (project.name, project.version, project.license) == ("digits", "0.1.0", config.NO_LICENSE)
    text = path.read_text("utf-8")
    assert '# input "image": float32 [batch, 1, 8, 8]' in text
    assert '# output "probabilities": float32 [batch, 10]' in text


def test_every_key_is_explained_and_every_default_is_the_default(digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle.toml"
    assert main(["init", str(digits), "--output", str(path)]) == exits.OK
    text = path.read_text("utf-8")
    shown = re.sub(r"^# (?=\[|\w+ = |probabilities = )", "", text, flags=re.MULTILINE)
    tree = tomllib.loads(shown)
    config.check_tree(tree)
    sections = table("project.schema")["properties"]
    assert set(tree) == set(sections)
    for name in ("build", "model"):
        assert set(tree[name]) == set(sections[name]["properties"])
    plain = config.make_project(tomllib.loads(text))
    for key in ("formats", "optimizer", "seed", "allow_random"):
        said = tree["build"][key]
        assert (tuple(said) if isinstance(said, list) else said) == getattr(plain, key)
    assert Path(tree["build"]["output"]) == plain.output


def test_a_file_that_is_there_stays(digits: Path, tmp_path: Path, ask) -> None:
    path = tmp_path / "bundle.toml"
    path.write_text("# mine\n")
    status, answer = ask("init", digits, "--output", path)
    assert (status, answer["error"]["code"]) == (exits.NO, "output_file_unwritable")
    assert "--force" in answer["error"]["hint"]
    assert path.read_text() == "# mine\n"
    assert ask("init", digits, "--output", path, "--force")[0] == exits.OK
    assert path.read_text() != "# mine\n"


def test_a_folder_that_is_not_there(digits: Path, tmp_path: Path, ask) -> None:
    status, answer = ask("init", digits, "--output", tmp_path / "absent" / "bundle.toml")
    assert (status, answer["error"]["code"]) == (exits.NO, "output_file_unwritable")


@pytest.mark.parametrize(
    "name", ['a"b', "line\nend", "tab\t", "del\x7f", "\u00e4\U0001f600", "back\\slash", "{x}"]
)
def test_names_of_every_kind_stay_inside_their_comments(name: str, tmp_path: Path) -> None:
    port = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, name, 3])
    node = onnx.helper.make_node("Identity", [name], ["y"])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    model = tmp_path / "m.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [port], [result])), model)
    path = tmp_path / "bundle.toml"
    assert main(["init", str(model), "--output", str(path)]) == exits.OK
    tree = config.read_tree(path)
    assert set(tree) == {"build", "model"}


def test_no_model(tmp_path: Path, ask) -> None:
    status, answer = ask("init", tmp_path / "absent.onnx")
    assert (status, answer["error"]["code"]) == (exits.NO, "model_unreadable")
