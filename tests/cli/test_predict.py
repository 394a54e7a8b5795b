"""The command `predict` and the files that it reads and writes."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bundle.__main__ import main
from bundle.cli import exits, tensor_file, tensor_json
from bundle.dtype import DTYPES
from bundle.error import BundleError
from bundle.golden import write_tensors
from bundle.manifest import Input

ROWS = [[0.5, 1.0, -2.0], [3.0, 4.0, 5.0]]
NUMBERS = [word for word in DTYPES if word != "string"]


def port(word: str, name: str = "x") -> Input:
    return Input(name, word, ("n",), finite=False)


@pytest.fixture
def predicted(vector, ask):
    """Predict from a file and return the answer on stdout."""

    def call(path: Path, *flags: object, name: str = "self_test_passes"):
        return ask("predict", vector(name), "--input", path, *flags)

    return call


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"x": ROWS}))
    return path


def test_every_form_in_and_out_gives_the_same(vector, rows: Path, tmp_path: Path) -> None:
    folder, array = vector("self_test_passes"), np.array(ROWS, np.float32)
    np.savez(tmp_path / "rows.npz", x=array)
    (tmp_path / "rows.safetensors").write_bytes(write_tensors({"x": array}))
    (tmp_path / "exact.json").write_text(json.dumps({"x": tensor_json.exact(array)}))
    ports, answers = [port("float32", "y")], []
    for source in ("rows.json", "rows.npz", "rows.safetensors", "exact.json"):
        for ending in ("json", "npz", "safetensors"):
            target = tmp_path / f"answer.{ending}"
            arguments = ["predict", str(folder), "--input", str(tmp_path / source), "--output", str(target)]
            assert main(arguments) == exits.OK
            answers.append(tensor_file.read(str(target), ports))
    assert len({answer.tensors["y"].tobytes() for answer in answers}) == 1
    assert answers[0].tensors["y"].shape == array.shape
    # The answer has the form of the question.
    assert [answer.exact for answer in answers[::3]] == [False, False, False, True]


def test_without_an_output_file_the_answer_is_json(predicted, rows: Path) -> None:
    status, answer = predicted(rows)
    assert status == exits.OK
    assert set(answer) == {"y"}
    assert predicted(rows, "--batch-size", 1)[1] == answer


def test_stdin_is_json(vector, rows: Path) -> None:
    command = [sys.executable, "-m", "bundle", "predict", str(vector("self_test_passes")), "--input", "-"]
    done = subprocess.run(command, input=rows.read_bytes(), capture_output=True, check=True)
    assert set(json.loads(done.stdout)) == {"y"}
    assert done.stderr == b""


def test_for_machines_a_written_file_is_described(predicted, rows: Path, tmp_path: Path) -> None:
    target = tmp_path / "y.npz"
    status, answer = predicted(rows, "--output", target)
    assert status == exits.OK
    row = {"name": "y", "dtype": "float32", "shape": [2, 3]}
    assert answer == {"ok": True, "path": str(target), "outputs": [row]}


def test_a_golden_case_is_a_file_of_inputs(predicted, vector) -> None:
    status, answer = predicted(vector("self_test_passes") / "golden" / "first.safetensors")
    assert (status, set(answer)) == (exits.OK, {"y"})


def test_cast_is_asked_for(predicted, tmp_path: Path) -> None:
    path = tmp_path / "wide.npz"
    np.savez(path, x=np.array(ROWS))
    assert predicted(path)[1]["error"]["code"] == "input_dtype_mismatch"
    assert predicted(path, "--cast")[0] == exits.OK


def test_text_goes_through_every_form(vector, tmp_path: Path) -> None:
    words = ["a", "", "\u00e4\U0001f600"]
    (tmp_path / "in.json").write_text(json.dumps({"x": words}))
    np.savez(tmp_path / "in.npz", x=np.array(words))
    for source in ("in.json", "in.npz"):
        for ending in ("json", "npz", "safetensors"):
            target = tmp_path / f"out.{ending}"
            arguments = ["predict", str(vector("string_rows")), "--input", str(tmp_path / source)]
            assert main([*arguments, "--output", str(target)]) == exits.OK
            answer = tensor_file.read(str(target), [port("string", "y")]).tensors["y"]
            assert answer.tolist() == words


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "input_file_unreadable"),
        ("[1]", "input_file_unreadable"),
        ('{"x": [[1, 2, 3], [4]]}', "input_file_unreadable"),
        ('{"x": [["a", 2, 3]]}', "input_file_unreadable"),
        ('{"x": [[true, 2, 3]]}', "input_file_unreadable"),
        ('{"x": [[null, 2, 3]]}', "input_file_unreadable"),
        ('{"x": {"dtype": "float33", "shape": [1], "data": ""}}', "input_file_unreadable"),
        ('{"x": {"dtype": "float32", "shape": [2], "data": "00000000"}}', "input_file_unreadable"),
        ('{"x": {"dtype": "float32", "shape": [-1], "data": ""}}', "input_file_unreadable"),
        ('{"x": {"dtype": "float32", "shape": [1], "data": "zz"}}', "input_file_unreadable"),
        ('{"x": {"dtype": "float32", "shape": [1], "data": []}}', "input_file_unreadable"),
        ('{"x": {"dtype": "string", "shape": [1], "data": ["ff"]}}', "input_file_unreadable"),
        ('{"x": {"dtype": "string", "shape": [1], "data": [1]}}', "input_file_unreadable"),
        ("[" * 100_000, "input_file_unreadable"),
        ('{"x": [["NaN", 2, 3]]}', "input_not_finite"),
        ('{"x": [[1e39, 2, 3]]}', "input_not_finite"),
        ('{"x": [[1, 2, 3]], "z": [[1], 2]}', "input_unknown"),
        ('{"x": [1, 2, 3]}', "input_rank_mismatch"),
        ("{}", "input_missing"),
    ],
)
def test_json_that_is_refused(predicted, tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "in.json"
    path.write_text(text)
    status, answer = predicted(path)
    assert (status, answer["error"]["code"]) == (exits.NO, code)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("in.npz", b"PK\x03\x04 no more"),
        ("in.npz", b"\x93NUMPY\x01\x00"),
        ("in.npz", b""),
        ("in.safetensors", b"\xff" * 16),
        ("in.safetensors", b""),
    ],
)
def test_files_that_are_not_what_their_ending_says(predicted, tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert predicted(path)[1]["error"]["code"] == "input_file_unreadable"


def test_one_array_and_pickled_objects_are_refused(predicted, tmp_path: Path) -> None:
    for name, value in (("one", None), ("pickled", np.array([{}], object))):
        path = tmp_path / f"{name}.npz"
        if value is None:
            with path.open("wb") as file:
                np.save(file, np.zeros(3, np.float32))
        else:
            np.savez(path, x=value)
        assert predicted(path)[1]["error"]["code"] == "input_file_unreadable"


def test_files_that_cannot_be_read_or_written(predicted, rows: Path, tmp_path: Path) -> None:
    assert predicted(tmp_path / "absent.npz")[1]["error"]["code"] == "input_file_unreadable"
    status, answer = predicted(rows, "--output", tmp_path / "absent" / "y.npz")
    assert (status, answer["error"]["code"]) == (exits.NO, "output_file_unwritable")
    for flags in (["--output", tmp_path / "y.csv"], ["--output", tmp_path / "y"]):
        status, answer = predicted(rows, *flags)
        assert (status, answer["error"]["code"]) == (exits.USAGE, "usage_invalid")
    assert predicted(tmp_path / "in.csv")[1]["error"]["code"] == "usage_invalid"


def test_a_tensor_may_have_any_name(tmp_path: Path) -> None:
    tensors = {
        name: np.arange(3, dtype=np.float32) for name in ("file", "allow_pickle", "a/b:0", "\u00e4", "x.npy")
    }
    path = str(tmp_path / "out.npz")
    tensor_file.write(path, tensors, exact=False)
    assert set(tensor_file.read(path, []).tensors) == set(tensors)


@pytest.mark.parametrize("word", NUMBERS)
@given(data=st.data())
def test_numbers_survive_json_bit_for_bit(word: str, data) -> None:
    shape = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    array = data.draw(hnp.arrays(DTYPES[word].numpy, shape))
    for form in (tensor_json.nested, tensor_json.exact):
        text = json.dumps({"x": form(array)}, allow_nan=False).encode()
        found, exact = tensor_json.decode(text, {"x": word})
        assert exact == (form is tensor_json.exact)
        assert found["x"].dtype == array.dtype
        # Nested lists know neither the payload of a NaN nor the sizes behind a size of 0.
        if exact:
            assert found["x"].tobytes() == array.tobytes()
            assert found["x"].shape == array.shape
        elif array.size:
            clean = (
                np.where(array != array, np.array(math.nan).astype(array.dtype), array)
                if array.dtype.kind == "f"
                else array
            )
            assert found["x"].tobytes() == clean.tobytes()


def test_floats_have_the_fewest_digits() -> None:
    assert (
        json.dumps(tensor_json.nested(np.array([0.1, 1e-7, 16777216], np.float32)))
        == "[0.1, 1e-07, 16777216.0]"
    )
    assert json.dumps(tensor_json.nested(np.array(0.1, np.float16))) == "0.1"


@pytest.mark.parametrize("word", ["int8", "uint8", "int64", "uint64"])
def test_integers_are_neither_cut_nor_wrapped(word: str) -> None:
    limits = np.iinfo(DTYPES[word].numpy)
    inside = json.dumps({"x": [limits.min, limits.max]}).encode()
    assert tensor_json.decode(inside, {"x": word})[0]["x"].tolist() == [limits.min, limits.max]
    for value in (limits.min - 1, limits.max + 1, 1.5, 1.0, True):
        with pytest.raises(ValueError, match="x"):
            tensor_json.decode(json.dumps({"x": [value]}).encode(), {"x": word})


@given(data=st.binary(max_size=300), ending=st.sampled_from(["json", "npz", "safetensors"]))
def test_no_bytes_break_the_reader(data: bytes, ending: str, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("bytes", numbered=True) / f"in.{ending}"
    path.write_bytes(data)
    try:
        tensor_file.read(str(path), [port("float32")])
    except BundleError as error:
        assert error.code == "input_file_unreadable"
