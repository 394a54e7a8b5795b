"""The command ``convert``."""

from __future__ import annotations

import argparse

from bundle.cli import plain_stage

SUMMARY = "freezes a model file in ONNX Runtime's own format for a target"
DETAILS = (
    "The stage of `build` on a plain file, which is taken as it is. OUT is written only where it loads, has\n"
    "the inputs and outputs of IN, answers alike and has not grown beyond its budget." + plain_stage.GOLDEN
)
EXIT_CODES = plain_stage.EXIT_CODES
EXAMPLES = ("slim.onnx model.ort --target arm64", "slim.onnx model.ort --target x86_64 --golden cases.npz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``convert``."""
    plain_stage.add_arguments(parser)
    plain_stage.add_target(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert, and print the table.

    Errors: those of ``plain_stage.run``.
    """
    return plain_stage.run("convert", arguments, {}, ".ort")
