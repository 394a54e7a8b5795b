"""The builder: a model file in, one proven bundle per target out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.builder.assemble import Assembled
    from bundle.builder.pipeline import Line
    from bundle.builder.project import Project
    from bundle.builder.report import Report
    from bundle.builder.verify import Proof
    from bundle.manifest import Target

T = TypeVar("T")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class BuildResult:
    """One bundle.

    Attributes:
        path: the folder.
        digest: its identity: the SHA-256 of its manifest, in hex.
        target: what it was built for, ``arm64`` or ``arm64-dotprod``.
        report: what was measured; the same as its ``attest/report.json``, and the path.
        guessed: for each output whose decision nobody named, what the builder took it for.
        archive: the bundle as one file; None where it was not asked for.
    """

    path: Path
    digest: str
    target: str
    report: Report
    guessed: Mapping[str, str] = field(default_factory=dict)
    archive: Path | None = None


@dataclass(frozen=True)
class _Packed:
    """A bundle that is written beside its destination and not yet proven."""

    folder: Path
    destination: Path
    digest: str
    assembled: Assembled


def build(
    project: Project, *, progress: Progress | None = None, inline_limit: int | None = None
) -> list[BuildResult]:
    """Build one bundle for each target, in order; an older bundle of that name is replaced.

    All are proven before the first one is put in place.

    Args:
        project: what to build.
        progress: told what is being done, in a word or two.
        inline_limit: bytes above which the weights of a model with external data stay in a data file
            beside it; None for what one ONNX file can hold.

    Raises:
        BundleError: a code of stage ``build``; nothing was replaced then, unless the disk failed.
    """
    results = build_many([project], progress=progress, inline_limit=inline_limit)[0]
    if isinstance(results, BundleError):
        raise results
    return results


def build_many(
    projects: Sequence[Project], *, progress: Progress | None = None, inline_limit: int | None = None
) -> list[list[BuildResult] | BundleError]:
    """Build several projects with one worker and one replaying process for all of them.

    Starting those two takes longer than building a small model. Arguments are those of ``build``.

    Returns:
        for each project its bundles, one per target, or the error that ended it; one project's error
        does not touch the others.
    """
    from bundle.builder.ahead import Ahead
    from bundle.builder.ingest import INLINE_LIMIT
    from bundle.builder.pipeline import Line
    from bundle.builder.verify import verify_many
    from bundle.builder.worker import Worker
    from bundle.builder.workfolder import ending_tidily, work_folder

    tell = progress or (lambda word: None)
    with ExitStack() as stack:
        stack.enter_context(ending_tidily())
        work = stack.enter_context(work_folder())
        worker = stack.enter_context(Worker(temporary=work))
        ahead = stack.enter_context(Ahead(work))
        limit = INLINE_LIMIT if inline_limit is None else inline_limit

        def line_of(project: Project, own: Path) -> Line:
            return Line(project, own, worker, ahead, tell, inline_limit=limit)

        packed = [_try(partial(_pack, each, line_of, work, stack)) for each in projects]
        tell("verify")
        bundles = [bundle for each in packed if not isinstance(each, BundleError) for bundle in each]
        proofs = iter(verify_many([(bundle.folder, bundle.assembled.content) for bundle in bundles]))
        # Every bundle has its proof, also those whose project fails at an earlier target.
        proven = [
            each if isinstance(each, BundleError) else [(bundle, next(proofs)) for bundle in each]
            for each in packed
        ]
        return [each if isinstance(each, BundleError) else _try(partial(_finish, each)) for each in proven]


def _try(step: Callable[[], T]) -> T | BundleError:
    try:
        return step()
    except BundleError as error:
        return error


def _pack(
    project: Project, line_of: Callable[[Project, Path], Line], work: Path, stack: ExitStack
) -> list[_Packed]:
    """Write the bundle of each target beside its destination, until ``stack`` ends."""
    from bundle.builder import pack, plots, runtime
    from bundle.builder.assemble import assemble, replayed_choices
    from bundle.builder.pipeline import prepare
    from bundle.builder.worker import explaining

    with tempfile.TemporaryDirectory(dir=work) as own, explaining(project.model.name):
        line = line_of(project, Path(own))
        # Before the long work, which these would end.
        for target in project.targets:
            pack.refuse_early(_destination(project, target))
        replayed = replayed_choices(project)
        if project.html:
            plots.require()
        libraries = runtime.take_libraries(project, line.work)
        prepared = prepare(line)
        assembled = [assemble(line, prepared, target, replayed.get(target)) for target in project.targets]
        return [_pack_one(line, each, libraries, stack) for each in assembled]


def _destination(project: Project, target: Target) -> Path:
    from bundle.target import target_word

    return (project.output / f"{project.name}-{project.version}-{target_word(target)}").absolute()


def _pack_one(
    line: Line, assembled: Assembled, libraries: Mapping[str, Mapping[str, Path]], stack: ExitStack
) -> _Packed:
    from bundle.builder import pack
    from bundle.builder.seal import seal
    from bundle.manifest import Manifest

    content = replace(assembled.content, library=libraries.get(assembled.content.target.arch, {}))
    files = seal(content)
    data = files[pack.MANIFEST]
    assert isinstance(data, bytes)
    destination = _destination(line.project, content.target)
    line.progress("pack")
    folder = stack.enter_context(pack.staging(destination))
    with pack.writing(destination):
        pack.write_files(folder, files)
    return _Packed(folder, destination, Manifest.parse(data).digest, replace(assembled, content=content))


def _finish(proven: Sequence[tuple[_Packed, list[Proof] | BundleError]]) -> list[BuildResult]:
    """Put the bundles of one project in place."""
    from bundle.builder.verify import verify_on_target

    finished = []
    for bundle, rows in proven:
        if isinstance(rows, BundleError):
            raise rows
        content = bundle.assembled.content
        measured = verify_on_target(bundle.folder, content) if content.project.driver else []
        finished.append((bundle, [*rows, *measured]))
    return [_put(bundle, rows) for bundle, rows in finished]


def _put(bundle: _Packed, rows: list[Proof]) -> BuildResult:
    from bundle.builder import choose, pack, report

    assembled, content = bundle.assembled, bundle.assembled.content
    project = content.project
    result = report.make(assembled, bundle.digest, bundle.destination, rows)
    statements: dict[str, bytes | Path] = {"attest/report.json": report.encode(result)}
    if assembled.auto is not None:
        statements[choose.FILE_NAME] = choose.encode(assembled.auto, content.target)
    if project.html:
        from bundle.builder.html import render

        statements["attest/report.html"] = render(result).encode()
    with pack.writing(bundle.destination):
        pack.write_files(bundle.folder, statements)
        pack.put_in_place(bundle.folder, bundle.destination)
    archive = None
    if project.archive:
        from bundle.archive import write_archive

        archive = write_archive(bundle.destination, project.output)
    # Whoever names an output's classes has said what it decides.
    guessed = content.description.guessed({**project.decisions, **project.labels})
    return BuildResult(bundle.destination, bundle.digest, result["target"], result, guessed, archive)
