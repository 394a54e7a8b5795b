"""Bisect: compare the answers, look inside, name the cause, write what shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bundle.bisect import cause, precision, smallest, views, write
from bundle.bisect.execute import Here, Program, Runs, Tensors
from bundle.bisect.finding import Finding
from bundle.bisect.graph import Graph
from bundle.bisect.plan import Asked, Plan
from bundle.bisect.probe import Fault, probe
from bundle.bisect.rules import CLOSE, EXACT, Rule, range_of
from bundle.bisect.search import Hit, Sides, first, parts, run
from bundle.bisect.ways import Subject, Way, make_way, rule_of, subject_of
from bundle.builder.workfolder import work_folder
from bundle.error import BundleError
from bundle.parity import cases, programs
from bundle.parity.cases import Case
from bundle.tolerance import Difference

Progress = Callable[[str], object]

# Nodes whose quantizers are looked at in one run, as their tensors are in memory together.
_AT_ONCE = 128


@dataclass(frozen=True)
class _Parting:
    """The first case whose answers differ, the outputs that do, and how the first of them does."""

    case: Case
    outputs: list[str]
    difference: Difference


def bisect(plan: Plan, progress: Progress | None = None) -> Finding:
    """Find the first node whose output differs between two ways, and write the smallest model that shows it.

    Raises:
        BundleError: those of opening a bundle or reading a model; ``usage_invalid``, ``option_invalid``,
            ``golden_missing``, ``input_file_unreadable``, ``runtime_missing``, ``runtime_crashed``,
            ``output_file_unwritable``; as a way refuses an input.
    """
    write.refuse_taken(plan.folder, plan.force)
    tell = progress or (lambda _: None)
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder())
        subject = subject_of(plan.path, plan.variant, plan.format, folder, plan.digest)
        native = {"library": plan.library} if plan.library else {}
        ways = make_way(plan.a, subject, native, plan.runner), make_way(plan.b, subject, native, plan.runner)
        written = views.written(*ways, folder)
        rule = rule_of(*ways, [written.a.model, written.b.model], plan.tolerance)
        runs = [_runs(way, subject, plan, folder / name) for way, name in zip(ways, "ab", strict=True)]
        for each in runs:
            if isinstance(each, Program):
                stack.callback(each.close)
        sides = Sides(runs[0], runs[1], rule)
        asked = _cases(plan.asked, subject)
        parting = _parting(sides, asked, tell)
        if parting is None:
            return Finding(cause.NONE, "no answer differs", rule.word, len(asked))
        found = Finding(
            "", "", rule.word, len(asked), parting.case.name, parting.outputs[0], parting.difference
        )
        return _explained(_Search(plan, ways, sides, parting, folder, tell), written, found)


@dataclass(frozen=True)
class _Search:
    """What the search for the cause goes by."""

    plan: Plan
    ways: tuple[Way, Way]
    sides: Sides
    parting: _Parting
    folder: Path
    tell: Progress

    @property
    def inputs(self) -> Tensors:
        """Of the case that differs."""
        return self.parting.case.inputs

    def flags(self) -> dict[str, list[str]]:
        """Return the flags of the command that say how programs are reached."""
        plan = self.plan
        known = {
            "--runner": [plan.runner] if plan.runner else [],
            "--driver": [f"{language}={path}" for language, path in plan.programs.items()],
            "--library": [plan.library] if plan.library else [],
        }
        return {flag: values for flag, values in known.items() if values}


def _explained(search: _Search, written: views.View, found: Finding) -> Finding:
    """Try what tensors pass on their way, then the graphs as written, then as optimized."""
    for runs in (search.sides.b, search.sides.a):
        fault = probe(runs, search.inputs) if isinstance(runs, Program) else None
        if fault is not None:
            return _of_fault(search, fault, written, found)
    for kind in (views.WRITTEN, views.OPTIMIZED):
        view = written if kind == views.WRITTEN else views.optimized(*search.ways, search.folder)
        search.tell(f"looking into the graphs as {view.kind}")
        hit = None
        if parts(search.sides, view, search.inputs, search.parting.outputs):
            hit = first(search.sides, view, search.inputs, search.parting.outputs, search.tell)
        if hit is not None:
            return _of_hit(search, view, written, hit, found)
    return _of_nothing(search, found)


def _of_hit(search: _Search, view: views.View, written: views.View, hit: Hit, found: Finding) -> Finding:
    search.tell("making the smallest model")
    small = None
    if view.kind == views.OPTIMIZED and written.same:
        small = smallest.fused(search.sides, written.a, view, hit, search.inputs)
    if small is None:
        small = smallest.as_they_stand(search.sides, view, hit, search.inputs)
    own = smallest.parts_of((view.a, view.b), hit.pair, hit.agreed)[1].nodes
    why = cause.explain(view, hit, small, _read_by_quantizers(search, view, own))
    graph, at = view.b, _blamed(view.b, hit.pair[1]) if why.node is None else why.node
    of_runtime = graph.nodes[at].domain in cause.BLOCKED and small.output in written.b.makers
    if small.output != hit.pair[1] or of_runtime:
        graph, at = written.b, written.b.makers[small.output]
    labels = [
        [graph.label(each) for each in part.nodes]
        for graph, part in zip(small.graphs, small.parts, strict=True)
    ]
    told = replace(
        found,
        cause=why.word,
        detail=why.detail,
        node=graph.label(at),
        operator=graph.nodes[at].op_type,
        tensor=small.output,
        difference=hit.difference if small.output == hit.pair[1] else small.difference,
        compared=hit.compared,
        graph=view.kind if graph is view.b else written.kind,
        nodes_a=labels[0],
        nodes_b=labels[1],
        suspect=_suspect(search, view) if why.word == cause.PRECISION else "",
        reproduced=small.difference is not None,
    )
    shown = write.Shown(small.a, small.b, small.inputs, small.levels)
    return write.write(told, shown, search.ways, search.plan.folder, search.flags())


def _blamed(graph: Graph, tensor: str) -> int:
    """Return the node that made a tensor; where it only undoes a quantizer, that one."""
    at = graph.makers[tensor]
    node = graph.nodes[at]
    before = graph.makers.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
    if before is not None and graph.nodes[before].op_type == "QuantizeLinear":
        return before
    return at


def _read_by_quantizers(search: _Search, view: views.View, nodes: Sequence[int]) -> Tensors:
    """Return what the second graph's quantizers read: as the first one has it, where it has."""
    names = precision.read_by_quantizers(view.b, nodes)
    ours = [name for name in names if name in view.a.dynamic]
    theirs = [name for name in names if name not in view.a.dynamic]
    a = run(search.sides.a, view.a, search.inputs, ours)
    return {**run(search.sides.b, view.b, search.inputs, theirs), **a}


