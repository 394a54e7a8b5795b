"""Files of tensors by name, as ``predict`` reads and writes them: .npz, .safetensors, .json."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bundle.cli import tensor_json
from bundle.dtype import word_of
from bundle.error import BundleError
from bundle.manifest import Input
from bundle.tolerance import Array

_ENDINGS = (".json", ".npz", ".safetensors")
#: What golden cases put before the name of an input, so that such a file can be used as it is.
_GOLDEN_PREFIX = "inputs/"


class Given(NamedTuple):
    """Tensors by name; ``exact``: they came as the tensors of DRIVER.md, bytes in hex."""

    tensors: dict[str, Array]
    exact: bool


def read(name: str, inputs: Sequence[Input]) -> Given:
    """Read a file of inputs; ``-`` is JSON from stdin. Numbers in JSON take the dtype that ``inputs`` says.

    Where names begin with ``inputs/``, as in golden cases, only those are taken.

    Errors: ``input_file_unreadable``; ``usage_invalid`` for another ending.
    """
    ending = ".json" if name == "-" else _ending(name)
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        if ending == ".json":
            return Given(*tensor_json.decode(data, {entry.name: entry.dtype for entry in inputs}))
        tensors = _from_npz(data) if ending == ".npz" else _from_safetensors(data)
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from error
    except (ValueError, zipfile.BadZipFile, EOFError, OverflowError) as error:
        raise _unreadable(name, str(error)) from error
    golden = {key: tensor for key, tensor in tensors.items() if key.startswith(_GOLDEN_PREFIX)}
    return Given(
        {key.removeprefix(_GOLDEN_PREFIX): tensor for key, tensor in (golden or tensors).items()}, False
    )


def write(name: str, tensors: Mapping[str, Array], exact: bool) -> None:
    """Write tensors in the form that the file's ending names; ``exact`` as in `Given`, for JSON.

    Errors: ``output_file_unwritable``; ``usage_invalid`` for another ending.
    """
    ending = _ending(name)
    if ending == ".json":
        data = json.dumps(json_tree(tensors, exact), allow_nan=False).encode() + b"\n"
    elif ending == ".npz":
        data = _to_npz(tensors)
    else:
        from bundle.golden import write_tensors

        data = write_tensors(dict(tensors))
    try:
        Path(name).write_bytes(data)
    except OSError as error:
        found = error.strerror or str(error)
        raise BundleError("output_file_unwritable", name, "a file that can be written", found) from error


def json_tree(tensors: Mapping[str, Array], exact: bool) -> dict[str, Any]:
    """Return tensors as a tree for JSON: nested lists, or where ``exact`` the tensors of DRIVER.md."""
    form = tensor_json.exact if exact else tensor_json.nested
    return {name: form(tensor) for name, tensor in tensors.items()}


def summary(tensors: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Return name, dtype and shape of each tensor."""
    return [
        {"name": name, "dtype": word_of(tensor), "shape": list(tensor.shape)}
        for name, tensor in tensors.items()
    ]


def check_ending(name: str) -> None:
    """Refuse a file of no known form before any work is done.

    Errors: ``usage_invalid``.
    """
    _ending(name)


def _ending(name: str) -> str:
    ending = Path(name).suffix.lower()
    if ending not in _ENDINGS:
        raise BundleError(
            "usage_invalid", name, f"a file ending in {', '.join(_ENDINGS)}", ending or "no ending"
        )
    return ending


def _unreadable(name: str, found: str) -> BundleError:
    return BundleError("input_file_unreadable", name, "a file of tensors of the form its ending names", found)


def _from_npz(data: bytes) -> dict[str, Array]:
    # Told apart here, as numpy takes a file of one array just as well, and gives back something else.
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError("not an .npz archive")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        tensors = {name: archive[name] for name in archive.files}
    return {
        name: tensor.astype(object) if tensor.dtype.kind == "U" else tensor
        for name, tensor in tensors.items()
    }


def _from_safetensors(data: bytes) -> dict[str, Array]:
    from bundle.golden import read_tensors

    tensors: dict[str, Array] = read_tensors(data, canonical=False)
    return tensors


def _to_npz(tensors: Mapping[str, Array]) -> bytes:
    # Not `np.savez`, which cannot write a tensor whose name is one of its own arguments, such as `file`.
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, tensor in tensors.items():
            # Text in numpy's own type, since an array of objects would have to be pickled.
            plain = tensor.astype(np.str_) if tensor.dtype.kind == "O" else tensor
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, plain, allow_pickle=False)
    return file.getvalue()
