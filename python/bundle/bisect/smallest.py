"""The smallest models that show a difference by themselves: a node, or as many before it as it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from onnx import ModelProto

from bundle.bisect.execute import Tensors
from bundle.bisect.graph import Graph, typed
from bundle.bisect.region import Region, edge_names, extract, region
from bundle.bisect.search import Hit, Pair, Sides, run
from bundle.bisect.views import AS_IT_STANDS, View
from bundle.tolerance import Array, Difference

#: Fused nodes that are still a small model.
_FEW = 12
#: The parts of both graphs that make the tensor.
Parts = tuple[Region, Region]


@dataclass(frozen=True)
class Smallest:
    """Two models with the same inputs and one output, and what both ways answer.

    Attributes:
        a: the first way's model.
        b: the second way's; the same object where both run one.
        parts: the regions that they hold.
        graphs: what these are regions of.
        inputs: the recorded inputs, by the models' names.
        output: the name of the output.
        levels: at which the ways run them.
        layers: how many layers of tensors that agree were taken in; 1 for the first nodes alone.
        difference: how the answers differ; None where the models do not show it by themselves.
    """

    a: ModelProto
    b: ModelProto
    parts: Parts
    graphs: tuple[Graph, Graph]
    inputs: Tensors
    output: str
    levels: tuple[str, str]
    layers: int
    difference: Difference | None


def as_they_stand(sides: Sides, view: View, hit: Hit, inputs: Mapping[str, Array]) -> Smallest:
    """Return the part of each graph that makes the tensor, run without optimization."""
    build = _Builder(sides, view, hit.pair, inputs, (AS_IT_STANDS, AS_IT_STANDS))
    return _grow((view.a, view.b), hit.pair, dict(hit.agreed), build.model)


def fused(sides: Sides, source: Graph, view: View, hit: Hit, inputs: Mapping[str, Array]) -> Smallest | None:
    """Return the nodes of the file that were fused, for both ways to optimize; None where they do not part.

    Args:
        sides: both ways.
        source: the graph as it was written, which is the same for both.
        view: the optimized graphs.
        hit: where these part.
        inputs: of the whole model.
    """
    name = hit.pair[1]
    if name not in source.makers:
        return None
    known = {two: one for two, one in hit.agreed.items() if two == one and two in source.dynamic}
    levels = (sides.a.way.level, sides.b.way.level)
    build = _Builder(sides, View(view.kind, source, source), (name, name), inputs, levels)
    found = _grow((source, source), (name, name), known, build.model)
    if found.difference is None or len(found.parts[1].nodes) <= _FEW:
        return found if found.difference is not None else None
    return _cut(build, source, name) or found


def _cut(build: _Builder, source: Graph, target: str) -> Smallest | None:
    """Cut the graph off ever earlier, and return the nodes before the first cut that is found to differ.

    Where channels lie in blocks, no inner tensor has its name; a graph that ends there still answers it.
    """
    made = [
        name
        for at in source.ancestors([target])
        for name in source.nodes[at].output
        if name in source.dynamic
    ]
    same, differs = -1, made.index(target)
    while differs - same > 1:
        middle = (same + differs) // 2
        if build.differ(source, made[middle]):
            differs = middle
        else:
            same = middle
    name = made[differs]
    known = {each: each for each in source.dynamic if each != name}
    found = _grow((source, source), (name, name), known, replace(build, pair=(name, name)).model)
    return found if found.difference is not None else None


def _grow(
    graphs: tuple[Graph, Graph],
    pair: Pair,
    agreed: dict[str, str],
    build: Callable[[Parts, Mapping[str, str], int], Smallest],
) -> Smallest:
    """Take in more layers, twice as many each time, until the models show the difference."""
    free = set(graphs[0].inputs)
    layers, step = 1, 1
    while True:
        parts = parts_of(graphs, pair, agreed)
        found = build(parts, agreed, layers)
        edge = {*parts[0].inputs, *(agreed[name] for name in parts[1].inputs)}
        if found.difference is not None or edge <= free:
            return found
        for _ in range(step):
            parts = parts_of(graphs, pair, agreed)
            edge = {*parts[0].inputs, *(agreed[name] for name in parts[1].inputs)} - free
            agreed = {two: one for two, one in agreed.items() if one not in edge}
        layers, step = layers + step, 2 * step


def parts_of(graphs: tuple[Graph, Graph], pair: Pair, agreed: Mapping[str, str]) -> Parts:
    """Return what makes a tensor in both graphs, out of those that agree."""
    return region(graphs[0], pair[0], set(agreed.values())), region(graphs[1], pair[1], set(agreed))


@dataclass(frozen=True)
class _Builder:
    """What it takes to make models of parts, and to run them."""

    sides: Sides
    view: View
    pair: Pair
    inputs: Mapping[str, Array]
    levels: tuple[str, str]

    def differ(self, graph: Graph, name: str) -> bool:
        """Tell whether the ways differ in one tensor of a graph, each at its level."""
        sides = (self.sides.a, self.sides.b)
        a, b = (
            side.tensors(graph.model, self.inputs, [name], level).get(name)
            for side, level in zip(sides, self.levels, strict=True)
        )
        return a is not None and b is not None and self.sides.rule.differ(b, a) is not None

    def model(self, parts: Parts, agreed: Mapping[str, str], layers: int) -> Smallest:
        """Make the models of two parts, run both, and compare."""
        view, output = self.view, self.pair[1]
        recorded = run(self.sides.a, view.a, self.inputs, _origins(parts, agreed))
        theirs = recorded if view.same else run(self.sides.b, view.b, self.inputs, parts[1].inputs)
        other_types = {
            agreed[name] for name in parts[1].inputs if theirs[name].dtype != recorded[agreed[name]].dtype
        }
        called = edge_names(parts, agreed, _made(view, parts) | other_types)
        given = {called[name]: array for name, array in recorded.items()}
        ours = {name: (called[name], recorded[name]) for name in parts[0].inputs}
        others = {name: (called[agreed[name]], theirs[name]) for name in parts[1].inputs}
        a = extract(view.a, parts[0], ours, output, given)
        b = a if view.same else extract(view.b, parts[1], others, output, given)
        answers = [
            side.tensors(model, given, [output], level).get(output)
            for side, model, level in zip((self.sides.a, self.sides.b), (a, b), self.levels, strict=True)
        ]
        difference = None
        if answers[0] is not None and answers[1] is not None:
            difference = self.sides.rule.differ(answers[1], answers[0])
            for model, answer in ((a, answers[0]), (b, answers[1])):
                model.graph.output[0].CopyFrom(typed(output, answer))
        graphs = (view.a, view.b)
        return Smallest(a, b, parts, graphs, given, output, self.levels, layers, difference)


def _origins(parts: Parts, agreed: Mapping[str, str]) -> Sequence[str]:
    return list(dict.fromkeys([*parts[0].inputs, *(agreed[name] for name in parts[1].inputs)]))


def _made(view: View, parts: Parts) -> set[str]:
    pairs = zip((view.a, view.b), parts, strict=True)
    return {
        name
        for graph, part in pairs
        for at in (*part.nodes, *part.constant)
        for name in graph.nodes[at].output
    }
