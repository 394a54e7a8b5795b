"""The command ``bisect``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.cli import exits, output, programs, stored
from bundle.cli.values import setting

if TYPE_CHECKING:
    from bundle.bisect.finding import Finding
    from bundle.bisect.plan import Plan

SUMMARY = "finds the first node whose output differs between two ways of running a model"
DETAILS = (
    "A way is a language (its `bundle-predict` program), a variant or a file of the bundle, or the path of\n"
    "an .onnx or .ort file; files run in this process. Inner tensors are compared in a copy of the model,\n"
    "the likely cause (operator, fusion, precision, layout, input, output) is named, and the smallest model\n"
    "that shows it is written with its inputs. The exit code is 1 where the ways differ."
)
EXAMPLES = (
    "bundles/digits-1.0.0-x86_64 --a source --b int8-static",
    "bundles/digits-1.0.0-x86_64 --a python --b cpp",
    "model.onnx --inputs inputs.npz --a model.onnx --b model.onnx --b-option graph_optimization_level=basic",
    "bundles/digits-1.0.0-arm64 --a python --b cpp --runner qemu-aarch64 --driver cpp=bundle-predict",
)

_FOLDER = "bisection"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``bisect``."""
    parser.add_argument("bundle", metavar="BUNDLE", help=f"{stored.BUNDLE_HELP}; or an .onnx or .ort file")
    stored.add_store(parser)
    parser.add_argument("--a", metavar="WAY", required=True, help="the reference")
    parser.add_argument("--b", metavar="WAY", required=True, help="what is compared with it")
    parser.add_argument(
        "--variant", metavar="NAME", help="that languages open; default: the bundle's default"
    )
    parser.add_argument("--format", choices=("onnx", "ort"), help="default: ort where it fits the machine")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--inputs", metavar="FILE", help="as of `predict`, or .npz with the cases on axis 0")
    given.add_argument("--random", metavar="N", type=int, help="N made-up cases; default: the golden cases")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of --random; default: 0")
    parser.add_argument(
        "--tolerance",
        metavar="WORD",
        help="exact, close, or a precision whose budget it is: fp16, int8-dynamic, int8-static; default: "
        "exact for one file with the same options, the budget of a quantized variant, else close",
    )
    for flag, whose in (("--option", "of both ways"), ("--a-option", "of A"), ("--b-option", "of B")):
        parser.add_argument(
            flag,
            type=setting,
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help=f"any option of bundle.open, {whose}; repeatable",
        )
    programs.add_arguments(parser)
    parser.add_argument("-o", "--output", metavar="DIR", default=_FOLDER, help="default: %(default)s")
    parser.add_argument("--force", action="store_true", help="write into a folder that has files in it")


def run(arguments: argparse.Namespace) -> int:
    """Bisect, and print what was found.

    Errors: those of opening the bundle and of reading a model file; ``runtime_missing``,
    ``runtime_crashed``, ``input_file_unreadable``, ``output_file_unwritable``, ``usage_invalid``.
    """
    from bundle.cli import extra, progress

    extra.require("onnx")
    from bundle.bisect.run import bisect

    with progress.status() as show:
        found = bisect(_plan(arguments), show)
    if arguments.json:
        output.print_json({"ok": True, **found.tree()})
    else:
        output.print_text(_lines(found, arguments))
    return exits.NO if found.differs else exits.OK


def _plan(arguments: argparse.Namespace) -> Plan:
    from bundle.bisect.plan import Asked, Plan
    from bundle.bisect.ways import Told

    shared = dict(arguments.option)
    located = stored.locate(arguments.bundle, arguments.store)
    return Plan(
        path=Path(located.path),
        a=Told(arguments.a, {**shared, **dict(arguments.a_option)}),
        b=Told(arguments.b, {**shared, **dict(arguments.b_option)}),
        folder=Path(arguments.output),
        digest=located.digest,
        variant=arguments.variant,
        format=arguments.format,
        asked=Asked(arguments.inputs, arguments.random, arguments.seed),
        tolerance=arguments.tolerance,
        programs=dict(arguments.driver),
        library=arguments.library,
        runner=arguments.runner,
        force=arguments.force,
    )


def _lines(found: Finding, arguments: argparse.Namespace) -> list[str]:
    cases = f"{found.cases} case{'s' * (found.cases != 1)}"
    lines = [f"A: {arguments.a}", f"B: {arguments.b}", f"compared by: {found.tolerance}, {cases}"]
    if not found.differs:
        return [*lines, "no answer differs"]
    if found.answers is not None:
        lines.append(f"first difference: {found.case}, output {found.output}: {found.answers.describe()}")
    if found.node:
        where = f" of the {found.graph} graph" if found.graph else ""
        lines.append(f"node: {found.node} ({found.operator}){where}")
    if found.tensor and found.difference is not None:
        lines.append(f"tensor: {found.tensor}: {found.difference.describe()}")
    lines.append(f"cause: {found.cause}: {found.detail}")
    if found.suspect and found.suspect != found.detail:
        lines.append(f"worst of all quantizers: {found.suspect}")
    lines += [f"written: {path}" for path in found.files.values()]
    if found.reproduce:
        what = "shows it again" if found.reproduced else "runs these nodes, which do not show it alone"
        lines.append(f"this command {what}:")
        lines.append(f"  {found.reproduce}")
    return lines
