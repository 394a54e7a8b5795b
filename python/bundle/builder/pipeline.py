"""The straight line from a model file to the variants of a bundle: every stage behind its gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bundle.builder.advice import Advice, nonfinite_golden, synthetic_golden, without_golden
from bundle.builder.ahead import Ahead, worth_it
from bundle.builder.calibration import load_calibration
from bundle.builder.check import check
from bundle.builder.describe import Description, describe
from bundle.builder.estimator import compare_with_estimator, estimator_cases
from bundle.builder.framework import compare_with_framework
from bundle.builder.gate import Gate, Reference
from bundle.builder.golden import Case, Goldens, choose_shipped, informative, load_npz, nonfinite_inputs
from bundle.builder.ingest import INLINE_LIMIT, Ingested, ingest_any, source_digest
from bundle.builder.labels import check_labels
from bundle.builder.measure import batch_invariant, rounding
from bundle.builder.model import Model, Signature, StageSkipped
from bundle.builder.opset import convert_opset
from bundle.builder.project import AUTO, SOURCE, STATIC, Project
from bundle.builder.quantize import Scheme
from bundle.builder.repeat import check_repeats
from bundle.builder.rows import StageOutcome
from bundle.builder.seal import Shipped
from bundle.builder.signature import read_signature
from bundle.builder.slim import candidates
from bundle.builder.stage import attempt, budget_of
from bundle.builder.synthetic import synthesize
from bundle.builder.worker import Worker
from bundle.error import BundleError
from bundle.tolerance import Tolerance

Progress = Callable[[str], None]


@dataclass
class Line:
    """A model between the stages, with all that is known about it.

    Attributes:
        project: what to build.
        work: the folder for files on the way.
        worker: runs what may crash.
        ahead: runs one long job beside it.
        progress: told the name of each stage as it begins.
        stages: what became of each stage so far.
        advice: sentences for the user.
        tolerances: how far each output of a candidate may lie from the source's, in order.
        inline_limit: bytes above which external weights stay in a data file.
        calibration: representative inputs for ``int8-static``; empty where there are none.
        quantized: what was quantized so far, by precision and scheme: targets of one scheme share it.
    """

    project: Project
    work: Path
    worker: Worker
    ahead: Ahead
    progress: Progress
    stages: list[StageOutcome] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    tolerances: tuple[Tolerance, ...] = ()
    inline_limit: int = INLINE_LIMIT
    calibration: Sequence[Case] = ()
    quantized: dict[tuple[str, Scheme], Model] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """What all targets of a build share.

    Attributes:
        source_sha256: digest of the user's file.
        source_format: what kind of file that is: ``onnx`` or ``scikit-learn``.
        model: the slimmed model.
        description: what the manifest says of it.
        shipped: the golden cases that travel.
        gate: judges candidates against the source.
        tolerances: one per output.
        batch_invariant: whether rows are free of their batch-mates.
    """

    source_sha256: str
    source_format: str
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
    _refuse_uncalibrated(project)
    line.progress("ingest")
    brought = ingest_any(project.model, line.work, line.worker, project.trust_pickle, line.inline_limit)
    project = line.project = _with_told(project, brought)
    line.advice += brought.advice
    model = brought.model
    digest = source_digest(project.model)
    line.progress("check")
    ingested = model
    # In the worker, as all that opens the model: what takes too long, crashes or needs too much memory
    # there ends with a code.
    model, advice = line.worker.call(check, model, line.work)
    # The float64 in a converted estimator is what keeps its answers.
    line.advice += [each for each in advice if brought.format == "onnx" or each.code != "float64_weights"]
    slimmed = _slim_ahead(line, model)
    goldens, synthetic = _goldens(line, model)
    line.calibration = _calibration(line, line.worker.call(read_signature, model))
    answers = Reference.of_source(model, goldens.cases, line.worker, {}, goldens.labels)
    random = line.worker.call(check_repeats, model, goldens.cases, project.allow_random)
    line.advice += random
    description = describe(
        line.worker.call(read_signature, model),
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
        line.advice += compare_with_estimator(project.model, model, reference, line.worker)
    gate = Gate(reference, line.worker)
    line.tolerances, sensitive = rounding(model, reference, line.worker)
    line.advice += sensitive
    changes = ", ".join(each.code for each in advice if each.code == "opset_changed")
    checked = gate.judge("check", model, ingested, budget_of("check", line.tolerances))
    line.stages.append(StageOutcome.kept(SOURCE, checked, changes))
    _note_uninformative(line, reference)
    model = _slim(line, gate, _opset(line, gate, model), slimmed)
    invariant = batch_invariant(model, description, goldens.cases, line.worker)
    return Prepared(
        source_sha256=digest,
        source_format=brought.format,
        model=model,
        description=description if invariant is not None else description.without_batch(),
        shipped=_ship(reference, synthetic, len(project.precisions)),
        gate=gate,
        tolerances=line.tolerances,
        batch_invariant=invariant is not False,
    )


def _refuse_uncalibrated(project: Project) -> None:
    """Refuse at once what cannot be done without data; ``auto`` leaves it out and says so."""
    if STATIC in project.precisions and project.calibration is None:
        raise BundleError("calibration_missing", STATIC, "representative inputs", "none")


def _calibration(line: Line, signature: Signature) -> Sequence[Case]:
    project = line.project
    if project.calibration is None or not {STATIC, AUTO} & set(project.precisions):
        return ()
    return load_calibration(
        project.calibration, signature, project.resize, project.normalize, advice=line.advice
    )


def _goldens(line: Line, model: Model) -> tuple[Goldens, bool]:
    """Return the golden cases, and whether they are made up."""
    signature = line.worker.call(read_signature, model)
    if line.project.golden is not None:
        return load_npz(line.project.golden, signature), False
    line.advice.append(synthetic_golden())
    cases = estimator_cases(line.project.model, line.worker, line.project.seed)
    if cases is None:
        cases = line.worker.call(synthesize, model, signature, line.project.seed)
    return Goldens(cases, None, None), True


def _with_told(project: Project, brought: Ingested) -> Project:
    """Return the project with what the model's file tells of its outputs; what the user says wins."""
    return replace(
        project,
        decisions={**brought.decisions, **project.decisions},
        labels={**brought.labels, **project.labels},
    )


