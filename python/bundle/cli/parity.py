"""The command ``parity``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bundle.cli import exits, output, programs, stored
from bundle.cli.opening import add_option
from bundle.error import BundleError
from bundle.parity import LANGUAGES

if TYPE_CHECKING:
    from bundle.bundle import Bundle
    from bundle.parity.cases import Case
    from bundle.parity.matrix import Row
    from bundle.parity.run import Plan

SUMMARY = "asks the predictors of all languages the same, and compares their answers"
DETAILS = (
    "On one machine all answers are the same bytes; what differs is printed, and the exit code is 1.\n"
    "With --runner the native programs run elsewhere, where bundle and programs have the same paths as\n"
    "here: they are compared byte for byte with each other, and within the tolerance with Python here."
)
EXAMPLES = (
    "bundles/digits-1.0.0-x86_64",
    "bundles/digits-1.0.0-x86_64 --random 20 --runtimes python,go",
    "bundles/digits-1.0.0-arm64 --runtimes python,cpp --runner qemu-aarch64 --driver cpp=bundle-predict",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``parity``."""
    stored.add_bundle(parser)
    parser.add_argument("--variant", metavar="NAME", help="default: the bundle's default variant")
    parser.add_argument("--format", choices=("onnx", "ort"), help="default: ort where it fits the machine")
    parser.add_argument(
        "--runtimes",
        metavar="LANG,…",
        default=",".join(LANGUAGES),
        help="who is asked; the others are compared with the first; default: %(default)s",
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--inputs", metavar="FILE", help="as of `predict`, or .npz with the cases on axis 0")
    given.add_argument("--random", metavar="N", type=int, help="N made-up cases; default: the golden cases")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of --random; default: 0")
    programs.add_arguments(parser)
    add_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask all runtimes and print the matrix.

    Errors: ``parity_failed`` with the first difference; ``runtime_missing``, ``runtime_crashed``,
    ``input_file_unreadable``, and those of opening the bundle.
    """
    from bundle.bundle import Bundle
    from bundle.cli import progress
    from bundle.parity.run import parity

    plan = _plan(arguments)
    located = stored.locate(arguments.bundle, arguments.store)
    bundle = Bundle.open(located.path, digest=located.digest)
    variant = bundle.manifest.variant(arguments.variant).name
    cases = _cases(arguments, bundle, variant)
    with progress.status() as show:
        rows = parity(bundle, variant, cases, plan, show)
    error = _failure(rows)
    if arguments.json:
        verdict: dict[str, Any] = {"ok": True} if error is None else output.error_tree(error)
        output.print_json({**verdict, **_tree(rows, plan, variant)})
    else:
        output.print_text(_lines(rows, plan, variant, len(cases)))
    if error is not None:
        output.print_error(error)
        return exits.NO
    return exits.OK


def _plan(arguments: argparse.Namespace) -> Plan:
    from bundle.parity.run import Plan

    runtimes = [name for name in arguments.runtimes.split(",") if name]
    unknown = [name for name in runtimes if name not in LANGUAGES]
    if unknown or not runtimes or len(set(runtimes)) < len(runtimes):
        expected = f"languages of {', '.join(LANGUAGES)}, each once"
        raise BundleError("usage_invalid", "--runtimes", expected, arguments.runtimes or "none")
    options = {"variant": arguments.variant, "format": arguments.format, **dict(arguments.option)}
    return Plan(
        runtimes=runtimes,
        options={name: value for name, value in options.items() if value is not None},
        native_options={"library": arguments.library} if arguments.library else {},
        programs=dict(arguments.driver),
        runner=arguments.runner,
    )


def _cases(arguments: argparse.Namespace, bundle: Bundle, variant: str) -> list[Case]:
    from bundle.parity import cases

    if arguments.inputs is not None:
        return cases.file_cases(arguments.inputs, bundle.manifest.inputs)
    if arguments.random is None:
        return cases.golden_cases(bundle, variant)
    if arguments.random < 1:
        raise BundleError("usage_invalid", "--random", "at least 1 case", str(arguments.random))
    return cases.random_cases(bundle, variant, arguments.random, arguments.seed)


def _lines(rows: list[Row], plan: Plan, variant: str, count: int) -> list[str]:
    table = [("case", "output", *plan.runtimes)]
    told = []
    for row in rows:
        cells = [row.cells[name] for name in plan.runtimes]
        short = [cell.text.partition(":")[0] if cell.same else "differs" for cell in cells]
        table.append((row.case, row.output, *short))
        told += [
            f"{name}, {row.case}, {row.output}: {cell.text}"
            for name, cell in zip(plan.runtimes, cells, strict=True)
            if not cell.same or cell.difference is not None
        ]
    runner = f" behind `{plan.runner}`" if plan.runner else ""
    header = f"variant {variant}, {count} case{'s' * (count != 1)}, {len(plan.runtimes)} runtimes{runner}"
    verdict = "parity holds" if all(row.same for row in rows) else "parity does not hold"
    return [header, *output.columns(table), *told, verdict]


def _tree(rows: list[Row], plan: Plan, variant: str) -> dict[str, Any]:
    return {
        "variant": variant,
        "runtimes": list(plan.runtimes),
        "runner": plan.runner,
        "rows": [
            {
                "case": row.case,
                "output": row.output,
                "same": row.same,
                "cells": {name: cell.tree() for name, cell in row.cells.items()},
            }
            for row in rows
        ],
    }


def _failure(rows: list[Row]) -> BundleError | None:
    for row in rows:
        for name, cell in row.cells.items():
            if not cell.same:
                subject = f"{name}/{row.case}/{row.output}"
                return BundleError("parity_failed", subject, "the same answer from all", cell.text)
    return None
