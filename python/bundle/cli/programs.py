"""The arguments that say where the native programs are, the same for every command that asks them."""

from __future__ import annotations

import argparse

from bundle.cli.values import pair


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--runner``, ``--driver`` and ``--library``."""
    parser.add_argument("--runner", metavar="CMD", default="", help="command that starts the native programs")
    parser.add_argument(
        "--driver",
        type=pair,
        action="append",
        default=[],
        metavar="LANG=PATH",
        help="program of a language; default: of EDGEBUNDLE_DRIVERS, or what `make native` built",
    )
    parser.add_argument("--library", metavar="FILE", help="ONNX Runtime of the native programs")
