"""The command ``quantize``."""

from __future__ import annotations

import argparse

from bundle.cli import plain_stage
from bundle.error import BundleError

SUMMARY = "makes a model file of a lower precision"
DETAILS = (
    "The stage of `build` on a plain file, which is taken as it is: slim it first. The target decides which\n"
    "integers are used. OUT is written only where it answers within the budget of its precision; without\n"
    "--golden that is judged on inputs that are made up." + plain_stage.GOLDEN
)
EXIT_CODES = plain_stage.EXIT_CODES
EXAMPLES = (
    "slim.onnx int8.onnx --precision int8-dynamic --target arm64 --golden cases.npz",
    "slim.onnx int8.onnx --precision int8-static --target x86_64 --calibration images/ --normalize 0.5/0.5",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``quantize``."""
    plain_stage.add_arguments(parser, "--calibration", "--resize", "--normalize")
    parser.add_argument(
        "--precision",
        type=plain_stage.one,
        required=True,
        metavar="P",
        help="fp16, int8-dynamic or int8-static, which needs --calibration",
    )
    plain_stage.add_target(parser)


def run(arguments: argparse.Namespace) -> int:
    """Quantize, and print the table.

    Errors: those of ``plain_stage.run``, ``calibration_missing``.
    """
    from bundle.spec import table

    words = table("tolerances")["budgets"]["quantized"]["error_per_mille"]
    if arguments.precision[0] not in words:
        expected, found = f"one of {', '.join(words)}", f"`{arguments.precision[0]}`"
        raise BundleError("usage_invalid", "--precision", expected, found)
    return plain_stage.run("quantize", arguments, {}, ".onnx")
