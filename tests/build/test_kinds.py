"""Files that are no ONNX model are called by their name."""

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import pytest

from bundle.builder.graph import load_graph
from bundle.builder.ingest import ingest
from bundle.builder.kinds import looks_like
from bundle.error import BundleError
from tests.build import make_models as make


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, b"content")
    return file.getvalue()


KINDS = {
    "an empty file": b"",
    "a Python pickle": pickle.dumps({"weights": [1.0]}),
    "a PyTorch checkpoint": archive("archive/data.pkl", "archive/version"),
    "a Keras model": archive("config.json", "model.weights.h5"),
    "an .npz archive": archive("x.npy"),
    "a zip archive": archive("model.onnx"),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a gzip archive": gzip.compress(b"model"),
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    "a TensorFlow Lite": b"\x1c\x00\x00\x00TFL3" + bytes(64),
    "an .ort file": b"\x1c\x00\x00\x00ORTM" + bytes(64),
    "a safetensors file": (2).to_bytes(8, "little") + b'{"a": 1}',
    "a web page": b"\n<!DOCTYPE html><html></html>",
    "text": "gr\u00fc\u00dfe\n".encode() * 99,
}


@pytest.mark.parametrize("found", KINDS)
def test_a_file_of_another_kind(found: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(KINDS[found])
    with pytest.raises(BundleError) as caught:
        load_graph(path)
    assert (caught.value.code, caught.value.subject) == ("model_unreadable", "model.onnx")
    assert caught.value.found.startswith(found)
    assert caught.value.hint or found == "text"


def test_a_truncated_model_says_how_much_is_there(tmp_path: Path) -> None:
    path = make.save(make.mlp(), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError) as caught:
        load_graph(path)
    assert caught.value.found.startswith(f"a model cut short: {len(content) // 2:,} of at least ")
    assert "again" in caught.value.hint


def test_whatever_the_bytes_there_is_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for content in (b"\xff" * 20, b"\x08", b"\x08\x80", b"\x3a\xff\xff", bytes(600)):
        path.write_bytes(content)
        with pytest.raises(BundleError) as caught:
            load_graph(path)
        assert caught.value.found


def test_a_folder_and_nothing(tmp_path: Path) -> None:
    assert looks_like(tmp_path).found == "a folder"
    assert looks_like(tmp_path / "absent.onnx").found == "no such file"


def test_an_ending_that_has_no_reader_is_told_with_the_kind(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(KINDS["a PyTorch checkpoint"])
    with pytest.raises(BundleError) as caught:
        ingest(path, tmp_path)
    assert (caught.value.code, caught.value.found) == ("model_format_unknown", "`.pt`: a PyTorch checkpoint")
    assert "torch.onnx.export" in caught.value.hint
