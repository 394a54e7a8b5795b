"""Why two parts of graphs answer differently: a word and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto

from bundle.bisect import precision
from bundle.bisect.execute import Tensors
from bundle.bisect.graph import Graph, is_coarse
from bundle.bisect.layout import reordered
from bundle.bisect.region import Region
from bundle.bisect.search import Hit
from bundle.bisect.smallest import Smallest, parts_of
from bundle.bisect.views import OPTIMIZED, View
from bundle.tolerance import Array

OPERATOR, FUSION, PRECISION, LAYOUT, NONE = "operator", "fusion", "precision", "layout", "none"

#: Domains of operators that hold channels in blocks, or last.
BLOCKED = frozenset({"com.microsoft.nchwc", "com.ms.internal.nhwc"})
_LONGEST_LIST = 6
_FOLDED = (
    "both run the same operators, which read what was folded into constants, or optimized inside, in one"
)


@dataclass(frozen=True)
class Cause:
    """Why the graphs part.

    Attributes:
        word: one of the words above.
        detail: a sentence without a final period.
        node: the index of the second graph's node that it is about; None for the one that made the tensor.
    """

    word: str
    detail: str
    node: int | None = None


def explain(view: View, hit: Hit, small: Smallest, inner: Tensors) -> Cause:
    """Return the likeliest cause.

    Args:
        view: the graphs that part.
        hit: the first tensor that differs.
        small: the smallest models that show it.
        inner: values of the tensors that the second graph's quantizers read.
    """
    regions = parts_of((view.a, view.b), hit.pair, hit.agreed)
    a, b = (_Part(graph, part) for graph, part in zip((view.a, view.b), regions, strict=True))
    order = reordered(hit.values[1], hit.values[0])
    if order is not None:
        return Cause(LAYOUT, f"B has the values of A in another order of axes, {list(order)}")
    weights = list(_paired_weights(a, b))
    found = _of_weights(weights) or _of_layout(a, b) or _of_attributes(a, b)
    if found is not None:
        return found
    detail = precision.moved(a.nodes, b.nodes, (view.a, view.b), hit, inner)
    if detail:
        return Cause(PRECISION, detail)
    if a.kinds != b.kinds:
        detail = f"A runs {a.told}, B runs {b.told} in their place{_of_the_file(small, view)}"
        return Cause(FUSION, detail)
    if weights:
        return Cause(OPERATOR, weights[0].differ(), weights[0].reader)
    return _of_the_same(view, small)


def _of_attributes(a: _Part, b: _Part) -> Cause | None:
    """Return the first attribute that differs in two rows of the same operators."""
    for at, one, two in zip(b.at, a.nodes, b.nodes, strict=True) if a.kinds == b.kinds else ():
        # What a number is converted to is a matter of precision.
        detail = "" if one.op_type == "Cast" or is_coarse(one.op_type) else _attributes(one, two)
        if detail:
            return Cause(OPERATOR, detail, at)
    return None


def _of_the_same(view: View, small: Smallest) -> Cause:
    if view.kind == OPTIMIZED and not view.same:
        return Cause(FUSION, _FOLDED)
    if small.layers > 1:
        count = len(small.parts[1].nodes)
        return Cause(OPERATOR, f"the differences of {count} nodes add up beyond the tolerance")
    return Cause(OPERATOR, "the same node answers the same inputs differently")


class _Part:
    """The nodes of a region, and what is said about them."""

    def __init__(self, graph: Graph, part: Region) -> None:
        self.graph = graph
        self.at = part.nodes
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


def _of_layout(a: _Part, b: _Part) -> Cause | None:
    blocked = [{node.domain for node in part.nodes} & BLOCKED for part in (a, b)]
    if blocked[0] != blocked[1]:
        who, domain = ("B", blocked[1] - blocked[0]) if blocked[1] - blocked[0] else ("A", blocked[0])
        return Cause(LAYOUT, f"{who} runs it with channels in another order, as {min(domain)}")
    turns = [[_plain(node) for node in part.nodes if node.op_type == "Transpose"] for part in (a, b)]
    if turns[0] and turns[1] and turns[0] != turns[1]:
        return Cause(LAYOUT, f"a Transpose has {_told(turns[0][0])} in A and {_told(turns[1][0])} in B")
    return None


@dataclass(frozen=True)
class _Weight:
    """A weight that differs: its name in the second graph, both values, and the node that reads it."""

    name: str
    a: Array
    b: Array
    reader: int

    def differ(self) -> str:
        """Say by how much."""
        if self.a.shape != self.b.shape or self.a.dtype.kind not in "fiu":
            return f"its weight `{self.name}` differs"
        worst = np.abs(self.b.astype(np.float64) - self.a.astype(np.float64)).max()
        return f"its weight `{self.name}` differs by up to {worst:.3g}"

    def rounded(self) -> bool:
        """Tell whether it is the other one, rounded to 16 bits."""
        if self.a.shape != self.b.shape or self.a.dtype.kind != "f":
            return False
        with np.errstate(over="ignore"):
            return bool(np.array_equal(self.a.astype(np.float16), self.b))


def _paired_weights(a: _Part, b: _Part) -> Iterator[_Weight]:
    """Yield the weights that differ at the same places of nodes that belong together.

    Nodes do that make a tensor of one name, and those of two rows of the same operators.
    """
    by_place = dict(zip(b.at, a.nodes, strict=True)) if a.kinds == b.kinds else {}
    makers = {node.output[0]: node for node in a.nodes}
    for at, node in zip(b.at, b.nodes, strict=True):
        other = makers.get(node.output[0]) or by_place.get(at)
        if other is None or other.op_type != node.op_type:
            continue
        for mine, theirs in zip(other.input, node.input, strict=False):
            one, two = a.graph.array(mine), b.graph.array(theirs)
            if one is not None and two is not None and not np.array_equal(one, two):
                yield _Weight(theirs, one, two, at)


def _of_weights(weights: Sequence[_Weight]) -> Cause | None:
    for each in weights:
        order = reordered(each.b, each.a)
        if order is not None:
            detail = f"the weight `{each.name}` lies in another order of axes in B, {list(order)}"
            return Cause(LAYOUT, detail, each.reader)
        if each.rounded():
            return Cause(PRECISION, f"the weight `{each.name}` is rounded to float16 in B", each.reader)
    return None


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
