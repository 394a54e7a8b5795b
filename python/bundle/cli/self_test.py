"""The command ``self-test``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bundle.cli import exits, opening, output

if TYPE_CHECKING:
    from bundle.selftest import SelfTest

SUMMARY = "replays the golden cases of a bundle and compares the outputs"
DETAILS = "It tells whether this machine gives the answers that were recorded when the bundle was built."
EXAMPLES = ("bundles/digits-1.0.0-arm64", "bundles/digits-1.0.0-arm64 --variant source --format onnx --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``self-test``."""
    opening.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the self-test.

    Errors: ``self_test_failed`` with the first case and output; those of opening and predicting.
    """
    with opening.open_predictor(arguments) as predictor:
        report = predictor.self_test()
        ran = {
            "variant": predictor.variant,
            "format": predictor.format,
            "reason": predictor.reason,
            "providers": list(predictor.providers),
        }
    error = report.failure()
    if arguments.json:
        verdict = {"ok": True} if error is None else output.error_tree(error)
        output.print_json({**verdict, **report.tree(), **ran})
    else:
        output.print_text(_lines(report, ran))
    if error is not None:
        output.print_error(error)
        return exits.NO
    return exits.OK


def _lines(report: SelfTest, ran: dict[str, Any]) -> list[str]:
    header = ("case", "output", "verdict", "to what was recorded", "to the source model")
    rows = [
        (
            case.name,
            result.name,
            "passed" if result.passed else "failed",
            result.difference.describe(),
            result.source.describe() if result.source else "-",
        )
        for case in report.cases
        for result in case.outputs
    ]
    why = f" ({ran['reason']})" if ran["reason"] else ""
    return [
        f"variant {ran['variant']}, format {ran['format']}{why}, on {', '.join(ran['providers'])}",
        *output.columns([header, *rows]),
        f"self-test {'passed' if report.passed else 'failed'}",
    ]
