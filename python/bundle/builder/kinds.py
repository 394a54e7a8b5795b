"""What a file that is no ONNX model looks like, by its first bytes, and how to get a model out of it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

#: Enough for every signature, and for a page or a pointer to show that it is text.
_HEAD = 512

# Of protobuf: the longest number, what the low bits of a field's key say, and the field `graph` of a model.
_LONGEST_VARINT = 10
_WIRE_MASK, _NUMBER, _BYTES = 7, 0, 2
_GRAPH = 7


class Kind(NamedTuple):
    """What a file is in a few words, and what to do about it; both empty where nothing is known.

    Attributes:
        found: what it is.
        hint: what to do about it.
        pickle: whether it may be a Python pickle for all that its bytes say.
    """

    found: str
    hint: str = ""
    pickle: bool = False


_TORCH = "export it in Python: torch.onnx.export(model, example_inputs, 'model.onnx')"
_TENSORFLOW = "convert it: python -m tf2onnx.convert --help"
_PICKLE = f"of a scikit-learn estimator: name it .pkl and say --trust-pickle; of PyTorch: {_TORCH}"
_UNPACK = "unpack it first"
_AGAIN = "copy or download it again"

# (offset, bytes there, kind)
_SIGNATURES = (
    (0, b"\x89HDF\r\n\x1a\n", Kind("an HDF5 file, as Keras writes it", _TENSORFLOW)),
    (0, b"\x1f\x8b", Kind("a gzip archive", _UNPACK, pickle=True)),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (0, b"version https://git-lfs", Kind("a pointer of Git LFS, not the file", "fetch it: git lfs pull")),
    (4, b"TFL3", Kind("a TensorFlow Lite model", _TENSORFLOW)),
    (4, b"ORTM", Kind("an .ort file", "build from the .onnx file that it was made of")),
    (8, b'{"', Kind("a safetensors file: weights without a graph", _TORCH)),
)


def looks_like(path: Path) -> Kind:
    """Tell what a file looks like that does not parse as an ONNX model."""
    if path.is_dir():
        return Kind("a folder", "name the .onnx file in it")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return Kind("no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error))
    if not size:
        return Kind("an empty file", _AGAIN)
    if zipfile.is_zipfile(path):
        return _zip_kind(path)
    return _signature_kind(head) or _text_kind(head) or _cut_short(path, size)


def _signature_kind(head: bytes) -> Kind | None:
    for offset, signature, kind in _SIGNATURES:
        if head[offset:].startswith(signature):
            return kind
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return Kind("a Python pickle", _PICKLE, pickle=True)
    return None


def _zip_kind(path: Path) -> Kind:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("data.pkl") for name in names):
        return Kind("a PyTorch checkpoint", _TORCH)
    if "model.weights.h5" in names:
        return Kind("a Keras model", _TENSORFLOW)
    if names and all(name.endswith(".npy") for name in names):
        return Kind("an .npz archive of arrays", "golden cases are given with --golden")
    return Kind("a zip archive", _UNPACK)


def _text_kind(head: bytes) -> Kind | None:
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return Kind("a web page", f"{_AGAIN}: the address gave a page instead of the file")
    # The last letter may be cut, and a text has none of the bytes that begin a protobuf message.
    text = head.decode("utf-8", "ignore")
    printable = all(letter.isprintable() or letter in "\t\r\n" for letter in text)
    return Kind("text", pickle=True) if printable and len(text.encode()) + 3 >= len(head) else None


def _cut_short(path: Path, size: int) -> Kind:
    """Walk the outermost fields of a protobuf message, to see whether the graph ends beyond the file."""
    with path.open("rb") as file:
        while key := _varint(file):
            wire = key & _WIRE_MASK
            value = _varint(file) if wire in (_NUMBER, _BYTES) else None
            if value is None:
                break
            if wire == _BYTES:
                end = file.tell() + value
                if end > size:
                    is_graph = key == (_GRAPH << 3 | _BYTES)
                    found = f"a model cut short: {size:,} of at least {end:,} bytes"
                    return Kind(found, _AGAIN, pickle=True) if is_graph else Kind("")
                file.seek(end)
    return Kind("")


def _varint(file: BinaryIO) -> int | None:
    """Read a number of protobuf; None at the end of the file, or where there is none."""
    value = 0
    for place in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << 7 * place
        if byte[0] < 0x80:
            return value
    return None