def _suspect(search: _Search, view: views.View) -> str:
    """Return what there is to say of the quantizer that suits its tensor least, of all in the second graph.

    Small errors add up to the first difference, wherever the worst of them is made.
    """
    nodes = view.b.ancestors(search.parting.outputs)
    found: list[precision.Quantizer] = []
    for start in range(0, len(nodes), _AT_ONCE):
        some = nodes[start : start + _AT_ONCE]
        read = _read_by_quantizers(search, view, some)
        best = precision.worst([view.b.nodes[at] for at in some], view.b, read)
        found += [] if best is None else [best]
    return max(found, key=lambda each: each.badness).text if found else ""


def _of_fault(search: _Search, fault: Fault, written: views.View, found: Finding) -> Finding:
    """Return what was found on the way of a tensor; the node is the first that reads it."""
    readers = (
        [at for at, node in enumerate(written.b.nodes) if fault.tensor in node.input] if fault.tensor else []
    )
    runs = (search.sides.a, search.sides.b)
    answers = [
        each.tensors(fault.model, fault.inputs, [fault.output], views.AS_IT_STANDS)[fault.output]
        for each in runs
    ]
    told = replace(
        found,
        cause=fault.cause,
        detail=fault.detail,
        node=written.b.label(readers[0]) if readers else "",
        operator=written.b.nodes[readers[0]].op_type if readers else "",
        tensor=fault.tensor or found.output,
        difference=fault.difference,
        nodes_a=[node.name for node in fault.model.graph.node],
        nodes_b=[node.name for node in fault.model.graph.node],
        reproduced=search.sides.rule.differ(answers[1], answers[0]) is not None,
    )
    shown = write.Shown(fault.model, fault.model, fault.inputs, (views.AS_IT_STANDS, views.AS_IT_STANDS))
    return write.write(told, shown, search.ways, search.plan.folder, search.flags())


def _of_nothing(search: _Search, found: Finding) -> Finding:
    """Return what is left where no graph whose tensors are visible shows the difference."""
    a, b = search.ways
    if a.mapped != b.mapped:
        who = "A" if a.mapped else "B"
        detail = f"{who} maps its file, so that weights are not packed for this CPU; inner tensors agree"
        return replace(found, cause=cause.LAYOUT, detail=detail)
    detail = "the difference is gone where inner tensors are visible, as that keeps nodes from being fused"
    return replace(found, cause=cause.FUSION, detail=detail)


def _runs(way: Way, subject: Subject, plan: Plan, folder: Path) -> Runs:
    folder.mkdir()
    here = Here(way, folder)
    if way.language is None:
        return here
    (folder / "made").mkdir()
    client = programs.client(way.language, plan.programs, plan.runner)
    return Program(way, folder / "made", subject.bundle.path, client, here)


def _cases(asked: Asked, subject: Subject) -> list[Case]:
    bundle = subject.bundle
    if asked.inputs is not None:
        return cases.file_cases(asked.inputs, bundle.manifest.inputs)
    if asked.random is None:
        return cases.golden_cases(bundle, subject.variant)
    if asked.random < 1:
        raise BundleError("usage_invalid", "--random", "at least 1 case", str(asked.random))
    return cases.random_cases(bundle, subject.variant, asked.random, asked.seed)


def _parting(sides: Sides, asked: Sequence[Case], tell: Progress) -> _Parting | None:
    """Return the first case that the files as they are answer differently."""
    spreads: Mapping[str, float] = {}
    answers: dict[str, Tensors] = {}
    if sides.rule.word not in (EXACT, CLOSE):
        tell("asking A")
        answers = {case.name: sides.a.whole(case.inputs) for case in asked}
        names = {
            name for each in answers.values() for name, array in each.items() if array.dtype.kind in "fiu"
        }
        spreads = {name: range_of(each[name] for each in answers.values() if name in each) for name in names}
    for case in asked:
        tell(f"asking about {case.name}")
        a = answers.get(case.name) or sides.a.whole(case.inputs)
        found = _differing(sides.rule, a, sides.b.whole(case.inputs), spreads)
        if found:
            return _Parting(case, list(found), next(iter(found.values())))
    return None


def _differing(rule: Rule, a: Tensors, b: Tensors, spreads: Mapping[str, float]) -> dict[str, Difference]:
    common = [name for name in a if name in b]
    if not common:
        raise BundleError(
            "usage_invalid", "--b", f"one of the outputs {', '.join(a)}", f"only {', '.join(b)}"
        )
    found: dict[str, Any] = {name: rule.differ(b[name], a[name], spreads.get(name)) for name in common}
    return {name: difference for name, difference in found.items() if difference is not None}
