"""Golden files: safetensors, read as strictly as the manifest and written in one way only."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bundle import text_tensor
from bundle.canonical import Malformed, NotCanonical, dumps, parse
from bundle.dtype import BY_SAFETENSORS, DTYPES, Dtype, word_of
from bundle.error import BundleError
from bundle.manifest import GoldenFile, Input, Manifest, Output
from bundle.text_tensor import TensorFileError

__all__ = ["GoldenCase", "TensorFileError", "load_case", "read_tensors", "write_tensors"]

Array = NDArray[Any]

_METADATA = "__metadata__"
_MAX_HEADER = 1 << 20
_MAX_DEPTH = 16
#: Axes that a tensor of a bundle may have.
MAX_RANK = 8
_LENGTH = struct.Struct("<Q")
_ALIGNMENT = 8


class Source(Protocol):
    """The part of a bundle that a golden case is read from."""

    @property
    def manifest(self) -> Manifest:
        """The checked manifest."""

    def read(self, relative: str) -> bytes:
        """Return the content of a listed file."""


@dataclass(frozen=True)
class GoldenCase:
    """Real inputs with the outputs that they must give; arrays are read-only and may be unaligned.

    Attributes:
        inputs: every input of the manifest by name.
        source: outputs of the source model by name; may lack some.
        recorded: every output by name, as the variant gave it when it was built.
    """

    inputs: dict[str, Array]
    source: dict[str, Array]
    recorded: dict[str, Array]


def load_case(bundle: Source, file: GoldenFile, variant: str) -> GoldenCase:
    """Read a golden case for one variant.

    Raises:
        BundleError: ``golden_malformed`` with the file's path, for any fault of FORMAT.md section 7;
            ``file_missing`` or ``file_not_regular`` where the file changed since the bundle was opened.
    """
    data, manifest = bundle.read(file.path), bundle.manifest
    try:
        tensors = read_tensors(data)
        _check_ports(tensors, manifest)
        return GoldenCase(
            inputs=_select(tensors, "inputs/", manifest.inputs, complete=True),
            source=_select(tensors, "source/", manifest.outputs, complete=False),
            recorded=_select(tensors, f"recorded/{variant}/", manifest.outputs, complete=True),
        )
    except TensorFileError as error:
        raise BundleError("golden_malformed", file.path, "a golden file of the format", str(error)) from None


def _check_ports(tensors: Mapping[str, Array], manifest: Manifest) -> None:
    """Refuse a tensor that belongs to nothing in the manifest, or has another dtype or rank."""
    prefixes = ("source/", *(f"recorded/{variant.name}/" for variant in manifest.variants))
    ports: dict[str, Input | Output] = {f"inputs/{port.name}": port for port in manifest.inputs}
    ports |= {f"{prefix}{port.name}": port for prefix in prefixes for port in manifest.outputs}
    for key, array in tensors.items():
        if key not in ports:
            raise TensorFileError(f"`{key}` is neither an input, nor an output of the source or a variant")
        port = ports[key]
        if word_of(array) != port.dtype or array.ndim != len(port.shape):
            found = f"{word_of(array)} of rank {array.ndim}"
            raise TensorFileError(f"`{key}` is {found}, not {port.dtype} of rank {len(port.shape)}")


def _select(
    tensors: Mapping[str, Array], prefix: str, ports: Sequence[Input | Output], *, complete: bool
) -> dict[str, Array]:
    """Return the tensors under a prefix by the names of the ports, in their order."""
    for port in ports:
        if complete and prefix + port.name not in tensors:
            raise TensorFileError(f"`{prefix}{port.name}` is not there")
    return {port.name: tensors[prefix + port.name] for port in ports if prefix + port.name in tensors}


def read_tensors(data: bytes | memoryview, *, canonical: bool = True) -> dict[str, Array]:
    """Return the tensors of a safetensors file by key.

    Args:
        data: the whole file. The arrays are views of it, at any address; strings are ``object`` arrays
            of ``str``.
        canonical: False takes what other programs write too: any spelling of the header, and the
            tensors in any order.

    Raises:
        TensorFileError: a fault of FORMAT.md section 7; no other error, whatever the bytes are.
    """
    header, body = _split(memoryview(data), canonical)
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise TensorFileError(f"`{_METADATA}` does not map text to text")
    spans = {key: _span(key, entry) for key, entry in header.items()}
    order = sorted(spans) if canonical else sorted(spans, key=lambda key: (spans[key].begin, spans[key].end))
    end = 0
    for key in order:
        if spans[key].begin != end:
            raise TensorFileError(f"`{key}` begins at {spans[key].begin}, not at {end}")
        end = spans[key].end
    if end != len(body):
        raise TensorFileError(f"the tensors end at {end}, the data at {len(body)}")
    return text_tensor.join({key: _array(key, spans[key], body) for key in order}, metadata, canonical)


class _Span(NamedTuple):
    """Where a tensor lies in the data, in bytes, and what it is."""

    begin: int
    end: int
    dtype: Dtype
    shape: tuple[int, ...]


def _split(data: memoryview, canonical: bool) -> tuple[dict[str, Any], memoryview]:
    """Return the header's tree and the data behind it."""
    if len(data) < _LENGTH.size:
        raise TensorFileError("shorter than the length of its header")
    (length,) = _LENGTH.unpack_from(data)
    if length > min(_MAX_HEADER, len(data) - _LENGTH.size):
        raise TensorFileError(f"a header of {length} bytes, which is too long or runs past the end")
    raw = bytes(data[_LENGTH.size : _LENGTH.size + length])
    text = raw.rstrip(b" ")
    if canonical and (length % _ALIGNMENT or length - len(text) >= _ALIGNMENT):
        raise TensorFileError("a header that is not padded to a multiple of 8 with at most 7 spaces")
    try:
        tree = parse(text, ascii_keys=False, max_depth=_MAX_DEPTH, exact=canonical)
    except (Malformed, NotCanonical) as error:
        raise TensorFileError(f"a header that is not canonical JSON: {error}") from None
    if not isinstance(tree, dict):
        raise TensorFileError("a header that is no object")
    return tree, data[_LENGTH.size + length :]


