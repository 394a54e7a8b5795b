"""One stage of a build on a plain file: the same line, gate and rows, and one file as the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bundle.builder.model import Model
from bundle.builder.optimizers import NONE
from bundle.builder.pipeline import Line, Prepared, prepare
from bundle.builder.project import SOURCE
from bundle.builder.rows import StageOutcome
from bundle.builder.variants import Made, make_variants


@dataclass(frozen=True)
class Outcome:
    """What became of a stage.

    Attributes:
        model: its result, in the line's work folder; None where it was skipped.
        stages: its row, and those of the stages before it.
        advice: sentences for the user.
        guessed: for each output whose decision nobody named, what it was taken for.
    """

    model: Model | None
    stages: Sequence[StageOutcome]
    advice: Sequence[str]
    guessed: Mapping[str, str]


def slim(line: Line) -> Outcome:
    """Slim the project's model.

    Errors: those of ``prepare``.
    """
    prepared = prepare(line)
    row = next(row for row in line.stages if row.stage == "slim")
    return _outcome(line, prepared, prepared.model if row.outcome == "kept" else None)


def convert(line: Line) -> Outcome:
    """Convert the project's model for its first target, as it is.

    Errors: those of ``prepare``.
    """
    line, prepared, made = _make(line, SOURCE, "ort")
    return _outcome(line, prepared, made.variants[0].files.get("ort"), made)


def quantize(line: Line) -> Outcome:
    """Quantize the project's model to its first precision for its first target, as it is.

    Errors: those of ``prepare``.
    """
    precision = line.project.precisions[0]
    line, prepared, made = _make(line, precision, "onnx")
    kept = [variant.files["onnx"] for variant in made.variants if variant.name == precision]
    return _outcome(line, prepared, kept[0] if kept else None, made)


#: What each command runs.
STAGES: Mapping[str, Callable[[Line], Outcome]] = {"slim": slim, "convert": convert, "quantize": quantize}


def _make(line: Line, precision: str, form: str) -> tuple[Line, Prepared, Made]:
    """Make one variant of the model, which is not slimmed first, in one format."""
    line = replace(line, project=replace(line.project, optimizer=NONE, formats=(form,)))
    prepared = prepare(line)
    made = make_variants(line, prepared, line.project.targets[0], [precision])
    return line, prepared, made


def _outcome(line: Line, prepared: Prepared, model: Model | None, made: Made | None = None) -> Outcome:
    rows = [*line.stages, *(made.rows() if made else ())]
    told = [*line.advice, *(made.advice if made else ())]
    named = {**line.project.decisions, **line.project.labels}
    return Outcome(
        model,
        # That nobody asked for slimming goes without saying.
        [row for row in rows if row.reason != "not_asked"],
        [each.text for each in told],
        prepared.description.guessed(named),
    )
