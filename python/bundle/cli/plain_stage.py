"""What the commands share that run one stage of a build on a plain file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bundle.cli import exits, extra, output, progress, project_flags
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.builder.config import Tree
    from bundle.builder.report import Report
    from bundle.builder.standalone import Outcome

#: What every stage takes: how to judge its result.
_JUDGING = ("--golden", "--decision", "--label", "--seed", "--allow-random", "--trust-pickle")
EXIT_CODES = (exits.SKIPPED,)
#: For the help text of each.
GOLDEN = "\nWhat CASES.npz holds, `build --help` says."


def add_arguments(parser: argparse.ArgumentParser, *flags: str) -> None:
    """Declare the two files, how the result is judged, and some more flags of a project."""
    parser.add_argument("model", metavar="IN", help="the model file")
    parser.add_argument("out", metavar="OUT", help="the file to write; large weights go to OUT.data")
    project_flags.add(parser, *_JUDGING, *flags)
    parser.add_argument("--force", action="store_true", help="write over OUT, which may be IN")


def add_target(parser: argparse.ArgumentParser) -> None:
    """Declare the one target of a stage that depends on it."""
    help_text = "arm64, x86_64 or any, with a CPU class: arm64:dotprod"
    parser.add_argument("--target", type=one, required=True, metavar="T", help=help_text)


def one(text: str) -> list[str]:
    """Parse a flag that may be repeated elsewhere, and is given once here."""
    return [text]


def run(stage: str, arguments: argparse.Namespace, tree: Tree, ending: str) -> int:
    """Run a stage, write its result where the gate let it through, and print the table.

    Args:
        stage: a key of ``standalone.STAGES``.
        arguments: the command line.
        tree: what the command says of the project, in the words of bundle.toml.
        ending: of the file to write.

    Errors: ``usage_invalid``, ``extra_missing``, ``output_file_unwritable``, and those of a build.
    """
    out = Path(arguments.out)
    if out.suffix.lower() != ending:
        raise BundleError("usage_invalid", "OUT", f"a file ending in `{ending}`", f"`{out.name}`")
    project = project_flags.project_of(tree, project_flags.flag_tree(arguments), stage)
    extra.require("onnx", "rich")
    from bundle.builder import optimizers
    from bundle.builder.ahead import Ahead
    from bundle.builder.pipeline import Line
    from bundle.builder.plainfile import place, refuse_taken
    from bundle.builder.standalone import STAGES
    from bundle.builder.worker import Worker, explaining
    from bundle.builder.workfolder import ending_tidily, work_folder

    optimizers.require(project.optimizer)
    refuse_taken(out, arguments.force)
    with (
        progress.status() as show,
        ending_tidily(),
        work_folder() as work,
        Worker(temporary=work) as worker,
        Ahead(work) as ahead,
        explaining(project.model.name),
    ):
        outcome = STAGES[stage](Line(project, work, worker, ahead, show or (lambda word: None)))
        data = place(outcome.model, out) if outcome.model else None
    _print(stage, arguments, outcome, data)
    return exits.OK if outcome.model else exits.SKIPPED


def _print(stage: str, arguments: argparse.Namespace, outcome: Outcome, data: Path | None) -> None:
    from bundle.builder.report import plain
    from bundle.builder.table import print_stages

    rows = [row.figures() for row in outcome.stages]
    if arguments.json:
        tree: dict[str, Any] = {"stages": rows, "advice": list(outcome.advice)}
        path = arguments.out if outcome.model else None
        files = {"ok": outcome.model is not None, "path": path, "data": data and str(data)}
        output.print_json({**files, **plain(cast("Report", tree))})
        return
    print_stages(f"{stage} {Path(arguments.model).name}", rows, outcome.advice, outcome.guessed, sys.stdout)
    wrote = f"wrote {arguments.out}" + (f", weights in {data.name}" if data else "")
    output.print_text([wrote if outcome.model else f"not written: {arguments.out}"])
