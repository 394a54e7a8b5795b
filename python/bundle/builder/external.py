"""External data of an ONNX model: which files a model names, whether they lie in its folder, their bytes."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from onnx import ModelProto, TensorProto, helper

from bundle.builder.graph import load_graph, walk_tensors
from bundle.builder.model import Model
from bundle.error import BundleError

#: Where a tensor starts in a data file that we write: a page, so that the runtime can map it.
_ALIGNMENT = 4096


@dataclass(frozen=True)
class Region:
    """The bytes of one external tensor: a file inside the model's folder, where they start, how many."""

    path: Path
    location: str
    offset: int
    length: int


def external_tensors(model: ModelProto) -> list[TensorProto]:
    """Return the tensors whose bytes are not in the model's file."""
    return [tensor for tensor in walk_tensors(model) if tensor.data_location == TensorProto.EXTERNAL]


def onnx_model(path: Path) -> Model:
    """Return the model in an ``.onnx`` file together with the data files that it names.

    Errors: those of ``load_graph`` and ``locate``.
    """
    found = {locate(tensor, path.parent).location for tensor in external_tensors(load_graph(path))}
    return Model(path, "onnx", tuple(path.parent / name for name in sorted(found)))


def locate(tensor: TensorProto, folder: Path) -> Region:
    """Find the bytes of an external tensor, below the model's folder and nowhere else.

    Errors: ``external_data_outside`` for an absolute path, ``..``, a backslash or a link that leaves the
    folder; ``external_data_missing`` for no file or one that is too short; ``model_unreadable`` for
    offsets that are no numbers.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = _relative(entries.get("location", ""), tensor.name)
    path = folder / location
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(
            "external_data_outside", location, "a file in the model's folder", "a link that leads out of it"
        )
    if not path.is_file():
        raise BundleError("external_data_missing", location, f"the data of `{tensor.name}`", "no such file")
    length = _tensor_size(tensor)
    offset = _number(entries.get("offset", "0"), tensor.name)
    # A length of 0 in the entry stands for "to the end" in some exporters' files: only others must agree.
    stated = _number(entries.get("length", "0"), tensor.name)
    if stated not in (0, length):
        raise BundleError("model_unreadable", tensor.name, f"{length} bytes of data", f"{stated} bytes")
    size = path.stat().st_size
    if offset + length > size:
        raise BundleError(
            "external_data_missing", location, f"at least {offset + length} bytes", f"{size} bytes"
        )
    return Region(path, location, offset, length)


def make_inline(tensor: TensorProto, region: Region) -> None:
    """Move an external tensor's bytes into the tensor itself."""
    with region.path.open("rb") as file:
        file.seek(region.offset)
        tensor.raw_data = file.read(region.length)
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")


def append_region(tensor: TensorProto, region: Region, target: BinaryIO, name: str) -> None:
    """Copy an external tensor's bytes to the end of ``target`` (a file called ``name``) and point to them."""
    target.write(b"\0" * (-target.tell() % _ALIGNMENT))
    start, left = target.tell(), region.length
    with region.path.open("rb") as file:
        file.seek(region.offset)
        while left:
            block = file.read(min(left, 1 << 24))
            target.write(block)
            left -= len(block)
    tensor.ClearField("external_data")
    for key, value in (("location", name), ("offset", str(start)), ("length", str(region.length))):
        tensor.external_data.add(key=key, value=value)


def bring_data(model: ModelProto, source: Path, work: Path) -> None:
    """Make the data files of a model in the folder ``source`` available in the folder ``work`` as well."""
    for name in sorted({locate(tensor, source).location for tensor in external_tensors(model)}):
        target = work / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # A copy, since ONNX's checker refuses links of both kinds.
            shutil.copyfile(source / name, target)


def _relative(location: str, tensor: str) -> str:
    """Return the location in its plain form (``./w.bin`` is ``w.bin``), or refuse it."""
    path = PurePosixPath(location)
    outside = path.is_absolute() or ".." in path.parts or "\\" in location or re.match("[A-Za-z]:", location)
    if outside or not path.parts or "\0" in location:
        raise BundleError(
            "external_data_outside", tensor, "a relative path inside the model's folder", repr(location)
        )
    return str(path)


def _number(text: str, tensor: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise BundleError("model_unreadable", tensor, "an offset and a length in bytes", repr(text))
    return int(text)


def _tensor_size(tensor: TensorProto) -> int:
    """Return the bytes that a tensor's values take in a data file."""
    # Types below one byte (int4, int2, float4) are packed; numpy knows only their unpacked form.
    packed = {
        TensorProto.INT4: 4,
        TensorProto.UINT4: 4,
        getattr(TensorProto, "FLOAT4E2M1", -1): 4,
        getattr(TensorProto, "INT2", -2): 2,
        getattr(TensorProto, "UINT2", -3): 2,
    }
    known = helper.get_all_tensor_dtypes()
    if tensor.data_type not in known or min(tensor.dims, default=1) < 0:
        found = f"type {tensor.data_type}, shape {list(tensor.dims)}"
        raise BundleError("model_unreadable", tensor.name, "a known element type and a shape", found)
    bits = packed.get(tensor.data_type) or 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(math.prod(tensor.dims) * bits + 7) // 8
