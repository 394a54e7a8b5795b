"""The command ``remove``."""

from __future__ import annotations

import argparse

from bundle.cli import exits, output, stored

SUMMARY = "removes a version from the store"
DETAILS = "Tags that lead to it go with it. A program that has the bundle open keeps it until it closes it."
EXAMPLES = ("digits@1.0.0", "digits@1.0.0-arm64 --store /srv/bundles")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``remove``."""
    text = "NAME@VERSION for all its targets, or NAME@VERSION-TARGET"
    parser.add_argument("reference", metavar="REFERENCE", help=text)
    stored.add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Remove and print what is gone.

    Errors: ``bundle_unknown``, ``store_unreadable``, ``store_unwritable``.
    """
    from bundle.store.change import remove

    gone = [str(release) for release in remove(arguments.reference, arguments.store)]
    if arguments.json:
        output.print_json({"ok": True, "removed": gone})
    else:
        output.print_text([f"removed {text}" for text in gone])
    return exits.OK