def _span(key: str, entry: Any) -> _Span:
    """Check one entry of the header by itself."""
    if not isinstance(entry, dict) or entry.keys() != {"data_offsets", "dtype", "shape"}:
        raise TensorFileError(f"`{key}` has other fields than data_offsets, dtype and shape")
    offsets, word, shape = entry["data_offsets"], entry["dtype"], entry["shape"]
    if not _sizes(offsets) or len(offsets) != 2 or not _sizes(shape) or len(shape) > MAX_RANK:
        raise TensorFileError(f"`{key}` has offsets that are no pair, or a shape that is none")
    if not isinstance(word, str) or word not in BY_SAFETENSORS:
        raise TensorFileError(f"`{key}` has an unknown dtype")
    begin, end = offsets
    dtype = BY_SAFETENSORS[word]
    if end - begin != math.prod(shape) * dtype.size:
        raise TensorFileError(f"`{key}` has a shape that does not fill its {end - begin} bytes")
    return _Span(begin, end, dtype, tuple(shape))


def _sizes(value: Any) -> bool:
    """Tell whether a value is a list of integers that are not negative; a boolean is none."""
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)


def _array(key: str, span: _Span, body: memoryview) -> Array:
    raw = (
        np.frombuffer(body[span.begin : span.end], np.uint8)
        if span.end > span.begin
        else np.empty(0, np.uint8)
    )
    if span.dtype is DTYPES["bool"] and raw.size and raw.max() > 1:
        raise TensorFileError(f"`{key}` holds a bool that is neither 0 nor 1")
    try:
        return raw.view(span.dtype.numpy.newbyteorder("<")).reshape(span.shape)
    except ValueError as error:  # sizes beyond what an array can have, beside a 0
        raise TensorFileError(f"`{key}`: {error}") from None


def write_tensors(tensors: Mapping[str, Array]) -> bytes:
    """Return the one golden file that holds these tensors, of any layout; strings are arrays of ``str``.

    Raises:
        ValueError: a key or dtype that a golden file cannot hold, more than 8 axes, text that is no
            UTF-8, or a header beyond 1 MiB.
    """
    plain, metadata = text_tensor.split(tensors)
    header: dict[str, Any] = {_METADATA: metadata} if metadata else {}
    pieces: list[bytes] = []
    end = 0
    for key, array in sorted(plain.items()):
        word = word_of(array)
        if key == _METADATA or word is None or array.ndim > MAX_RANK:
            raise ValueError(f"`{key}` of type {array.dtype} and rank {array.ndim} fits into no golden file")
        row = DTYPES[word]
        pieces.append(array.astype(row.numpy.newbyteorder("<"), copy=False).tobytes())
        begin, end = end, end + len(pieces[-1])
        header[key] = {"data_offsets": [begin, end], "dtype": row.safetensors, "shape": list(array.shape)}
    text = dumps(header)
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > _MAX_HEADER:
        raise ValueError(f"the header needs {len(text)} bytes of at most {_MAX_HEADER}")
    return b"".join([_LENGTH.pack(len(text)), text, *pieces])
