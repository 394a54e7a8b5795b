"""Why two parts of graphs answer differently: a word and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto

from bundle.bisect import precision
from bundle.bisect.execute import Tensors
from bundle.bisect.graph import Graph
from bundle.bisect.layout import reordered
from bundle.bisect.region import Region
from bundle.bisect.search import Hit
from bundle.bisect.smallest import Smallest, parts_of
from bundle.bisect.views import OPTIMIZED, View

OPERATOR, FUSION, PRECISION, LAYOUT, NONE = "operator", "fusion", "precision", "layout", "none"

#: Domains of operators that hold channels in blocks, or last.
_BLOCKED = frozenset({"com.microsoft.nchwc", "com.ms.internal.nhwc"})
_LONGEST_LIST = 6


@dataclass(frozen=True)
class Cause:
    """Why: one of the words above, and a sentence without a final period."""

    word: str
    detail: str


def explain(view: View, hit: Hit, small: Smallest, inner: Tensors) -> Cause:
    """Return the likeliest cause.

    Args:
        view: the graphs that part.
        hit: the first tensor that differs.
        small: the parts that make it.
        inner: values of the second graph's tensors that its quantizers read.
    """
    parts = tuple(
        _Part(graph, part)
        for graph, part in zip(
            (view.a, view.b), parts_of((view.a, view.b), hit.pair, hit.agreed), strict=True
        )
    )
    a, b = parts
    for find in (_order_of_values, _order_of_weights, _other_layout):
        detail = find(a, b, hit)
        if detail:
            return Cause(LAYOUT, detail)
    detail = precision.moved(a.nodes, b.nodes, (view.a, view.b), hit, inner)
    if detail:
        return Cause(PRECISION, detail)
    one_each = len(a.nodes) == len(b.nodes) == 1 and a.kinds == b.kinds
    if one_each and (detail := _attributes(a.nodes[0], b.nodes[0]) or _weights(a, b)):
        return Cause(OPERATOR, detail)
    if view.kind == OPTIMIZED or a.kinds != b.kinds:
        return Cause(FUSION, f"A runs {a.told}, B runs {b.told} in their place{_of_the_file(small, view)}")
    if small.layers > 1:
        return Cause(
            OPERATOR, f"the differences of {len(small.parts[1].nodes)} nodes add up beyond the tolerance"
        )
    return Cause(OPERATOR, "the same node answers the same inputs differently")


class _Part:
    """The nodes of a region, and what is said about them."""

    def __init__(self, graph: Graph, part: Region) -> None:
        self.graph = graph
        self.nodes = [graph.nodes[at] for at in part.nodes]
        self.kinds = [node.op_type for node in self.nodes]

    @property
    def told(self) -> str:
        """The operators in words."""
        if not self.kinds:
            return "nothing"
        more = f" and {len(self.kinds) - _LONGEST_LIST} more" if len(self.kinds) > _LONGEST_LIST else ""
        return ", ".join(self.kinds[:_LONGEST_LIST]) + more


def _of_the_file(small: Smallest, view: View) -> str:
    if small.graphs[0] is view.a:
        return ""
    names = [small.graphs[0].label(at) for at in small.parts[0].nodes]
    return f"; the file has {', '.join(f'`{name}`' for name in names[:_LONGEST_LIST])} there"


def _order_of_values(a: _Part, b: _Part, hit: Hit) -> str:
    order = reordered(hit.values[1], hit.values[0])
    return "" if order is None else f"B has the values of A in another order of axes, {list(order)}"


def _order_of_weights(a: _Part, b: _Part, hit: Hit) -> str:
    for name, one, two in _paired_weights(a, b):
        order = reordered(two, one)
        if order is not None:
            return f"the weight `{name}` lies in another order of axes in B, {list(order)}"
    return ""


def _other_layout(a: _Part, b: _Part, hit: Hit) -> str:
    blocked = [{node.domain for node in part.nodes} & _BLOCKED for part in (a, b)]
    if blocked[0] != blocked[1]:
        who, domain = ("B", blocked[1] - blocked[0]) if blocked[1] - blocked[0] else ("A", blocked[0])
        return f"{who} runs it with channels in another order, as {min(domain)}"
    turns = [[_plain(node) for node in part.nodes if node.op_type == "Transpose"] for part in (a, b)]
    if turns[0] and turns[1] and turns[0] != turns[1]:
        return f"a Transpose has {_told(turns[0][0])} in A and {_told(turns[1][0])} in B"
    return ""


def _paired_weights(a: _Part, b: _Part) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name and values of the weights at the same places of nodes that make the same tensor."""
    makers = {node.output[0]: node for node in a.nodes}
    for node in b.nodes:
        other = makers.get(node.output[0])
        if other is None or other.op_type != node.op_type:
            continue
        for mine, theirs in zip(other.input, node.input, strict=False):
            one, two = a.graph.array(mine), b.graph.array(theirs)
            if one is not None and two is not None and (one.shape != two.shape or (one != two).any()):
                yield theirs, one, two


def _weights(a: _Part, b: _Part) -> str:
    for name, one, two in _paired_weights(a, b):
        if one.shape == two.shape and one.dtype.kind in "fiu":
            worst = np.abs(two.astype(np.float64) - one.astype(np.float64)).max()
            return f"its weight `{name}` differs by up to {worst:.3g}"
        return f"its weight `{name}` differs"
    return ""


def _attributes(a: NodeProto, b: NodeProto) -> str:
    one, two = _plain(a), _plain(b)
    name = next((each for each in sorted({*one, *two}) if one.get(each) != two.get(each)), None)
    if name is None:
        return ""
    said = [repr(each[name]) if name in each else "not given" for each in (one, two)]
    return f"its attribute `{name}` is {said[0]} in A and {said[1]} in B"


def _plain(node: NodeProto) -> dict[str, object]:
    """Return the attributes that are numbers, text, or lists of them."""
    bulky = {AttributeProto.GRAPH, AttributeProto.GRAPHS, AttributeProto.TENSOR, AttributeProto.TENSORS}
    return {
        each.name: _value(onnx.helper.get_attribute_value(each))
        for each in node.attribute
        if each.type not in bulky
    }


def _value(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _told(attributes: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in attributes.items()) or "no attributes"
