"""The command ``doctor``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bundle.cli import exits, output, stored

if TYPE_CHECKING:
    from bundle.doctor import Finding

SUMMARY = "says what would fail here, and what to do about it"
DETAILS = (
    "With BUNDLE also what opening it here would refuse, and which of its files would be used and why.\n"
    "It runs where numpy, onnxruntime and the builder's libraries are missing. The exit code is 1 where\n"
    "something is a problem; what is absent or a warning fails only what asks for it."
)
EXAMPLES = ("bundles/digits-1.0.0-arm64", "--json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``doctor``."""
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", help=stored.BUNDLE_HELP)
    stored.add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; no error of a bundle leaves, since each is a finding.

    Errors: ``bundle_unknown``, ``store_damaged``, ``store_unreadable``.
    """
    from bundle.doctor import examine

    named = arguments.bundle
    found = examine(None if named is None else stored.locate(named, arguments.store).path)
    problems = [finding.check for finding in found if finding.status == "problem"]
    if arguments.json:
        findings = [finding.tree() for finding in found]
        output.print_json({"ok": True, "problems": len(problems), "findings": findings})
    else:
        output.print_text(_lines(found, problems))
    return exits.NO if problems else exits.OK


def _lines(found: Sequence[Finding], problems: Sequence[str]) -> list[str]:
    rows = []
    for finding in found:
        rows.append((finding.status, finding.check, finding.sentence))
        if finding.advice:
            rows.append(("", "", f"-> {finding.advice}"))
    return [*output.columns(rows, indent=0), _verdict(problems)]


def _verdict(problems: Sequence[str]) -> str:
    if not problems:
        return "nothing would fail here"
    named = ", ".join(dict.fromkeys(problems))
    return f"{len(problems)} problem{'s' * (len(problems) != 1)} that would fail here: {named}"
