import hashlib

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bundle.builder.ingest import ingest, source_digest
from bundle.error import BundleError
from tests.build import make_models as make
from tests.build import make_odd_models as odd


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def weights_of(path):
    model = onnx.load(path)
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def refusal(call, *arguments):
    with pytest.raises(BundleError) as caught:
        call(*arguments)
    return caught.value


def test_plain_model_stays_as_it_is(tmp_path, work):
    source = make.save(make.mlp(), tmp_path)
    model = ingest(source, work)
    assert model.format == "onnx"
    assert model.path.read_bytes() == source.read_bytes()


def test_external_data_is_taken_into_the_file(tmp_path, work):
    source = make.external_data(tmp_path)
    model = ingest(source, work)
    assert [path.name for path in work.iterdir()] == [model.path.name]
    for name, array in weights_of(make.save(make.mlp(), tmp_path, "plain.onnx")).items():
        assert np.array_equal(weights_of(model.path)[name], array)


def test_external_data_in_a_subfolder(tmp_path, work):
    assert ingest(make.external_data(tmp_path, "data/weights.bin"), work).path.is_file()


def test_large_weights_stay_in_one_data_file(tmp_path, work):
    source = make.external_data(tmp_path)
    model = ingest(source, work, 100)
    (data,) = model.data
    assert sorted(work.iterdir()) == [model.path, data]
    for name, array in weights_of(source).items():
        assert np.array_equal(weights_of(model.path)[name], array)


@pytest.mark.parametrize(
    "location", ["../weights.bin", "a/../../weights.bin", "/etc/passwd", "C:\\weights.bin", "a\\b", "", "."]
)
def test_external_data_path_outside(tmp_path, work, location):
    folder = tmp_path / "model"
    source = make.external_data(folder)
    (tmp_path / "weights.bin").write_bytes(bytes(4096))
    model = onnx.load(source, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    make.save(model, folder)
    assert refusal(ingest, source, work).code == "external_data_outside"
    assert refusal(source_digest, source).code == "external_data_outside"
    assert not list(work.iterdir())


@pytest.mark.parametrize("link", ["file", "folder"])
def test_external_data_link_outside(tmp_path, work, link):
    folder = tmp_path / "model"
    location = "data/weights.bin"
    source = make.external_data(folder, location)
    part = folder / location if link == "file" else folder / "data"
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    assert refusal(ingest, source, work).code == "external_data_outside"


def test_external_data_missing(tmp_path, work):
    source = make.external_data(tmp_path)
    (tmp_path / "weights.bin").unlink()
    error = refusal(ingest, source, work)
    assert (error.code, error.subject) == ("external_data_missing", "weights.bin")


def test_external_data_one_byte_short(tmp_path, work):
    source = make.external_data(tmp_path)
    data = tmp_path / "weights.bin"
    data.write_bytes(data.read_bytes()[:-1])
    assert refusal(ingest, source, work).code == "external_data_missing"


@pytest.mark.parametrize(("key", "text"), [("offset", "-1"), ("offset", "x"), ("length", "5")])
def test_external_data_numbers(tmp_path, work, key, text):
    source = make.external_data(tmp_path)
    model = onnx.load(source, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == key:
            entry.value = text
    make.save(model, tmp_path)
    assert refusal(ingest, source, work).code == "model_unreadable"


@pytest.mark.parametrize("content", [b"", b"hello", bytes(64), b"\xff" * 100, b"\x08\x08"])
def test_no_model(tmp_path, work, content):
    source = tmp_path / "model.onnx"
    source.write_bytes(content)
    assert refusal(ingest, source, work).code == "model_unreadable"


def test_truncated_model(tmp_path, work):
    source = make.save(make.mlp(), tmp_path)
    source.write_bytes(source.read_bytes()[:-40])
    assert refusal(ingest, source, work).code == "model_unreadable"


def test_no_such_file(tmp_path, work):
    assert refusal(ingest, tmp_path / "model.onnx", work).code == "model_unreadable"


@pytest.mark.parametrize("name", ["model.bin", "model"])
def test_unknown_kind(tmp_path, work, name):
    error = refusal(ingest, tmp_path / name, work)
    assert (error.code, error.subject) == ("model_format_unknown", name)


def test_traces_of_the_exporter_are_removed(tmp_path, work):
    model = onnx.load(ingest(make.save(odd.with_traces(), tmp_path), work).path)
    node = model.graph.node[0]
    assert not node.doc_string
    assert [entry.key for entry in node.metadata_props] == ["pkg.torch.onnx.name_scopes"]
    assert {entry.key: entry.value for entry in model.metadata_props} == {"license": "MIT"}


def test_digest_of_a_single_file(tmp_path):
    source = make.save(make.mlp(), tmp_path)
    assert source_digest(source) == hashlib.sha256(source.read_bytes()).hexdigest()


def test_digest_covers_data_files_in_byte_order_of_their_paths(tmp_path):
    source = make.external_data(tmp_path, "b.bin")
    model = onnx.load(source, load_external_data=False)
    (tmp_path / "Z.bin").write_bytes((tmp_path / "b.bin").read_bytes())
    entries = model.graph.initializer[2].external_data
    next(entry for entry in entries if entry.key == "location").value = "./Z.bin"
    make.save(model, tmp_path)
    files = [source, tmp_path / "Z.bin", tmp_path / "b.bin"]
    expected = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    assert source_digest(source) == expected
