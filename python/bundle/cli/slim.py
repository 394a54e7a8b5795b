"""The command ``slim``."""

from __future__ import annotations

import argparse

from bundle.cli import plain_stage
from bundle.error import BundleError

SUMMARY = "makes a model file smaller without changing its answers"
DETAILS = (
    "The stage of `build` on a plain file: constants are folded, nodes merged and dropped. OUT is written\n"
    "only where it loads, has the inputs and outputs of IN, answers alike and is not larger."
    + plain_stage.GOLDEN
)
EXIT_CODES = plain_stage.EXIT_CODES
EXAMPLES = ("model.onnx slim.onnx", "model.onnx slim.onnx --golden cases.npz --optimizer onnxsim")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``slim``."""
    plain_stage.add_arguments(parser, "--optimizer", "--optimizer-option")


def run(arguments: argparse.Namespace) -> int:
    """Slim, and print the table.

    Errors: those of ``plain_stage.run``.
    """
    from bundle.builder import optimizers

    if arguments.optimizer == optimizers.NONE:
        raise BundleError("usage_invalid", "--optimizer", "an optimizer", "none")
    return plain_stage.run("slim", arguments, {"build": {"targets": ["any"]}}, ".onnx")
