"""Sizes of axes at the edge of a graph, in place: fixed, or free."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import ModelProto, TypeProto, ValueInfoProto

from bundle.builder.graph import walk_graphs
from bundle.builder.surgery import inputs_of, refuse_unknown, refused
from bundle.schema import FORMATS
from bundle.suggest import did_you_mean

Dimension = onnx.TensorShapeProto.Dimension


def dims_of(port: ValueInfoProto) -> list[Dimension] | None:
    """Return the axes of a tensor; None where it is no tensor, or of unknown rank."""
    if not port.type.HasField("tensor_type") or not port.type.tensor_type.HasField("shape"):
        return None
    return list(port.type.tensor_type.shape.dim)


def fix(model: ModelProto, text: str, size: int) -> list[tuple[str, int]]:
    """Give the axes that a symbol or ``INPUT:AXIS`` names one size; return them as (input, axis).

    Errors: ``edit_invalid`` for an unknown name, or an axis that has another size.
    """
    if size < 1:
        raise refused(text, "a size of at least 1", str(size))
    known = symbols(model)
    if text in known:
        return _fix_symbol(model, text, size)
    if ":" not in text:
        listed = ", ".join(f"`{each}`" for each in known) or "none"
        expected = f"a named axis of an input ({listed}) or INPUT:AXIS"
        raise refused(text, expected, "no such name", did_you_mean(text, known))
    name, axis, dim = axis_of(model, text)
    if dim.HasField("dim_value") and dim.dim_value != size:
        raise refused(
            text, "an axis without a size", f"the size {dim.dim_value}", f"--free {text}=NAME frees it"
        )
    dim.dim_value = size
    return [(name, axis)]


def _fix_symbol(model: ModelProto, symbol: str, size: int) -> list[tuple[str, int]]:
    ports = inputs_of(model).items()
    axes = [
        (n, i) for n, port in ports for i, dim in enumerate(dims_of(port) or ()) if dim.dim_param == symbol
    ]
    for graph in walk_graphs(model):
        for port in (*graph.input, *graph.output, *graph.value_info):
            for dim in _all_dims(port.type):
                if dim.dim_param == symbol:
                    dim.dim_value = size
    return axes


def free(model: ModelProto, text: str, symbol: str) -> tuple[str, int]:
    """Give the axis that ``INPUT:AXIS`` names a symbol instead of its size; return input and axis.

    Errors: ``edit_invalid`` for an unknown name, an axis with a symbol, or a symbol that is no name.
    """
    name, axis, dim = axis_of(model, text)
    if not FORMATS["name"](symbol) or symbol.isdigit():
        raise refused(text, "a name for the axis", ascii(symbol))
    if dim.dim_param:
        raise refused(text, "an axis with a size", f"the symbol `{dim.dim_param}`")
    dim.dim_param = symbol
    return name, axis


def infer_fixed_outputs(model: ModelProto) -> None:
    """Give axes of outputs the sizes that follow from those of the inputs, where shape inference tells."""
    bare = ModelProto.FromString(model.SerializeToString())
    for port in bare.graph.output:
        if port.type.HasField("tensor_type"):
            port.type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(bare, strict_mode=False, data_prop=True)
    for mine, theirs in zip(model.graph.output, found.graph.output, strict=True):
        for dim, better in zip(dims_of(mine) or (), dims_of(theirs) or (), strict=False):
            if better.HasField("dim_value") and not dim.HasField("dim_value"):
                dim.dim_value = better.dim_value


def symbols(model: ModelProto) -> list[str]:
    """Return the names of axes of inputs, in order, each once."""
    found = [dim.dim_param for port in inputs_of(model).values() for dim in dims_of(port) or ()]
    return list(dict.fromkeys(filter(None, found)))


def axis_of(model: ModelProto, text: str) -> tuple[str, int, Dimension]:
    """Return the input, the axis and its dimension that ``INPUT:AXIS`` names.

    Errors: ``edit_invalid``.
    """
    name, colon, number = text.rpartition(":")
    ports = inputs_of(model)
    if not colon or not (number.isascii() and number.isdigit()):
        raise refused(text, "INPUT:AXIS with an axis from 0, as in image:0", repr(text))
    refuse_unknown("an input", [name], ports)
    dims = dims_of(ports[name])
    if dims is None:
        raise refused(text, "a tensor of known rank", f"`{name}`, whose rank the model does not say")
    if int(number) >= len(dims):
        raise refused(text, f"an axis below {len(dims)}, the rank of `{name}`", number)
    return name, int(number), dims[int(number)]


def forget_inner_shapes(model: ModelProto) -> None:
    """Drop what is recorded of tensors inside the graphs: it speaks of sizes that are no longer true."""
    for graph in walk_graphs(model):
        graph.ClearField("value_info")


def _all_dims(kind: TypeProto) -> Iterator[Dimension]:
    """Yield the dimensions in a type, those of elements of sequences and the like included."""
    word = kind.WhichOneof("value")
    if word in ("tensor_type", "sparse_tensor_type"):
        yield from getattr(kind, word).shape.dim
    elif word in ("sequence_type", "optional_type"):
        yield from _all_dims(getattr(kind, word).elem_type)
    elif word == "map_type":
        yield from _all_dims(kind.map_type.value_type)
