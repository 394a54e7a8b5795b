"""The variants of a bundle: the model in each precision that was asked for, frozen for one target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from bundle.builder.advice import Advice, judged_on_few, summed_in_int8
from bundle.builder.convert import convert
from bundle.builder.gate import Gate
from bundle.builder.golden import Case
from bundle.builder.graph import load_graph
from bundle.builder.measure import batch_invariant, record
from bundle.builder.model import Model, StageSkipped
from bundle.builder.operators import required_operators
from bundle.builder.opset import opset_of
from bundle.builder.pipeline import Line, Prepared
from bundle.builder.precision import precision_of
from bundle.builder.project import SOURCE, STATIC
from bundle.builder.quantize import FP16, PRECISIONS, Scheme, int8_sums, output_steps, quantize
from bundle.builder.quantized import budget_of, tolerances_of
from bundle.builder.rows import StageOutcome
from bundle.builder.seal import Variant
from bundle.builder.stage import attempt
from bundle.builder.stage import budget_of as usual_budget
from bundle.manifest import Target
from bundle.tolerance import Tolerance


@dataclass
class Made:
    """What one target gets.

    Attributes:
        variants: those that passed their gates, the preferred one first.
        stages: what became of each stage, by variant.
        operators: text of the operator config; None where no file is frozen.
        advice: what to tell the user.
    """

    variants: list[Variant] = field(default_factory=list)
    stages: dict[str, list[StageOutcome]] = field(default_factory=dict)
    operators: str | None = None
    advice: list[Advice] = field(default_factory=list)

    def rows(self) -> list[StageOutcome]:
        """Return the stages of all variants, in order."""
        return [row for rows in self.stages.values() for row in rows]


@dataclass(frozen=True)
class _Base:
    """A model that is to be frozen.

    Attributes:
        name: of the variant.
        model: the file.
        recorded: its answers to the shipped cases.
        gate: judges the frozen file.
        tolerances: one per output.
        accuracy: share of labels met over all cases; None without labels.
    """

    name: str
    model: Model
    recorded: Sequence[Case]
    gate: Gate
    tolerances: tuple[Tolerance, ...]
    accuracy: float | None


def make_variants(line: Line, prepared: Prepared, target: Target, precisions: Sequence[str]) -> Made:
    """Make one variant per precision, in this order; one that fails its gate is left out.

    Where none is left, the source is made instead: a bundle has at least one variant.
    """
    made = Made()
    for precision in precisions:
        _add(line, prepared, target, precision, made)
    if not made.variants:
        _add(line, prepared, target, SOURCE, made)
    cases = len(prepared.gate.reference.cases)
    if any(variant.name in PRECISIONS for variant in made.variants):
        made.advice += judged_on_few(cases, prepared.shipped.synthetic)
    return made


def baseline(line: Line, prepared: Prepared, made: Made) -> Variant:
    """Return the source with its ``.onnx``, which others are timed against, whether or not it ships."""
    for variant in made.variants:
        if variant.name == SOURCE:
            return replace(variant, files={**variant.files, "onnx": prepared.model})
    # It is not asked whether it repeats what it answered: nothing of this ships.
    recorded = prepared.shipped.source
    base = _Base(SOURCE, prepared.model, recorded, prepared.gate, prepared.tolerances, None)
    only = replace(line, project=replace(line.project, formats=("onnx",)))
    return _freeze(only, prepared, "any", base, [])


def describe_operators(line: Line, made: Made, variants: Sequence[Variant]) -> None:
    """Find the operators of the frozen files of some variants, for a reduced ONNX Runtime build."""
    frozen = [variant.files["ort"] for variant in variants if "ort" in variant.files]
    if not frozen:
        return
    try:
        made.operators = required_operators(frozen, line.worker)
    except StageSkipped as why:
        name = variants[0].name
        made.stages[name].append(StageOutcome.skipped("operators", name, why))


def _add(line: Line, prepared: Prepared, target: Target, precision: str, made: Made) -> None:
    rows = made.stages.setdefault(precision, [])
    base = (
        _source(line, prepared)
        if precision == SOURCE
        else _quantized(line, prepared, target, precision, rows)
    )
    if base is None:
        return
    made.advice += summed_in_int8(base.name, int8_sums(base.model.path))
    made.variants.append(_freeze(line, prepared, target.arch, base, rows))


def _source(line: Line, prepared: Prepared) -> _Base:
    recorded = record(prepared.model, prepared.shipped.cases, line.worker)
    measured = [row.measured for row in line.stages if row.measured]
    accuracy = measured[-1].accuracy if measured else None
    return _Base(SOURCE, prepared.model, recorded, prepared.gate, prepared.tolerances, accuracy)


def _quantized(
    line: Line, prepared: Prepared, target: Target, precision: str, rows: list[StageOutcome]
) -> _Base | None:
    """Quantize behind the gate; None, and the reason among the rows, where it was left out."""
    line.progress(f"quantize {precision}")
    reference = prepared.gate.reference
    if not reference.cases:
        why = StageSkipped("not_applicable", "nothing says how far a random model's answers may move")
        rows.append(StageOutcome.skipped("quantize", precision, why))
        return None
    scheme = Scheme.of(target)
    budget = budget_of(precision, reference, prepared.tolerances)

    def make() -> Model:
        key = (precision, scheme)
        if key not in line.quantized:
            if precision == STATIC and not line.calibration:
                raise StageSkipped(
                    "no_calibration", "there is no representative data; --calibration gives it"
                )
            line.quantized[key] = quantize(
                prepared.model, precision, line.work, line.worker, scheme, line.calibration
            )
        return line.quantized[key]

    model, row = attempt(budget, "quantize", precision, prepared.model, {"": make}, prepared.gate)
    rows.append(row)
    if model is None:
        return None
    cases = [dict(case) for case in reference.cases]
    # Of halves it takes the same float32 sums as the source.
    tolerances = prepared.tolerances
    if precision != FP16:
        tolerances = tolerances_of(budget, output_steps(model.path), reference, prepared.tolerances)
    answers = record(model, cases, line.worker)
    recorded = [answers[index] for index in prepared.shipped.indices]
    # A frozen file is judged by the model it was made of: that is what its self-test compares with.
    own = replace(reference, outputs=tuple(dict(each) for each in answers))
    accuracy = row.measured.accuracy if row.measured else None
    return _Base(precision, model, recorded, Gate(own, line.worker), tolerances, accuracy)


def _freeze(line: Line, prepared: Prepared, arch: str, base: _Base, rows: list[StageOutcome]) -> Variant:
    """Convert a model for the target and say all that the manifest says of it."""
    frozen, accuracy = None, None
    if "ort" in line.project.formats:
        line.progress(f"convert {base.name}")
        maker = partial(convert, base.model, line.work, arch, line.worker)
        budget = usual_budget("convert", base.tolerances)
        frozen, row = attempt(budget, "convert", base.name, base.model, {"": maker}, base.gate)
        rows.append(row)
        accuracy = row.measured.accuracy if row.measured else None
    files = {"onnx": base.model, "ort": frozen}
    # Where only .ort was asked for and could not be made, the .onnx goes instead; the table says why.
    wanted = line.project.formats if frozen else ("onnx",)
    graph = load_graph(base.model.path)
    return Variant(
        name=base.name,
        precision=precision_of(graph),
        files={form: file for form, file in files.items() if form in wanted and file},
        opset=opset_of(graph),
        recorded=base.recorded,
        batch_invariant=_invariant(line, prepared, base),
        tolerances=base.tolerances,
        accuracy={"onnx": base.accuracy, "ort": accuracy},
    )


def _invariant(line: Line, prepared: Prepared, base: _Base) -> bool:
    if base.model is prepared.model:
        return prepared.batch_invariant
    cases = [dict(case) for case in prepared.gate.reference.cases]
    return batch_invariant(base.model, prepared.description, cases, line.worker) is not False
