"""The straight line from a model file to the variants of a bundle: every stage behind its gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bundle.builder.advice import Advice, nonfinite_golden, synthetic_golden, without_golden
from bundle.builder.check import check
from bundle.builder.config import Project
from bundle.builder.convert import convert
from bundle.builder.describe import Description, describe
from bundle.builder.framework import compare_with_framework
from bundle.builder.gate import Budget, Gate, Measurement, Reference
from bundle.builder.golden import Goldens, choose_shipped, informative, load_npz, nonfinite_inputs
from bundle.builder.graph import load_graph
from bundle.builder.ingest import INLINE_LIMIT, ingest, source_digest
from bundle.builder.labels import check_labels
from bundle.builder.measure import batch_invariant, record, rounding
from bundle.builder.model import Model, StageSkipped
from bundle.builder.operators import required_operators
from bundle.builder.opset import convert_opset, opset_of
from bundle.builder.precision import precision_of
from bundle.builder.repeat import check_repeats
from bundle.builder.rows import StageOutcome
from bundle.builder.seal import SOURCE, Shipped, Variant
from bundle.builder.signature import read_signature
from bundle.builder.slim import candidates
from bundle.builder.synthetic import synthesize
from bundle.builder.worker import Worker
from bundle.tolerance import Tolerance

Progress = Callable[[str], None]


@dataclass
class Line:
    """A model between the stages, with all that is known about it.

    Attributes:
        project: what to build.
        work: the folder for files on the way.
        worker: runs what may crash.
        progress: told the name of each stage as it begins.
        stages: what became of each stage so far.
        advice: sentences for the user.
        tolerances: how far each output of a candidate may lie from the source's, in order.
        inline_limit: bytes above which external weights stay in a data file.
    """

    project: Project
    work: Path
    worker: Worker
    progress: Progress
    stages: list[StageOutcome] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    tolerances: tuple[Tolerance, ...] = ()
    inline_limit: int = INLINE_LIMIT


@dataclass(frozen=True)
class Prepared:
    """What all targets of a build share.

    Attributes:
        source_sha256: digest of the user's file.
        model: the slimmed model.
        description: what the manifest says of it.
        shipped: the golden cases that travel.
        gate: judges candidates against the source.
        tolerances: one per output.
        batch_invariant: whether rows are free of their batch-mates.
    """

    source_sha256: str
    model: Model
    description: Description
    shipped: Shipped
    gate: Gate
    tolerances: tuple[Tolerance, ...]
    batch_invariant: bool


def prepare(line: Line) -> Prepared:
    """Ingest, check and slim the model, and find out what the manifest says of it.

    Raises:
        BundleError: a code of stage ``build`` where no bundle can be made of the model.
    """
    project = line.project
    line.progress("ingest")
    model = ingest(project.model, line.work, line.inline_limit)
    digest = source_digest(project.model)
    line.progress("check")
    ingested = model
    model, advice = check(model, line.work)
    line.advice += advice
    goldens, synthetic = _goldens(line, model)
    # First in the worker: what crashes there ends with a code, and what runs there runs here, too.
    answers = Reference.of_source(model, goldens.cases, line.worker, {}, goldens.labels)
    random = check_repeats(model, goldens.cases, project.allow_random)
    line.advice += random
    description = describe(
        read_signature(model),
        goldens.cases,
        answers.outputs,
        project,
    )
    surprising = nonfinite_inputs(goldens.cases) - set(project.allow_nonfinite)
    line.advice += [nonfinite_golden(name) for name in sorted(surprising)]
    reference = replace(answers, decisions=description.decisions)
    if random:
        # Nothing can be compared with what differs from call to call, here or on the device.
        reference = replace(reference, cases=(), outputs=(), labels=None)
        line.advice.append(without_golden())
    else:
        line.advice += check_labels(reference)
        line.advice += compare_with_framework(goldens.outputs or (), reference)
    gate = Gate(reference, line.worker)
    line.tolerances, sensitive = rounding(model, reference, line.worker)
    line.advice += sensitive
    changes = ", ".join(each.code for each in advice if each.code == "opset_changed")
    line.stages.append(StageOutcome.kept(SOURCE, _measure(line, gate, "check", model, ingested), changes))
    _note_uninformative(line, reference)
    model = _slim(line, gate, _opset(line, gate, model))
    invariant = batch_invariant(model, description, goldens.cases, line.worker)
    return Prepared(
        source_sha256=digest,
        model=model,
        description=description if invariant is not None else description.without_batch(),
        shipped=_ship(reference, synthetic),
        gate=gate,
        tolerances=line.tolerances,
        batch_invariant=invariant is not False,
    )


def freeze_for(
    line: Line, prepared: Prepared, arch: str
) -> tuple[list[Variant], list[StageOutcome], str | None]:
    """Convert the prepared model for one architecture.

    Returns:
        the variants, what became of the stages for this target, and the text of the operator config.
    """
    model = prepared.model
    frozen, stages = _convert(line, prepared, arch)
    operators = None
    if frozen:
        try:
            operators = required_operators([frozen], line.worker)
        except StageSkipped as why:
            stages.append(StageOutcome.skipped("operators", SOURCE, why))
    files = {"onnx": model, "ort": frozen}
    # Where only .ort was asked for and could not be made, the .onnx goes instead; the table says why.
    wanted = line.project.formats if frozen else ("onnx",)
    variant = Variant(
        name=SOURCE,
        precision=precision_of(load_graph(model.path)),
        files={form: file for form, file in files.items() if form in wanted and file},
        opset=opset_of(load_graph(model.path)),
        recorded=record(model, prepared.shipped.cases, line.worker),
        batch_invariant=prepared.batch_invariant,
        tolerances=prepared.tolerances,
        accuracy={"onnx": _accuracy(line.stages), "ort": _accuracy(stages)},
    )
    return [variant], stages, operators


def _goldens(line: Line, model: Model) -> tuple[Goldens, bool]:
    """Return the golden cases, and whether they are made up."""
    signature = read_signature(model)
    if line.project.golden is not None:
        return load_npz(line.project.golden, signature), False
    line.advice.append(synthetic_golden())
    return Goldens(synthesize(model, signature, line.project.seed), None, None), True


def _note_uninformative(line: Line, reference: Reference) -> None:
    names = [name for name, _, _ in reference.view.outputs]
    decisions = dict(zip(names, reference.decisions, strict=True))
    tolerances = dict(zip(names, line.tolerances, strict=True))
    if reference.cases and not informative(reference.outputs, decisions, tolerances):
        text = "golden_uninformative: the golden cases have nearly one answer, so they would not show a fault"
        line.advice.append(Advice("golden_uninformative", ".", text))


def _ship(reference: Reference, synthetic: bool) -> Shipped:
    cases = [dict(case) for case in reference.cases]
    if not cases:
        return Shipped([], [], synthetic)
    # Each case carries its outputs twice: of the source model, and recorded of the variant.
    sizes = [2 * sum(array.nbytes for array in answer.values()) for answer in reference.outputs]
    chosen = choose_shipped(cases, sizes)
    return Shipped([cases[i] for i in chosen], [reference.outputs[i] for i in chosen], synthetic)


def _opset(line: Line, gate: Gate, model: Model) -> Model:
    opset = line.project.opset
    if opset is None:
        return model
    return _stage(line, gate, "opset", model, {"": lambda: convert_opset(model, line.work, opset)})


def _slim(line: Line, gate: Gate, model: Model) -> Model:
    wanted = line.project.optimizer
    if wanted == "none":
        line.stages.append(
            StageOutcome.skipped("slim", SOURCE, StageSkipped("not_asked", "optimizer `none`"))
        )
        return model
    makers = candidates(model, line.work, line.worker, wanted, line.project.optimizer_options)
    return _stage(line, gate, "slim", model, makers)


def _convert(line: Line, prepared: Prepared, arch: str) -> tuple[Model | None, list[StageOutcome]]:
    """Return the frozen file, or None where there is none, and what became of the stage."""
    own = replace(line, stages=[])
    if "ort" not in line.project.formats:
        return None, []
    maker = partial(convert, prepared.model, line.work, arch, line.worker)
    frozen = _stage(own, prepared.gate, "convert", prepared.model, {"": maker})
    return (None if frozen is prepared.model else frozen), own.stages


def _stage(
    line: Line, gate: Gate, stage: str, before: Model, makers: Mapping[str, Callable[[], Model]]
) -> Model:
    """Return the first candidate that passes the gate, else the model as it was; note what happened.

    Args:
        line: gets one row for the stage.
        gate: the judge.
        stage: its word.
        before: the model so far.
        makers: by the name of the tool, what makes a candidate; tried in order.
    """
    line.progress(stage)
    refused: dict[str, StageSkipped] = {}
    for tool, make in makers.items():
        try:
            candidate = make()
            measured = _measure(line, gate, stage, candidate, before)
        except StageSkipped as why:
            refused[tool] = why
            continue
        detail = _detail(tool, refused, measured.size - before.size)
        line.stages.append(StageOutcome.kept(SOURCE, measured, detail))
        return candidate
    line.stages.append(StageOutcome.skipped(stage, SOURCE, _worst(list(refused.values()))))
    return before


def _detail(tool: str, refused: Mapping[str, StageSkipped], growth: int) -> str:
    """Return which tool made a candidate, why not an earlier one, and by how much the file grew."""
    told = [
        why.detail if why.detail.startswith(name) else f"{name}: {why.detail}"
        for name, why in refused.items()
    ]
    earlier = f" ({'; '.join(told)})" if told else ""
    grown = f"{growth:,} bytes larger, within its budget" if growth > 0 else ""
    return ", ".join(filter(None, [f"{tool}{earlier}", grown]))


def _worst(refused: Sequence[StageSkipped]) -> StageSkipped:
    """Return the reason that tells most: a tool that found nothing to do is no news beside a refusal."""
    telling = [why for why in refused if why.reason != "unchanged"]
    return (telling or list(refused))[0]


def _accuracy(stages: Sequence[StageOutcome]) -> float | None:
    """Return the accuracy of the last model that passed a gate."""
    measured = [outcome.measured for outcome in stages if outcome.measured]
    return measured[-1].accuracy if measured else None


def _measure(line: Line, gate: Gate, stage: str, candidate: Model, before: Model) -> Measurement:
    budget = Budget.of_stage(stage, len(line.tolerances))
    return gate.judge(stage, candidate, before, replace(budget, tolerances=line.tolerances))
