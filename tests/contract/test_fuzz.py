"""Whatever the bytes and folders are: nothing but the documented errors leaves a reader."""

import os
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import example as with_example
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bundle.bundle import Bundle
from bundle.canonical import dumps
from bundle.dtype import DTYPES
from bundle.error import BundleError
from bundle.golden import TensorFileError, load_case, read_tensors, write_tensors
from bundle.manifest import Manifest
from tests.contract import example
from tests.contract.example import GOLDEN, MODEL

GOOD = Manifest.encode(example.tree())
GOOD_TENSORS = write_tensors(example.tensors())
LEGAL = st.recursive(
    st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TOKENS = st.sampled_from(
    rb'{ } [ ] , : " \ \u d800 \ud83d\ude00 null true NaN -0 1.5 1e999 "a"'.split()
) | st.sampled_from([b"9" * 30, b" ", b"\n", b"\0", b"\xff", b"\xef\xbb\xbf", "é".encode()])
MANY = settings(max_examples=400, deadline=None)


@st.composite
def damaged(draw, good: bytes) -> bytes:
    """Good bytes with a few pieces cut, doubled or overwritten."""
    data = good
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = draw(st.integers(begin, min(len(data), begin + draw(st.sampled_from([0, 1, 8, 400])))))
        piece = draw(st.just(b"") | TOKENS | st.binary(max_size=8) | st.just(data[begin:end] * 2))
        data = data[:begin] + piece + data[end:]
    return data


def parse(data: bytes) -> Manifest | None:
    try:
        return Manifest.parse(data)
    except BundleError as error:
        assert str(error).encode()
        return None


@MANY
@given(st.binary(max_size=200) | st.lists(TOKENS, max_size=30).map(b"".join) | damaged(GOOD))
@with_example(b"[" * 300_000)
@with_example(b'{"a":' * 100_000)
@with_example(b'"' + b"\\" * 500_001)
@with_example(b"-" + b"1" * 900_000)
def test_a_manifest_of_any_bytes_is_read_or_refused(data: bytes) -> None:
    manifest = parse(data)
    if manifest:  # what is read is canonical, so writing it again changes nothing
        assert Manifest.encode(manifest.tree) == data


@MANY
@given(st.dictionaries(st.sampled_from([*example.tree(), "x"]), LEGAL, max_size=4))
def test_a_manifest_of_any_fields_is_read_or_refused(fields) -> None:
    parse(dumps(example.tree() | fields))


def read(data: bytes, canonical: bool) -> dict[str, np.ndarray] | None:
    try:
        return read_tensors(data, canonical=canonical)
    except TensorFileError:
        return None


@MANY
@given(st.binary(max_size=64) | damaged(GOOD_TENSORS), st.booleans())
def test_a_tensor_file_of_any_bytes_is_read_or_refused(data: bytes, canonical: bool) -> None:
    tensors = read(data, canonical)
    if tensors is not None and canonical:
        assert write_tensors(tensors) == data


ENTRIES = st.fixed_dictionaries(
    {
        "data_offsets": st.lists(st.integers(-1, 16) | LEGAL, min_size=1, max_size=3),
        "dtype": st.sampled_from(["F32", "U8", "I64", "BOOL", "BF16"]) | LEGAL,
        "shape": st.lists(st.integers(0, 4) | st.integers(2**31, 2**53 - 1) | LEGAL, max_size=9),
    }
)
METADATA = st.dictionaries(
    st.sampled_from(["t", "a"]), st.sampled_from(["string:", "string:1", "string:0,2", ""])
)
HEADERS = st.dictionaries(
    st.sampled_from(["a", "b", "t.offsets", "t.utf8", "__metadata__"]), ENTRIES | METADATA
)


@MANY
@given(HEADERS, st.binary(max_size=24), st.booleans())
def test_a_tensor_file_of_any_header_is_read_or_refused(header, data: bytes, canonical: bool) -> None:
    text = dumps(header)
    text += b" " * (-len(text) % 8)
    read(len(text).to_bytes(8, "little") + text + data, canonical)


ARRAYS = st.one_of(
    [
        arrays.arrays(row.numpy, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0))
        for row in DTYPES.values()
        if row.size
    ]
)
CARRIED = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
STRINGS = arrays.arrays(object, arrays.array_shapes(min_dims=0, min_side=0, max_side=3), elements=CARRIED)
KEYS = st.text(st.characters(codec="utf-8"), max_size=6).map("k{}".format)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, ARRAYS | STRINGS, max_size=4))
def test_tensors_that_are_written_are_read_bit_for_bit(tensors) -> None:
    found = read_tensors(write_tensors(tensors))
    assert found.keys() == tensors.keys()
    for key, array in tensors.items():
        assert (found[key].dtype, found[key].shape) == (array.dtype, array.shape)
        same = (
            array.tolist() == found[key].tolist()
            if array.dtype == object
            else array.tobytes() == found[key].tobytes()
        )
        assert same


NAMES = st.sampled_from(
    ["bundle.json", MODEL, GOLDEN, "models", "golden", "attest", "lib", "models/x", "a\udcff"]
)
KINDS = st.sampled_from(["remove", "file", "folder", "link", "dangling", "loop", "pipe"])


def put(folder: Path, name: str, kind: str, content: bytes) -> None:
    """Replace what is at a place, where the system lets us."""
    path = folder / name
    try:
        if path.is_dir() and not path.is_symlink():
            path.rename(folder.parent / os.urandom(8).hex())
        elif os.path.lexists(path):
            path.unlink()
        if kind == "file":
            path.write_bytes(content)
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind != "remove":
            path.symlink_to({"link": folder.parent, "dangling": "none", "loop": path.name}[kind])
    except OSError:
        return  # its own folder is gone by now


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, KINDS, damaged(GOOD) | damaged(GOOD_TENSORS)), max_size=3))
def test_a_folder_of_any_content_is_opened_or_refused(changes) -> None:
    with tempfile.TemporaryDirectory() as outside:
        folder = example.write(Path(outside) / "bundle")
        for name, kind, content in changes:
            put(folder, name, kind, content)
        try:
            bundle = Bundle.open(folder)
            assert bundle.manifest.data == GOOD
        except BundleError as error:
            assert str(error).encode()


@settings(max_examples=150, deadline=None)
@given(damaged(GOOD_TENSORS))
def test_a_sealed_golden_file_of_any_bytes_is_read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as outside:
        bundle = Bundle.open(example.write(Path(outside) / "bundle", example.contents() | {GOLDEN: data}))
        try:
            load_case(bundle, bundle.manifest.golden[0], "source")
        except BundleError as error:
            assert (error.code, error.subject) == ("golden_malformed", GOLDEN)
