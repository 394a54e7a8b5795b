"""The command ``build``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.cli import exits, extra, output, progress, project_flags

if TYPE_CHECKING:
    from bundle.builder.project import Project

SUMMARY = "makes a bundle for each target"
DETAILS = (
    "Without MODEL it builds what bundle.toml in this folder describes.\n"
    "With MODEL that file is read only where --config names it. A flag wins over its key in the file.\n"
    "\n"
    "CASES.npz, as np.savez writes it, holds an array `inputs/NAME` for each input of the model, and where\n"
    "they are known `outputs/NAME` (what the framework answered) and `labels` (the right classes).\n"
    "The first axis counts the cases: inputs/image of [6, 1, 28, 28] is six cases for a model that takes\n"
    "[batch, 28, 28]. An input that holds NaN or infinity in some case may hold them in the bundle, too;\n"
    "for every other input of floats the bundle refuses such values."
)
#: The target has no default, as a bundle says where it was proven to run.
USAGE = (
    "%(prog)s MODEL --target T [--golden CASES.npz] [option ...]\n"
    "       %(prog)s [--config FILE] [option ...]"
)
EXIT_CODES = (exits.SKIPPED,)
EXAMPLES = (
    "model.onnx --target arm64",
    "model.onnx --target arm64:dotprod --target x86_64 --name digits --version 1.0.0 --golden cases.npz",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``build``."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="the model file")
    parser.add_argument("--config", metavar="FILE", help="default without MODEL: bundle.toml")
    project_flags.add(parser)


def run(arguments: argparse.Namespace) -> int:
    """Build, and print a table for each bundle.

    Errors: ``usage_invalid``, ``config_invalid``, ``extra_missing``, and those of the build.
    """
    project = project_of(arguments)
    extra.require("onnx", "rich")
    from bundle.builder import optimizers

    optimizers.require(project.optimizer)
    from bundle.builder import build
    from bundle.builder.report import plain
    from bundle.builder.table import print_report

    with progress.status() as show:
        results = build(project, progress=show)
    if arguments.json:
        bundles = [
            {
                "path": str(result.path),
                "digest": result.digest,
                "target": result.target,
                "report": plain(result.report),
            }
            for result in results
        ]
        output.print_json({"ok": True, "bundles": bundles})
    else:
        for result in results:
            print_report(result.report, sys.stdout, result.guessed)
        sys.stdout.flush()
    skipped = any(result.report.get("skipped_precisions") for result in results)
    return exits.SKIPPED if skipped else exits.OK


def project_of(arguments: argparse.Namespace) -> Project:
    """Return what a command line and its bundle.toml ask for.

    Errors: ``usage_invalid`` with the flag, ``config_invalid`` with the place in the file.
    """
    from bundle.builder import config

    path = arguments.config
    if path is None and arguments.model is None and Path(config.FILE_NAME).is_file():
        path = config.FILE_NAME
    tree = config.read_tree(Path(path)) if path else {}
    return project_flags.project_of(tree, project_flags.flag_tree(arguments), "build")
