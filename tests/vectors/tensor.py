"""Tensors as requests spell them, and the writer of golden files (section 7 of FORMAT.md)."""

import json
import struct

import numpy as np

Tensors = dict[str, np.ndarray]
SAFETENSORS = {
    "bool": "BOOL",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "int8": "I8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "uint8": "U8",
}


def canonical(tree: object) -> bytes:
    """Canonical JSON (section 2)."""
    return json.dumps(tree, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def word(array: np.ndarray) -> str:
    """The dtype of an array as manifests spell it; arrays of objects hold strings."""
    return "string" if array.dtype == object else array.dtype.name


def little(array: np.ndarray) -> bytes:
    """The elements in C order, little-endian."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def tensor(array: np.ndarray, **more: object) -> dict:
    """The TENSOR of DRIVER.md; `more` are `offset` and `byte_order`."""
    if word(array) == "string":
        data: object = [text.encode().hex() for text in array.ravel()]
    else:
        data = little(array).hex()
    return {"dtype": word(array), "shape": list(array.shape), "data": data, **more}


def tensors(arrays: Tensors, **more: object) -> dict:
    """One TENSOR for each array."""
    return {name: tensor(array, **more) for name, array in arrays.items()}


def strings(*values: str) -> np.ndarray:
    """A string tensor of rank 1."""
    return np.array(values, object)


def _string_parts(key: str, array: np.ndarray) -> Tensors:
    encoded = [text.encode() for text in array.ravel()]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return {f"{key}.offsets": offsets, f"{key}.utf8": np.frombuffer(b"".join(encoded), np.uint8)}


def golden_parts(arrays: Tensors) -> tuple[dict, bytes]:
    """The header and the data of a golden file, for vectors that break one of them."""
    metadata, plain = {}, {}
    for key, array in arrays.items():
        if word(array) == "string":
            metadata[key] = "string:" + ",".join(map(str, array.shape))
            plain.update(_string_parts(key, array))
        else:
            plain[key] = array
    header: dict = {"__metadata__": metadata} if metadata else {}
    data = b""
    for key in sorted(plain):
        raw = little(plain[key])
        header[key] = {
            "data_offsets": [len(data), len(data) + len(raw)],
            "dtype": SAFETENSORS[word(plain[key])],
            "shape": list(plain[key].shape),
        }
        data += raw
    return header, data


def golden_join(header: object, data: bytes) -> bytes:
    """A golden file of any header, which may be bytes already."""
    raw = header if isinstance(header, bytes) else canonical(header)
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw + data


def golden(inputs: Tensors, source: Tensors, recorded: dict[str, Tensors]) -> bytes:
    """A golden file: the inputs, what the source model answers, and what each variant answered."""
    arrays = {f"inputs/{name}": array for name, array in inputs.items()}
    arrays |= {f"source/{name}": array for name, array in source.items()}
    for variant, outputs in recorded.items():
        arrays |= {f"recorded/{variant}/{name}": array for name, array in outputs.items()}
    return golden_join(*golden_parts(arrays))
