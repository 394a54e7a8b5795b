"""The command ``history``."""

from __future__ import annotations

import argparse

from bundle.cli import exits, output, stored

SUMMARY = "shows the versions of a bundle in the store, newest first"
DETAILS = "Every variant and file has a row with what the build measured; `-` where it did not."
EXAMPLES = ("digits", "digits --store /srv/bundles --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``history``."""
    parser.add_argument("name", metavar="NAME", help="the bundle's name, as `list` shows it")
    stored.add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the versions.

    Errors: ``bundle_unknown``, ``store_unreadable``.
    """
    from bundle.store import registry

    found = registry.history(arguments.name, arguments.store)
    if arguments.json:
        versions = [stored.entry_tree(entry) for entry in found]
        output.print_json({"ok": True, "name": arguments.name, "versions": versions})
        return exits.OK
    lines = output.columns([stored.ENTRY_HEADER, *map(stored.entry_row, found)])
    rows = [
        (
            f"{entry.release.version}-{entry.release.target}",
            figures.variant,
            figures.format,
            output.size_text(figures.bytes),
            "-" if figures.accuracy is None else f"{figures.accuracy:.2%}",
            "-" if figures.latency_us is None else f"{figures.latency_us:,.0f} us",
            "-" if figures.worst_error is None else f"{figures.worst_error:.3g}",
            "-" if figures.flips is None else str(figures.flips),
        )
        for entry in found
        for figures in entry.figures
    ]
    header = ("file of", "variant", "format", "size", "accuracy", "latency", "worst error", "flips")
    output.print_text([arguments.name, *lines, "files", *output.columns([header, *rows])])
    return exits.OK
