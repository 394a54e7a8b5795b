"""The command ``report``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bundle.cli import exits, extra, output, stored
from bundle.error import BundleError

SUMMARY = "shows what a build measured: its stages, files, figures and advice"
DETAILS = (
    "It reads attest/report.json in the bundle's folder; the bundle itself is not checked: that is verify.\n"
    "With --html it writes one page with tables and plots, which needs no other file and no network."
)
EXAMPLES = ("bundles/digits-1.0.0-arm64", "bundles/digits-1.0.0-arm64 --html report.html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``report``."""
    stored.add_bundle(parser)
    parser.add_argument(
        "--html",
        metavar="FILE",
        help="write the page there; an older report page is replaced, and no other file",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the report, or write its page.

    Errors: ``bundle_unknown``, ``bundle_not_found``, ``file_missing``, ``file_not_regular``,
    ``report_malformed``, ``bundle_digest_mismatch``, ``extra_missing``, ``output_file_unwritable``.
    """
    from bundle.builder.report import plain
    from bundle.builder.report_file import read

    report = read(Path(stored.locate(arguments.bundle, arguments.store).path))
    if arguments.html is not None:
        from bundle.builder.html import render

        write_page(Path(arguments.html), render(report))
        if arguments.json:
            output.print_json({"ok": True, "path": arguments.html})
        else:
            output.print_text([f"wrote {arguments.html}"])
    elif arguments.json:
        output.print_json({"ok": True, "report": plain(report)})
    else:
        extra.require("rich")
        from bundle.builder.table import print_report

        print_report(report, sys.stdout)
        sys.stdout.flush()
    return exits.OK


def write_page(path: Path, page: str) -> None:
    """Write a report page, all of it or nothing; it may take the place of an older one.

    Raises:
        BundleError: ``output_file_unwritable``.
    """
    temporary = path.parent / f".report-{os.getpid()}.tmp"
    try:
        _refuse_foreign(path)
        try:
            temporary.write_text(page, "utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        found = error.strerror or str(error)
        raise BundleError("output_file_unwritable", str(path), "a file that can be written", found) from error


def _refuse_foreign(path: Path) -> None:
    """Refuse to write over anything that is not such a page: a mistyped name must cost nothing."""
    from bundle.builder.html import MARK

    if not os.path.lexists(path):
        return
    found = "something that is no regular file"
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            if MARK in file.read(1024):
                return
        found = "another file that is already there"
    hint = "choose another name, or move it away"
    raise BundleError("output_file_unwritable", str(path), "a new file, or an older report page", found, hint)
