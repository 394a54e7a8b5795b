"""The command around the search: what it says, what it refuses, and before which work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from bundle.__main__ import main
from bundle.cli import tensor_file
from tests.bisect import plants
from tests.bisect.plants import Planted

Tree = dict[str, Any]
Call = Callable[..., Tree]


@pytest.fixture
def files(tmp_path: Path) -> Planted:
    inputs = plants.numbers(3, 8, seed=9)
    return Planted.write(tmp_path, plants.layers(), plants.layers(epsilon=0.5), inputs)


def code(tree: Tree) -> tuple[str, str]:
    return tree["error"]["code"], tree["error"]["subject"]


@pytest.fixture
def vector(root: Path) -> Path:
    """A bundle with golden cases."""
    return root / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"


def test_what_people_read(files: Planted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "found"
    ways = ["--a", str(files.a), "--b", str(files.b), "--inputs", str(files.inputs), "-o", str(folder)]
    assert main(["bisect", str(files.a), *ways]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "compared by: close, 1 case"
    assert lines[3].startswith("first difference: given, output y: first outside at [0, 0]: ")
    assert lines[4] == "node: norm (LayerNormalization) of the written graph"
    assert "cause: operator: its attribute `epsilon` is 1e-05 in A and 0.5 in B" in lines
    written = [line.removeprefix("written: ") for line in lines if line.startswith("written: ")]
    assert written == [str(folder / name) for name in ("a.onnx", "b.onnx", "inputs.npz")]
    assert lines[-2] == "this command shows it again:"
    assert (folder / "finding.json").is_file()


def test_people_are_told_that_nothing_differs(vector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bisect", str(vector), "--a", "source", "--b", "source.onnx"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no answer differs"


def test_recorded_inputs_are_those_of_the_node(files: Planted, bisect: Call) -> None:
    tree = bisect(files.a, "--a", files.a, "--b", files.b, "--inputs", files.inputs)
    tensors = tensor_file.read(tree["files"]["inputs"], []).tensors
    given = tensor_file.read(str(files.inputs), []).tensors["x"]
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(files.a).graph.initializer}
    assert list(tensors) == ["a"]
    np.testing.assert_allclose(tensors["a"], given @ weights["w1"], rtol=1e-5)
    for role in ("a", "b"):
        onnx.checker.check_model(onnx.load(tree["files"][role]), full_check=True)


def test_the_first_case_that_differs_is_the_one(files: Planted, bisect: Call) -> None:
    # Rows of zeros are normalized to zeros whatever epsilon is.
    rows = np.stack([np.zeros((1, 8), np.float32), plants.numbers(1, 8), plants.numbers(1, 8, seed=1)])
    tensor_file.write(str(files.inputs), {"x": rows}, False)
    tree = bisect(files.a, "--a", files.a, "--b", files.b, "--inputs", files.inputs)
    assert (tree["cases"], tree["case"]) == (3, "given-1")


def test_made_up_inputs(files: Planted, bisect: Call) -> None:
    tree = bisect(files.a, "--a", files.a, "--b", files.b, "--random", 2, "--seed", 5)
    assert tree["node"] == "norm" and tree["case"].startswith("random-")


def test_a_tolerance_that_is_asked_for(files: Planted, bisect: Call) -> None:
    ways = ["--a", files.a, "--b", files.a, "--inputs", files.inputs]
    assert bisect(files.a, *ways)["tolerance"] == "exact"
    assert bisect(files.a, *ways, "--tolerance", "int8-static")["tolerance"] == "int8-static"
    level = ["--b-option", "graph_optimization_level=basic"]
    assert bisect(files.a, *ways, *level)["tolerance"] == "close"
    assert bisect(files.a, *ways, "--b-option", "intra_op_threads=2")["tolerance"] == "exact"


def test_mapping_a_file_is_a_layout_of_weights(bisect: Call, root: Path, tmp_path: Path) -> None:
    import onnxruntime

    from bundle.session import bare_options

    options, frozen = bare_options("extended"), tmp_path / "digits.ort"
    options.optimized_model_filepath = str(frozen)
    options.add_session_config_entry("session.save_model_format", "ORT")
    source = root / "examples" / "digits" / "digits.onnx"
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    ways = ["--a", frozen, "--b", frozen, "--random", 3, "--tolerance", "exact"]
    assert bisect(frozen, *ways)["cause"] == "none"
    tree = bisect(frozen, *ways, "--b-option", "mapped=true")
    assert tree["cause"] in ("layout", "none")
    if tree["differs"]:
        assert "maps its file" in tree["detail"] and not tree["files"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--a", "sorce", "--b", "source"), ("usage_invalid", "sorce")),
        (("--a", "source", "--b", "nothing.onnx"), ("usage_invalid", "nothing.onnx")),
        (("--a", "source", "--b", "source", "--tolerance", "near"), ("usage_invalid", "--tolerance")),
        (("--a", "source", "--b", "source", "--random", "0"), ("usage_invalid", "--random")),
        (("--a", "source"), ("usage_invalid", "--b")),
        (("--a", "source", "--b", "source", "--option", "speed=1"), ("option_invalid", "speed")),
        (("--a", "source", "--b", "cpp", "--driver", "cpp=nowhere"), ("runtime_missing", "cpp")),
        (("--a", "source", "--b", "source", "--inputs", "no.npz"), ("input_file_unreadable", "no.npz")),
        (("--a", "source", "--b", "source", "--variant", "int4"), ("variant_unknown", "int4")),
        (("--a", "source", "--b", "source", "--format", "ort"), ("format_unavailable", "ort")),
    ],
)
def test_what_is_refused(
    vector: Path, flags: tuple[str, ...], expected: tuple[str, str], bisect: Call
) -> None:
    assert code(bisect(vector, *flags)) == expected


def test_a_word_that_is_nearly_one_is_corrected(vector: Path, bisect: Call) -> None:
    tree = bisect(vector, "--a", "sorce", "--b", "source")
    assert "source" in tree["error"]["expected"] and tree["error"]["hint"] == "did you mean `source`?"


def test_a_plain_file_has_no_variant_and_no_golden_case(files: Planted, bisect: Call) -> None:
    ways = ["--a", files.a, "--b", files.b]
    assert code(bisect(files.a, *ways, "--variant", "source")) == ("usage_invalid", str(files.a))
    assert code(bisect(files.a, *ways)) == ("golden_missing", ".")


def test_a_file_that_is_no_model(files: Planted, bisect: Call, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(files.a.read_bytes()[:100])
    ways = ["--a", files.a, "--b", broken, "--inputs", files.inputs]
    assert code(bisect(files.a, *ways)) == ("model_unreadable", "broken.onnx")
    assert code(bisect(broken, *ways))[0] == "model_rejected"


def test_models_without_an_output_in_common(files: Planted, bisect: Call) -> None:
    model = onnx.load(files.b)
    model.graph.node[-1].output[0] = model.graph.output[0].name = "z"
    onnx.save(model, files.b)
    tree = bisect(files.a, "--a", files.a, "--b", files.b, "--inputs", files.inputs)
    assert code(tree) == ("usage_invalid", "--b")


def test_a_folder_in_use_is_not_written_to(files: Planted, bisect: Call, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    ways = ["--a", files.a, "--b", files.b, "--inputs", files.inputs, "--output", folder]
    assert code(bisect(files.a, *ways)) == ("output_file_unwritable", str(folder))
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert bisect(files.a, *ways, "--force")["differs"]
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_way_that_refuses_is_told(
    files: Planted, bisect: Call, program: Callable[[str], Path], tmp_path: Path
) -> None:
    ways = ["--a", "python", "--b", "cpp", "--driver", f"cpp={program('refuse')}"]
    tree = bisect(files.a, *ways, "--inputs", files.inputs)
    assert code(tree) == ("runtime_failure", "cpp: .")


def test_temporary_files_are_gone(
    files: Planted, bisect: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert bisect(files.a, "--a", "python", "--b", files.b, "--inputs", files.inputs)["differs"]
    assert not list(temporary.iterdir())


def test_a_copy_that_is_too_large_for_one_file(
    files: Planted, bisect: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise ValueError("Failed to serialize proto")

    monkeypatch.setattr("bundle.bisect.execute.save_graph", too_large)
    tree = bisect(files.a, "--a", files.a, "--b", files.b, "--inputs", files.inputs)
    assert code(tree) == ("memory_exhausted", ".") and "2 GB" in tree["error"]["expected"]


def test_weights_beside_the_file(files: Planted, bisect: Call, program: Callable[[str], Path]) -> None:
    model = onnx.load(files.a)
    onnx.save(model, files.a, save_as_external_data=True, location="one.data", size_threshold=0)
    asked = ["--inputs", files.inputs]
    tree = bisect(files.a, "--a", files.a, "--b", files.b, *asked)
    assert tree["node"] == "norm" and tree["reproduced"]
    ways = ["--a", "python", "--b", "cpp", "--driver", f"cpp={program('kernel')}", "--force"]
    assert bisect(files.a, *ways, *asked)["node"] == "bend"


def test_a_bundle_of_the_store(vector: Path, bisect: Call, tmp_path: Path) -> None:
    archive, store = tmp_path / "vector.bundle", ["--store", str(tmp_path / "store")]
    assert main(["archive", str(vector), "--output", str(archive)]) == 0
    assert main(["install", str(archive), *store]) == 0
    assert bisect("vector@latest", "--a", "python", "--b", "source", *store)["cause"] == "none"
