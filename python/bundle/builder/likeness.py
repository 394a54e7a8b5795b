"""Likeness: whether an edited model answers made-up inputs as the original does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from onnx import ModelProto

from bundle.builder import session
from bundle.builder.axes import dims_of
from bundle.builder.gate import Budget, Case, Gate, Reference
from bundle.builder.model import Model, Signature, StageSkipped
from bundle.builder.repeat import same_bytes
from bundle.builder.session import View
from bundle.builder.signature import read_signature
from bundle.builder.surgery import inputs_of, refused
from bundle.builder.synthetic import synthesize
from bundle.builder.worker import Worker, WorkerError
from bundle.error import BundleError

_CASES = 3
#: What may be wrong with the original without harm to an edit; its result is only not compared.
_INCOMPARABLE = {"dtype_unsupported", "golden_impossible", "model_rejected", "tensor_unsupported"}
#: A random operator with a seed may answer the first calls of a session alike.
_ROUNDS = 2


@dataclass(frozen=True)
class Edge:
    """How the edge of the original became that of the edited model.

    Attributes:
        inputs: for each input that is left, its old name -> its new one.
        outputs: the outputs with another name: old -> new.
        fixed: (old name of an input, axis) -> the size that it was given.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    fixed: Mapping[tuple[str, int], int]


@dataclass(frozen=True)
class Likeness:
    """What a comparison found.

    Attributes:
        cases: those compared, as the edited model takes them; empty where nothing could be compared.
        worst_error: the largest absolute difference; None where nothing could be compared.
        why_not: why nothing could be compared; empty where it was.
    """

    cases: Sequence[Case]
    worst_error: float | None
    why_not: str = ""


def compare(original: Path, edited: Model, edge: Edge, worker: Worker) -> Likeness:
    """Run both models on made-up inputs that both take.

    Errors: ``model_rejected`` where ONNX Runtime does not open the edited model, ``edit_invalid`` where it
    has another edge than was asked for, or gives other answers.
    """
    try:
        worker.call(session.open_model, edited.path)
    except WorkerError as error:
        expected = "an edited model that ONNX Runtime opens"
        raise error.as_error("model_rejected", edited.path.name, expected) from error
    try:
        reference = _reference(original, edge, worker)
    except StageSkipped as why:
        return Likeness((), None, why.detail)
    try:
        budget = Budget.of_stage("edit", len(reference.view.outputs))
        measured = Gate(reference, worker).judge("edit", edited, edited, budget)
    except StageSkipped as why:
        raise refused(".", "a model that answers as the original does", why.detail) from why
    return Likeness(reference.cases, measured.worst_error)


def _reference(original: Path, edge: Edge, worker: Worker) -> Reference:
    """Return the original's answers in the words of the edited model.

    Raises:
        StageSkipped: with the reason why there is nothing to compare with.
    """
    try:
        cases = _cases(original, edge, worker)
        view = worker.call(session.open_model, original)
        if not all(kind.startswith("tensor(") for _, kind, _ in view.outputs):
            raise StageSkipped("not_compared", "an output is no tensor")
        answers = [worker.call(session.run, case) for case in cases]
        rounds = [worker.call(session.run, case) for _ in range(_ROUNDS) for case in cases]
    except (BundleError, WorkerError) as error:
        if isinstance(error, BundleError) and error.code not in _INCOMPARABLE:
            raise
        found = error.detail if isinstance(error, WorkerError) else str(error)
        raise StageSkipped("not_compared", f"the original does not run: {found}") from error
    repeated = zip(list(answers) * _ROUNDS, rounds, strict=True)
    if not all(same_bytes(first[name], more[name]) for first, more in repeated for name in first):
        raise StageSkipped("not_compared", "the original answers differently each time")
    outputs = {name: edge.outputs.get(name, name) for name, _, _ in view.outputs}
    return Reference(
        View(
            tuple((edge.inputs[name], kind, rank) for name, kind, rank in view.inputs if name in edge.inputs),
            tuple((outputs[name], kind, rank) for name, kind, rank in view.outputs),
        ),
        [{edge.inputs[name]: case[name] for name in case if name in edge.inputs} for case in cases],
        tuple({outputs[name]: array for name, array in answer.items()} for answer in answers),
        ("none",) * len(view.outputs),
    )


def _cases(original: Path, edge: Edge, worker: Worker) -> Sequence[Case]:
    """Make up inputs of the sizes that were fixed.

    Errors: ``edit_invalid`` where the model runs, but not with these sizes, or what ``made_up`` gives.
    """
    try:
        return worker.call(made_up, original, dict(edge.fixed))
    except BundleError as error:
        if error.code != "golden_impossible" or not edge.fixed:
            raise
        worker.call(made_up, original, {})
        sizes = ", ".join(f"{name}:{axis}={size}" for (name, axis), size in edge.fixed.items())
        raise refused(sizes, "sizes that the model runs with", error.found) from error


def made_up(path: Path, fixed: Mapping[tuple[str, int], int]) -> Sequence[Case]:
    """Make up inputs for a model in this process, which is the worker; some axes have to have a size.

    Errors: those of ``synthesize`` and ``read_signature``.
    """
    model = Model(path, "onnx")
    given = read_signature(model)
    inputs = tuple(
        replace(port, shape=tuple(fixed.get((port.name, axis), size) for axis, size in enumerate(port.shape)))
        for port in given.inputs
    )
    return synthesize(model, Signature(inputs, given.outputs), count=_CASES)


def try_freed(
    graph: ModelProto, model: Model, symbols: Sequence[str], likeness: Likeness, worker: Worker
) -> None:
    """Run a model with one entry more along freed axes; give the outputs that follow the same symbols.

    Args:
        graph: the edited model, whose outputs' axes are set.
        model: its file.
        symbols: those that the axes were given.
        likeness: the comparison, for its cases.
        worker: runs the model.

    Errors: ``edit_invalid`` where the model takes no other size, or nothing is known that it takes at all.
    """
    if not likeness.cases:
        raise refused(symbols[0], "a model that can be tried with another size", likeness.why_not)
    case = likeness.cases[0]
    worker.call(session.open_model, model.path)
    before = worker.call(session.run, case)
    for symbol in symbols:
        more, size = _longer(graph, symbol, case)
        try:
            after = worker.call(session.run, more)
        except WorkerError as error:
            hint = "a size may be written into the graph, as in the constant shape of a Reshape"
            expected = f"a model that takes {size + 1} instead of {size} there"
            raise refused(symbol, expected, error.detail, hint) from error
        for port in graph.graph.output:
            pairs = zip(before[port.name].shape, after[port.name].shape, strict=True)
            for dim, (old, new) in zip(dims_of(port) or (), pairs, strict=False):
                if old != new and new == size + 1:
                    dim.dim_param = symbol
                elif old != new:
                    dim.Clear()


def _longer(graph: ModelProto, symbol: str, case: Case) -> tuple[Case, int]:
    """Return a case with one entry more along each axis of a symbol, and how many there were."""
    more, size = dict(case), 1
    for name, port in inputs_of(graph).items():
        for axis, dim in enumerate(dims_of(port) or ()):
            if dim.dim_param == symbol:
                size = more[name].shape[axis]
                more[name] = np.take(more[name], np.arange(size + 1) % size, axis)
    return more, size
