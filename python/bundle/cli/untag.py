"""The command ``untag``."""

from __future__ import annotations

import argparse

from bundle.cli import exits, output, stored

SUMMARY = "removes a tag from the store; the version that it led to stays"
DETAILS = "`tag` gives one."
EXAMPLES = ("digits@production", "digits@production --store /srv/bundles")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``untag``."""
    parser.add_argument("reference", metavar="NAME@TAG", help="the tag, as `list` shows it")
    stored.add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Remove the tag and print what it led to.

    Errors: ``bundle_unknown``, ``store_unreadable``, ``store_unwritable``.
    """
    from bundle.store.change import untag

    version = untag(arguments.reference, arguments.store)
    if arguments.json:
        output.print_json({"ok": True, "reference": arguments.reference, "version": version})
    else:
        output.print_text([f"{arguments.reference} was version {version}"])
    return exits.OK
