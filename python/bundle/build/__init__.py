"""The builder: a model file in, one proven bundle per target out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bundle.build.config import Project
    from bundle.build.pipeline import Line, Prepared
    from bundle.build.report import Report
    from bundle.manifest import Target


@dataclass(frozen=True)
class BuildResult:
    """One bundle.

    Attributes:
        path: the folder.
        digest: its identity: the SHA-256 of its manifest, in hex.
        target: what it was built for, ``arm64`` or ``arm64-dotprod``.
        report: what was measured; the same as its ``attest/report.json``, and the path.
    """

    path: Path
    digest: str
    target: str
    report: Report


def build(project: Project, *, progress: Callable[[str], None] | None = None) -> list[BuildResult]:
    """Build one bundle for each target, in order; an older bundle of that name is replaced.

    Args:
        project: what to build.
        progress: told what is being done, in a word or two.

    Raises:
        BundleError: a code of stage ``build``; targets that were done before stay, whole.
    """
    from bundle.build.pipeline import Line, prepare
    from bundle.build.worker import Worker

    with tempfile.TemporaryDirectory(prefix="edgebundle-") as work, Worker() as worker:
        line = Line(project, Path(work), worker, progress or (lambda word: None))
        prepared = prepare(line)
        return [_build_one(line, prepared, target) for target in project.targets]


def _build_one(line: Line, prepared: Prepared, target: Target) -> BuildResult:
    from bundle.build import pack, report
    from bundle.build.pipeline import freeze_for
    from bundle.build.seal import Content, seal, target_word
    from bundle.build.verify import verify
    from bundle.manifest import Manifest

    project, word = line.project, target_word(target)
    variants, own, operators = freeze_for(line, prepared, target.arch)
    stages = [*line.stages, *own]
    content = Content(
        project,
        target,
        prepared.source_sha256,
        prepared.description,
        variants,
        prepared.shipped,
        stages,
        operators,
    )
    files = seal(content)
    data = files[pack.MANIFEST]
    assert isinstance(data, bytes)
    manifest = Manifest.parse(data)
    destination = (project.output / f"{project.name}-{project.version}-{word}").absolute()
    line.progress("pack")
    with pack.staging(destination) as folder:
        with pack.writing(destination):
            pack.write_files(folder, files)
        line.progress("verify")
        result: Report = {
            "name": project.name,
            "version": project.version,
            "target": word,
            "digest": manifest.digest,
            "path": str(destination),
            "stages": [outcome.figures() for outcome in stages],
            "verify": verify(folder, content),
            "advice": [advice.text for advice in line.advice],
        }
        with pack.writing(destination):
            pack.write_files(folder, {"attest/report.json": report.encode(result)})
            pack.put_in_place(folder, destination)
    return BuildResult(destination, manifest.digest, word, result)
