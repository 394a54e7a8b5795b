"""Which values a model can take at its integer inputs, as far as its graph tells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from bundle.builder.graph import constants, walk_nodes

#: Operators whose output holds values of their first input (Concat: of any input) and nothing else.
_KEEP_VALUES = {
    "Cast", "Concat", "Expand", "Flatten", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Tile",
    "Transpose", "Unsqueeze",
}  # fmt: skip
#: Operators that combine conditions.
_KEEP_CONDITION = {"And", "Cast", "Identity", "Not", "Or", "Reshape", "Squeeze", "Unsqueeze"}
#: Operators whose output has the shape of their first input.
_KEEP_SHAPE = {"Cast", "DequantizeLinear", "Identity"}
#: Where indices go in, and which input is the table that they point into.
_TABLES = {
    ("Gather", 1): 0,
    ("GatherElements", 1): 0,
    ("EmbedLayerNormalization", 0): 2,
    ("EmbedLayerNormalization", 1): 4,
}

_Use = tuple[NodeProto, int]


@dataclass(frozen=True)
class Range:
    """What an integer input may hold.

    Attributes:
        stop: values lie in ``[0, stop)``; None where the graph does not tell.
        choices: the values that branches compare it with; empty where none do.
    """

    stop: int | None = None
    choices: tuple[int, ...] = ()


def integer_ranges(model: ModelProto) -> dict[str, Range]:
    """Return the range of every graph input that the graph says something about."""
    known = constants(model)
    uses: dict[str, list[_Use]] = defaultdict(list)
    makers: dict[str, NodeProto] = {}
    for node in walk_nodes(model):
        for index, name in enumerate(node.input):
            uses[name].append((node, index))
        makers |= dict.fromkeys(node.output, node)
    ranges: dict[str, Range] = {}
    for port in model.graph.input:
        reached = list(_uses_of_values(port.name, uses))
        stops = [size for use in reached if (size := _table_size(use, known, makers))]
        choices = {value for use in reached for value in _compared(use, known, uses)}
        if stops or choices:
            ranges[port.name] = Range(min(stops, default=None), tuple(sorted(choices)))
    return ranges


def _uses_of_values(
    name: str, uses: dict[str, list[_Use]], through: set[str] | None = None
) -> Iterator[_Use]:
    """Yield every use of a tensor, and of those that hold its values after operators in ``through``."""
    through = _KEEP_VALUES if through is None else through
    pending, seen = [name], {name}
    while pending:
        for node, index in uses[pending.pop()]:
            yield node, index
            passes = index == 0 or node.op_type in ("Concat", "And", "Or")
            if node.op_type in through and passes:
                pending += [output for output in node.output if output not in seen]
                seen |= set(node.output)


def _table_size(use: _Use, known: dict[str, TensorProto], makers: dict[str, NodeProto]) -> int | None:
    """Return how many entries the table has along the axis that a use points into, if it is a table."""
    node, index = use
    table = _TABLES.get((node.op_type, index))
    if table is None or table >= len(node.input):
        return None
    name = node.input[table]
    while name not in known and name in makers and makers[name].op_type in _KEEP_SHAPE:
        name = makers[name].input[0]
    axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
    dims = known[name].dims if name in known else ()
    return dims[axis] if -len(dims) <= axis < len(dims) else None


def _compared(use: _Use, known: dict[str, TensorProto], uses: dict[str, list[_Use]]) -> list[int]:
    """Return the constants that a use compares with to choose a branch."""
    node, index = use
    other = node.input[1 - index] if node.op_type == "Equal" else ""
    if other not in known:
        return []
    ends = _uses_of_values(node.output[0], uses, _KEEP_CONDITION)
    if not any(end.op_type == "If" for end, _ in ends):
        return []
    return [int(value) for value in numpy_helper.to_array(known[other]).ravel()]
