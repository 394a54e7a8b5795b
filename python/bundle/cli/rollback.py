"""The command ``rollback``."""

from __future__ import annotations

import argparse

from bundle.cli import device

SUMMARY = "lets a device run the bundle again that ran before the last update"
DETAILS = "A second rollback takes the first one back."
EXAMPLES = ("/data/digits", "/data/digits --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``rollback``."""
    parser.add_argument("folder", metavar="FOLDER", help="the device folder")


def run(arguments: argparse.Namespace) -> int:
    """Roll back and print what runs.

    Errors: those of `bundle.rollback`.
    """
    from bundle.device.change import rollback

    return device.show(rollback(arguments.folder), arguments.json)
