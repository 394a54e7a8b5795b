"""The first tensor, in topological order, that differs between two graphs on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bundle.bisect.execute import Runs, Tensors
from bundle.bisect.graph import Graph
from bundle.bisect.rules import Rule, comparable
from bundle.bisect.views import AS_IT_STANDS, View
from bundle.tolerance import Array, Difference

#: A tensor's name in the first graph and in the second.
Pair = tuple[str, str]

# How many tensors are looked at in one run: a few first, to learn how large they are.
_FIRST, _MOST = 8, 256
#: Bytes of inner tensors that one run may hold of each way.
_BYTES = 1 << 28


@dataclass(frozen=True)
class Sides:
    """Both ways, ready to run, and how far they may lie apart."""

    a: Runs
    b: Runs
    rule: Rule


@dataclass(frozen=True)
class Hit:
    """Where two graphs part.

    Attributes:
        pair: the tensor, in both graphs.
        difference: how it differs.
        values: what it is, in both.
        agreed: the pairs before it that do not differ.
        compared: how many pairs were looked at.
    """

    pair: Pair
    difference: Difference
    values: tuple[Array, Array]
    agreed: Mapping[str, str]
    compared: int


def pairs(view: View, wanted: Sequence[str]) -> list[Pair]:
    """Return the tensors that both graphs have and that some outputs depend on, in the second one's order.

    They are known by their names; what was only rounded or converted stands for what it was before.
    """
    if view.same:
        return [(name, name) for name in _made(view.b, wanted)]
    found = []
    for name in _made(view.b, wanted):
        meant = name if name in view.a.dynamic else view.b.stands_for.get(name, "")
        if meant in view.a.dynamic:
            found.append((meant, name))
    return found


def _made(graph: Graph, wanted: Sequence[str]) -> Iterator[str]:
    for at in graph.ancestors(wanted):
        yield from (name for name in graph.nodes[at].output if name and name in graph.dynamic)


def run(side: Runs, graph: Graph, inputs: Mapping[str, Array], names: Sequence[str]) -> Tensors:
    """Return tensors of a graph that runs as it stands; a name may be an input or a constant."""
    inner = list(dict.fromkeys(name for name in names if name in graph.makers and name not in graph.weights))
    feeds = {name: inputs[name] for name in graph.inputs}
    found = side.tensors(graph.model, feeds, inner, AS_IT_STANDS) if inner else {}
    constants = {name: graph.array(name) for name in names if name not in found}
    known = {name: array for name, array in constants.items() if array is not None}
    return {**{name: inputs[name] for name in names if name in feeds}, **known, **found}


def parts(sides: Sides, view: View, inputs: Mapping[str, Array], wanted: Sequence[str]) -> bool:
    """Tell whether some outputs differ where the graphs run as they stand."""
    a, b = run(sides.a, view.a, inputs, wanted), run(sides.b, view.b, inputs, wanted)
    return any(sides.rule.differ(b[name], a[name]) for name in wanted if name in a and name in b)


def first(
    sides: Sides,
    view: View,
    inputs: Mapping[str, Array],
    wanted: Sequence[str],
    progress: Callable[[str], object] | None = None,
) -> Hit | None:
    """Return the first pair of tensors that differs; None where none does."""
    agreed = {name: name for name in inputs}
    todo, at, step = pairs(view, wanted), 0, _FIRST
    while at < len(todo):
        if progress is not None:
            progress(f"comparing tensor {at + 1} of {len(todo)}")
        chunk = todo[at : at + step]
        a = run(sides.a, view.a, inputs, [one for one, _ in chunk])
        b = run(sides.b, view.b, inputs, [two for _, two in chunk])
        for number, (one, two) in enumerate(chunk, at + 1):
            if one not in a or two not in b or not comparable(b[two], a[one]):
                continue
            difference = sides.rule.differ(b[two], a[one])
            if difference is not None and _is_unfinished(view, two):
                continue
            if difference is not None:
                return Hit((one, two), difference, (a[one], b[two]), agreed, number)
            agreed[two] = one
        at += len(chunk)
        step = _next_step(len(chunk), [*a.values(), *b.values()])
    return None


def _is_unfinished(view: View, name: str) -> bool:
    """Tell whether a tensor is only a step on the way to a quantizer that finishes it.

    A quantizer whose range ends at 0 takes the place of a Relu, whose name its input then has.
    """
    return not view.same and name in view.b.only_quantized and name not in view.a.only_quantized


def _next_step(done: int, arrays: Sequence[Array]) -> int:
    """Return how many tensors to look at next, of the size of those before."""
    each = sum(array.nbytes for array in arrays) / max(done, 1)
    return max(1, min(_MOST, int(_BYTES / max(each, 1.0))))
