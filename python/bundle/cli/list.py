"""The command ``list``."""

from __future__ import annotations

import argparse

from bundle.cli import exits, output, stored

SUMMARY = "shows what the store holds"
DETAILS = (
    "Accuracy and latency are those that the build measured, of the default variant's file for its target."
)
EXAMPLES = ("", "--store /srv/bundles --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``list``."""
    stored.add_store(parser)
    parser.add_argument("--rebuild", action="store_true", help="make the index of the store anew first")


def run(arguments: argparse.Namespace) -> int:
    """Print a row per name, version and target.

    Errors: ``store_unreadable``.
    """
    from bundle.store import layout, registry

    found = registry.entries(arguments.store, rebuild=arguments.rebuild)
    root = str(layout.resolved(arguments.store))
    if arguments.json:
        bundles = [stored.entry_tree(entry) for entry in found]
        output.print_json({"ok": True, "store": root, "bundles": bundles})
    elif found:
        rows = [(entry.release.name, *stored.entry_row(entry)) for entry in found]
        output.print_text([root, *output.columns([("name", *stored.ENTRY_HEADER), *rows])])
    else:
        output.print_text([f"{root} holds no bundle"])
    return exits.OK