def _note_uninformative(line: Line, reference: Reference) -> None:
    names = [name for name, _, _ in reference.view.outputs]
    decisions = dict(zip(names, reference.decisions, strict=True))
    tolerances = dict(zip(names, line.tolerances, strict=True))
    if reference.cases and not informative(reference.outputs, decisions, tolerances):
        text = "golden_uninformative: the golden cases have nearly one answer, so they would not show a fault"
        line.advice.append(Advice("golden_uninformative", ".", text))


def _ship(reference: Reference, synthetic: bool, variants: int) -> Shipped:
    cases = [dict(case) for case in reference.cases]
    if not cases:
        return Shipped([], [], synthetic)
    # Each case carries its outputs once of the source model, and recorded of each variant.
    sizes = [(1 + variants) * sum(array.nbytes for array in each.values()) for each in reference.outputs]
    chosen = choose_shipped(cases, sizes)
    return Shipped([cases[i] for i in chosen], [reference.outputs[i] for i in chosen], synthetic, chosen)


def _opset(line: Line, gate: Gate, model: Model) -> Model:
    opset = line.project.opset
    if opset is None:
        return model
    return _stage(line, gate, "opset", model, {"": partial(convert_opset, model, line.work, opset)})


def _slim_ahead(line: Line, model: Model) -> Mapping[str, Callable[[], Model]]:
    """Begin to slim a large model while its answers are asked for; nothing where that cannot pay."""
    project = line.project
    if project.optimizer == "none" or project.opset is not None or not worth_it(model):
        return {}
    makers = candidates(model, line.work, line.ahead.worker, project.optimizer, project.optimizer_options)
    first = next(iter(makers))
    return {**makers, first: line.ahead.start(makers[first])}


def _slim(line: Line, gate: Gate, model: Model, begun: Mapping[str, Callable[[], Model]]) -> Model:
    wanted = line.project.optimizer
    if wanted == "none":
        line.stages.append(
            StageOutcome.skipped("slim", SOURCE, StageSkipped("not_asked", "optimizer `none`"))
        )
        return model
    options = line.project.optimizer_options
    makers = begun or candidates(model, line.work, line.worker, wanted, options)
    return _stage(line, gate, "slim", model, makers)


def _stage(
    line: Line, gate: Gate, stage: str, before: Model, makers: Mapping[str, Callable[[], Model]]
) -> Model:
    """Return what a stage made, or the model as it was; note what happened."""
    line.progress(stage)
    budget = budget_of(stage, line.tolerances)
    candidate, row = attempt(budget, stage, SOURCE, before, makers, gate)
    line.stages.append(row)
    return candidate or before
