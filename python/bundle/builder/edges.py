"""The edge of a model: which inputs and outputs it has, their names, types and dimensions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto

from bundle.builder.advice import Advice
from bundle.builder.signature import open_bytes
from bundle.dtype import BY_ONNX, DTYPES
from bundle.error import BundleError
from bundle.golden import MAX_RANK
from bundle.schema import LONGEST_NAME

_BATCH = "batch"
#: Symbols that exporters write where they mean "unknown": two of them need not be equal.
_PLACEHOLDERS = ("", "?", "None")
#: What ONNX's shape inference calls the dimensions that it makes up.
_MADE_UP = "unk__"
_NO_SCALARS = (DTYPES["string"].onnx, DTYPES["float16"].onnx)


def settle_ports(model: ModelProto) -> list[Advice]:
    """Leave only required inputs and distinct outputs, in place.

    An initializer that is also an input (IR 3 wrote every one so) is a default, not an input.
    """
    graph = model.graph
    defaults = {tensor.name for tensor in graph.initializer}
    defaults |= {sparse.values.name for sparse in graph.sparse_initializer}
    names = [port.name for port in graph.output]
    firsts = [port for index, port in enumerate(graph.output) if port.name not in names[:index]]
    _replace(graph.input, [port for port in graph.input if port.name not in defaults])
    _replace(graph.output, firsts)
    twice = sorted({name for name in names if names.count(name) > 1})
    text = "the model lists the output `{}` more than once: the bundle has it once"
    return [Advice("output_duplicate", name, text.format(name)) for name in twice]


def refuse_ports(model: ModelProto) -> None:
    """Check names and types of all inputs and outputs; run before shapes are settled.

    Errors: ``name_invalid``, ``tensor_unsupported``, ``dtype_unsupported``.
    """
    for port in _ports(model):
        _refuse_name(port.name, "a name")
        if port.type.WhichOneof("value") != "tensor_type":
            kind = (port.type.WhichOneof("value") or "nothing").removesuffix("_type")
            raise BundleError("tensor_unsupported", port.name, "a tensor", kind)
        number = port.type.tensor_type.elem_type
        if number not in BY_ONNX:
            known = number in TensorProto.DataType.values()
            found = TensorProto.DataType.Name(number).lower() if known else f"type {number}"
            raise BundleError("dtype_unsupported", port.name, f"one of {', '.join(DTYPES)}", found)
        for dim in port.type.tensor_type.shape.dim:
            if dim.dim_param:
                _refuse_name(dim.dim_param, f"a symbol of `{port.name}`")


def settle_shapes(model: ModelProto) -> list[Advice]:
    """Give every dimension a size or a name, in place, the same ones each time.

    Unnamed first axes of inputs are one symbol, ``batch``; the rest is named after its tensor. Outputs
    take what shape inference finds.

    Errors: ``tensor_unsupported`` for a rank that is unknown or too high, and for scalars of strings or
    float16.
    """
    taken = {dim.dim_param for port in [*_ports(model), *model.graph.value_info] for dim in _dims(port)}
    advice = _name_inputs(model, taken)
    _infer_outputs(model, taken)
    for port in model.graph.output:
        for axis, dim in enumerate(_dims(port)):
            if _is_unnamed(dim):
                dim.dim_param = _fresh(f"{port.name}_dim_{axis}", taken)
    for port in _ports(model):
        tensor = port.type.tensor_type
        if not tensor.HasField("shape"):
            raise BundleError("tensor_unsupported", port.name, "a tensor of known rank", "no shape")
        if len(tensor.shape.dim) > MAX_RANK:
            expected, found = f"at most {MAX_RANK} axes", f"{len(tensor.shape.dim)}"
            raise BundleError("tensor_unsupported", port.name, expected, found)
        if not tensor.shape.dim and tensor.elem_type in _NO_SCALARS:
            found = f"a scalar of {BY_ONNX[tensor.elem_type].word}"
            raise BundleError("tensor_unsupported", port.name, "at least one axis", found)
    return advice


def _name_inputs(model: ModelProto, taken: set[str]) -> list[Advice]:
    first_axes = [port for port in model.graph.input if _dims(port) and _is_unnamed(_dims(port)[0])]
    # An output may use the name already: it then means what the input left unsaid.
    used = {dim.dim_param for port in model.graph.input for dim in _dims(port)}
    batch = _BATCH if _BATCH not in used else _fresh("dim_0", taken)
    taken.add(batch)
    for port in model.graph.input:
        for axis, dim in enumerate(_dims(port)):
            if _is_unnamed(dim):
                dim.dim_param = batch if axis == 0 else _fresh(f"{port.name}_dim_{axis}", taken)
    if len(first_axes) < 2:
        return []
    names = ", ".join(f"`{port.name}`" for port in first_axes)
    text = f"the unnamed first axes of {names} are taken to be of one size, `{batch}`"
    return [Advice("batch_assumed", batch, f"{text}; name them in the model where they are not")]


def _infer_outputs(model: ModelProto, taken: set[str]) -> None:
    """Fill in what is open in the outputs from shape inference: ONNX's first, then the runtime's."""
    for infer in (_onnx_shapes, _runtime_shapes):
        if not any(_is_open(port) for port in model.graph.output):
            return
        found = infer(model)
        for port in model.graph.output:
            if _is_open(port) and port.name in found:
                _fill(port, found[port.name], taken)


def _onnx_shapes(model: ModelProto) -> dict[str, list[int | str | None]]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    shapes: dict[str, list[int | str | None]] = {}
    for port in inferred.graph.output:
        if port.type.tensor_type.HasField("shape"):
            shapes[port.name] = [None if _is_unnamed(d) else d.dim_param or d.dim_value for d in _dims(port)]
    return shapes


def _runtime_shapes(model: ModelProto) -> dict[str, list[int | str | None]]:
    """Ask ONNX Runtime, which knows its own operators; a shape without axes says nothing there."""
    try:
        session = open_bytes(model.SerializeToString())
    except BundleError:
        return {}  # the model's file is opened later, and refused then
    return {node.name: list(node.shape) for node in session.get_outputs() if node.shape}


def _fill(port: ValueInfoProto, shape: list[int | str | None], taken: set[str]) -> None:
    tensor = port.type.tensor_type
    if not tensor.HasField("shape"):
        tensor.shape.SetInParent()
        for _ in shape:
            tensor.shape.dim.add()
    if len(tensor.shape.dim) != len(shape):
        return
    for dim, size in zip(tensor.shape.dim, shape, strict=True):
        if not _is_unnamed(dim):
            continue
        if isinstance(size, int) and size >= 0:
            dim.dim_value = size
        elif isinstance(size, str) and size in taken:
            dim.dim_param = size


def _refuse_name(name: str, what: str) -> None:
    bad = [character for character in name if unicodedata.category(character) in ("Cc", "Cs")]
    if bad or not name:
        found = ascii(bad[0]) if bad else "none"
        raise BundleError("name_invalid", ascii(name), f"{what} without control characters", found)
    length = len(name.encode())
    if length > LONGEST_NAME:
        expected = f"{what} of at most {LONGEST_NAME} bytes"
        raise BundleError("name_invalid", f"{name[:32]}...", expected, f"{length} bytes")


def _fresh(name: str, taken: set[str]) -> str:
    """Return the name, or the first of ``name_2``, ``name_3``, ... that the model does not use."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate


def _ports(model: ModelProto) -> Iterator[ValueInfoProto]:
    yield from model.graph.input
    yield from model.graph.output


def _dims(port: ValueInfoProto) -> list[onnx.TensorShapeProto.Dimension]:
    return list(port.type.tensor_type.shape.dim)


def _is_unnamed(dim: onnx.TensorShapeProto.Dimension) -> bool:
    if dim.WhichOneof("value") == "dim_value":
        return dim.dim_value < 0
    return dim.dim_param in _PLACEHOLDERS or dim.dim_param.startswith(_MADE_UP)


def _is_open(port: ValueInfoProto) -> bool:
    return not port.type.tensor_type.HasField("shape") or any(_is_unnamed(dim) for dim in _dims(port))


def _replace(field: Any, ports: list[ValueInfoProto]) -> None:
    # Emptying the field takes its members along, so that copies have to go back in.
    copies = [ValueInfoProto.FromString(port.SerializeToString()) for port in ports]
    del field[:]
    field.extend(copies)
