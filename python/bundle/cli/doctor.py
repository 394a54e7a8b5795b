"""The command ``doctor``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.cli import exits, output, stored

if TYPE_CHECKING:
    from bundle.doctor import Finding
    from bundle.doctor.runtime import Device

SUMMARY = "says what would fail here, or on a device, and what to do about it"
DETAILS = (
    "With BUNDLE also what opening it here would refuse, and which of its files would be used and why.\n"
    "It runs where numpy, onnxruntime and the builder's libraries are missing. The exit code is 1 where\n"
    "something is a problem; what is absent or a warning fails only what asks for it.\n"
    "\n"
    "With --library, --root or --runtime-config it answers for a device instead: whether the library is\n"
    "whole, for its processor, new enough, and whether the system has what the library needs. Nothing is\n"
    "loaded. Without --library it takes the library of the bundle, else that of the system in SYSROOT."
)
EXAMPLES = ("bundles/digits-1.0.0-arm64", "--json", "bundles/digits-1.0.0-arm64 --root sysroot")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``doctor``."""
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", help=stored.BUNDLE_HELP)
    parser.add_argument("--library", metavar="FILE", help="the device's libonnxruntime")
    parser.add_argument(
        "--root", metavar="SYSROOT", help="the root folder of the device's system; / is this one's"
    )
    parser.add_argument(
        "--runtime-config",
        metavar="FILE",
        help="what a reduced ONNX Runtime was built with: its --include_ops_by_config",
    )
    stored.add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; no error of a bundle leaves, since each is a finding.

    Errors: ``bundle_unknown``, ``store_damaged``, ``store_unreadable``.
    """
    from bundle.doctor import examine, examine_device

    named = arguments.bundle
    path = None if named is None else stored.locate(named, arguments.store).path
    device = _device(arguments)
    found = examine(path) if device is None else examine_device(device, path)
    problems = [finding.check for finding in found if finding.status == "problem"]
    if arguments.json:
        findings = [finding.tree() for finding in found]
        output.print_json({"ok": True, "problems": len(problems), "findings": findings})
    else:
        output.print_text(_lines(found, problems))
    return exits.NO if problems else exits.OK


def _device(arguments: argparse.Namespace) -> Device | None:
    """Return what is said of a device; None where nothing is."""
    said = [arguments.library, arguments.root, arguments.runtime_config]
    if not any(said):
        return None
    from bundle.doctor.runtime import Device

    return Device(*(Path(each) if each else None for each in said))


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
