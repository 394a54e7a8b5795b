"""Changes to the edge of a graph, in place: names, and which outputs there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto

from bundle.builder.graph import walk_graphs
from bundle.error import BundleError
from bundle.schema import FORMATS
from bundle.suggest import did_you_mean


def refused(subject: str, expected: str, found: str, hint: str = "") -> BundleError:
    """Return ``edit_invalid``."""
    return BundleError("edit_invalid", subject, expected, found, hint)


def inputs_of(model: ModelProto) -> dict[str, ValueInfoProto]:
    """Return the inputs that a caller must feed, by name: weights that are listed as inputs are none."""
    weights = _weights(model.graph)
    return {port.name: port for port in model.graph.input if port.name not in weights}


def rename(model: ModelProto, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Rename inputs and outputs wherever the graph uses them, subgraphs included; names may be swapped.

    Errors: ``edit_invalid`` for a name that is no input or output, one that is taken, or one that is both.
    """
    graph = model.graph
    made = [port.name for port in graph.output]
    refuse_unknown("an input", inputs, inputs_of(model))
    refuse_unknown("an output", outputs, made)
    for name in {**inputs, **outputs}:
        if name in made and name in inputs_of(model):
            raise refused(name, "a tensor that is an input or an output", "one that is both")
    names = {**inputs, **outputs}
    _refuse_clashes(names, _all_names(model))
    _rename_graph(graph, {old: new for old, new in names.items() if old != new})


def refuse_unknown(what: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that are not among the known ones.

    Errors: ``edit_invalid``.
    """
    for name in wanted:
        if name not in known:
            expected = f"{what} of the model: {', '.join(f'`{each}`' for each in known)}"
            raise refused(name, expected, "no such name", did_you_mean(name, known))


def _refuse_clashes(names: Mapping[str, str], taken: set[str]) -> None:
    given: set[str] = set()
    for old, new in names.items():
        if not FORMATS["name"](new):
            raise refused(old, "a name of 1 to 1024 bytes without control characters", ascii(new))
        # What is renamed itself makes room, as in a swap.
        if new in given or (new in taken and new not in names):
            raise refused(old, "a new name that no tensor of the model has", f"`{new}`")
        given.add(new)


def _all_names(model: ModelProto) -> set[str]:
    """Return the names of all tensors in the main graph and its subgraphs."""
    names: set[str] = set()
    for graph in walk_graphs(model):
        names |= {port.name for port in (*graph.input, *graph.output)} | _weights(graph)
        for node in graph.node:
            names.update(node.output)
    return names


def _weights(graph: GraphProto) -> set[str]:
    return {tensor.name for tensor in graph.initializer} | {
        sparse.values.name for sparse in graph.sparse_initializer
    }


def _rename_graph(graph: GraphProto, names: Mapping[str, str]) -> None:
    if not names:
        return
    for node in graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                if name in names:
                    field[index] = names[name]
        for inner in subgraphs(node):
            # A name that a subgraph gives to a tensor of its own hides the one outside.
            own = _weights(inner) | {port.name for port in inner.input}
            own |= {name for each in inner.node for name in each.output}
            _rename_graph(inner, {old: new for old, new in names.items() if old not in own})
    named: list[Any] = [*graph.input, *graph.output, *graph.value_info, *graph.initializer]
    named += [sparse.values for sparse in graph.sparse_initializer]
    for each in named:
        each.name = names.get(each.name, each.name)
    for note in graph.quantization_annotation:
        note.tensor_name = names.get(note.tensor_name, note.tensor_name)
        for entry in note.quant_parameter_tensor_names:
            entry.value = names.get(entry.value, entry.value)


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs directly inside a node."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def named_tensors(model: ModelProto, texts: Iterable[str]) -> list[str]:
    """Return the names in some texts: a text is one name if a tensor has it, else names joined by commas."""
    known = _all_names(model)
    return [name for text in texts for name in ([text] if text in known else text.split(","))]


def choose_outputs(model: ModelProto, names: Iterable[str]) -> None:
    """Make these tensors the outputs, in this order; they may be inner ones. Nothing is removed yet.

    Errors: ``edit_invalid`` for an unknown tensor, one named twice, or one whose type nothing tells.
    """
    graph = model.graph
    ports = {port.name: port for port in graph.output}
    inner = [name for node in graph.node for name in node.output if name]
    inferred: dict[str, ValueInfoProto] = {}
    chosen: dict[str, ValueInfoProto] = {}
    for name in names:
        if name in chosen:
            raise refused(name, "each output once", "it twice")
        if name not in ports and name not in inner:
            known = [*ports, *inner]
            expected = "an output or an inner tensor of the model"
            raise refused(name, expected, "no such tensor", did_you_mean(name, known))
        inferred = inferred or ({} if name in ports else _known_types(model))
        if name not in ports and name not in inferred:
            raise refused(name, "a tensor whose type shape inference finds", "an unknown type")
        chosen[name] = ports.get(name) or inferred[name]
    copies = [ValueInfoProto.FromString(port.SerializeToString()) for port in chosen.values()]
    del graph.output[:]
    graph.output.extend(copies)


def _known_types(model: ModelProto) -> dict[str, ValueInfoProto]:
    """Return what is known of inner tensors, from the model and from shape inference."""
    found = onnx.shape_inference.infer_shapes(model, strict_mode=False).graph.value_info
    return {each.name: each for each in found if each.type.WhichOneof("value")}


def prune(model: ModelProto) -> list[str]:
    """Remove what no output needs: nodes, weights and inputs; return the inputs that went.

    Errors: ``edit_invalid`` where no input is left.
    """
    graph = model.graph
    before = list(inputs_of(model))
    kept, needed = _reach(graph)
    _keep(graph.node, lambda index, _: index in kept)
    named = needed | {name for node in graph.node for name in node.output}
    for field in (graph.initializer, graph.input, graph.value_info):
        _keep(field, lambda _, each: each.name in named)
    _keep(graph.sparse_initializer, lambda _, each: each.values.name in named)
    _keep(graph.quantization_annotation, lambda _, each: each.tensor_name in named)
    left = inputs_of(model)
    if before and not left:
        raise refused(next(iter(needed)), "outputs that depend on an input", "constants only")
    return [name for name in before if name not in left]


def _reach(graph: GraphProto) -> tuple[set[int], set[str]]:
    """Return which nodes the outputs need, by index, and the names of all tensors that they need."""
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needed = {port.name for port in graph.output}
    pending, kept = list(needed), set()
    while pending:
        index = makers.get(pending.pop())
        if index is None or index in kept:
            continue
        kept.add(index)
        fresh = set(_taken(graph.node[index])) - needed
        needed |= fresh
        pending += fresh
    return kept, needed


def _keep(field: Any, wanted: Callable[[int, Any], bool]) -> None:
    """Remove the members of a repeated field that are not wanted."""
    for index in reversed([i for i, each in enumerate(field) if not wanted(i, each)]):
        del field[index]


def _taken(node: NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, from inside its subgraphs, too."""
    yield from filter(None, node.input)
    for inner in subgraphs(node):
        yield from (port.name for port in inner.output)
        for each in inner.node:
            yield from _taken(each)
