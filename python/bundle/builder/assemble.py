"""Assemble: the variants of one target, timed, chosen from, and everything that its bundle says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bundle.builder import choose, latency
from bundle.builder.advice import untimed
from bundle.builder.pipeline import Line, Prepared
from bundle.builder.project import AUTO, SOURCE, Project
from bundle.builder.report import Auto
from bundle.builder.rows import StageOutcome
from bundle.builder.seal import Content, Variant
from bundle.builder.variants import Made, baseline, describe_operators, make_variants
from bundle.builder.worker import WorkerError
from bundle.error import BundleError
from bundle.manifest import Target


@dataclass(frozen=True)
class Assembled:
    """One target's bundle before it is packed.

    Attributes:
        content: what goes in.
        rows: what became of every stage, also of variants that do not ship.
        skipped: precisions that were asked for by name and are not in the bundle.
        times: microseconds per call by file, where they were measured.
        sizes: bytes by file.
        auto: what `auto` chose; None where nothing was to choose.
        advice: sentences for the user.
    """

    content: Content
    rows: Sequence[StageOutcome]
    skipped: Sequence[str]
    times: dict[latency.File, float]
    sizes: dict[latency.File, int]
    auto: Auto | None
    advice: Sequence[str]


def replayed_choices(project: Project) -> dict[Target, Auto]:
    """Return what an earlier build chose for each target; nothing where this one is to choose.

    Raises:
        BundleError: ``decisions_invalid``.
    """
    if AUTO not in project.precisions or project.replay is None:
        return {}
    return {target: choose.read(project.replay, target) for target in project.targets}


def assemble(line: Line, prepared: Prepared, target: Target, replayed: Auto | None = None) -> Assembled:
    """Make, time and choose the variants for one target, or choose as an earlier build did.

    Raises:
        BundleError: ``decisions_invalid`` where a replayed choice cannot be made again.
    """
    project = line.project
    automatic = AUTO in project.precisions
    made = make_variants(line, prepared, target, choose.precisions_to_make(project, replayed))
    advice = [each.text for each in (*line.advice, *made.advice)]
    times: dict[latency.File, float] = {}
    if _worth_timing(project, made, prepared):
        try:
            times = _time(line, prepared, target, made)
        except (BundleError, WorkerError) as error:
            advice.append(untimed(str(error)).text)
    auto = replayed or (_choose(project, target, made, times) if automatic else None)
    kept = choose.keep(project, made.variants, auto)
    if replayed and replayed["chosen"] not in {variant.name for variant in kept}:
        why = made.stages[replayed["chosen"]][-1].detail
        raise BundleError("decisions_invalid", str(project.replay), f"`{replayed['chosen']}` to be kept", why)
    variants = [replace(variant, rank=rank) for rank, variant in enumerate(kept)]
    describe_operators(line, made, variants)
    content = _content(line, prepared, target, variants, made)
    return Assembled(
        content=content,
        rows=[*line.stages, *made.rows()],
        skipped=_skipped(project, variants),
        times=times,
        # Now, as the files on the way are gone when the report is written.
        sizes={(each.name, form): model.size for each in variants for form, model in each.files.items()},
        auto=auto,
        advice=advice,
    )


def _worth_timing(project: Project, made: Made, prepared: Prepared) -> bool:
    """Timing costs a second: it is done where there is something to compare, or somebody to look at it."""
    several = any(variant.name != SOURCE for variant in made.variants)
    return bool(prepared.shipped.cases) and (several or project.html or project.driver is not None)


def _time(line: Line, prepared: Prepared, target: Target, made: Made) -> dict[latency.File, float]:
    line.progress("time")
    others = [variant for variant in made.variants if variant.name != SOURCE]
    variants = [baseline(line, prepared, made), *others]
    trial = _content(line, prepared, target, variants, made)
    return latency.time_files(trial, line.work, line.worker)


def _choose(project: Project, target: Target, made: Made, times: dict[latency.File, float]) -> Auto:
    known = latency.by_variant(times, made.variants) if latency.on_target(project, target) else {}
    figures = [
        choose.Figures(variant, made.worst[variant.name], known.get(variant.name))
        for variant in made.variants
    ]
    return choose.choose(project.objective, target, figures)


def _skipped(project: Project, variants: Sequence[Variant]) -> list[str]:
    names = {variant.name for variant in variants}
    return [word for word in project.precisions if word not in names and word != AUTO]


def _content(
    line: Line, prepared: Prepared, target: Target, variants: Sequence[Variant], made: Made
) -> Content:
    """Return a bundle of some of the variants.

    Its recipe tells of these, and of what was asked for by name: a replay, which does not try the others,
    must say the same.
    """
    told = {variant.name for variant in variants} | set(line.project.precisions)
    rows = [row for name, rows in made.stages.items() if name in told for row in rows]
    return Content(
        line.project,
        target,
        prepared.source_sha256,
        prepared.source_format,
        prepared.description,
        variants,
        prepared.shipped,
        [*line.stages, *rows],
        made.operators,
    )
