"""The arguments that name a bundle: its folder, or what it is called in the store."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bundle.store.reference import Located
    from bundle.store.registry import Entry

BUNDLE_HELP = "the bundle's folder, or NAME@VERSION, NAME@TAG or NAME@latest of the store"


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Declare BUNDLE and where a store is looked for."""
    parser.add_argument("bundle", metavar="BUNDLE", help=BUNDLE_HELP)
    add_store(parser)


def add_store(parser: argparse.ArgumentParser) -> None:
    """Declare ``--store``."""
    help_text = "the store's folder; default: EDGEBUNDLE_STORE, else ~/.local/share/edgebundle"
    parser.add_argument("--store", metavar="DIR", help=help_text)


def locate(given: str, store: str | None) -> Located:
    """Return where a bundle is, and the identity that it must have: None where a path was given.

    Errors: ``bundle_unknown``, ``store_damaged``, ``store_unreadable``.
    """
    from bundle.store import reference

    return reference.locate(given, store)


def entry_tree(entry: Entry) -> dict[str, object]:
    """Return what is known about a release, for JSON."""
    release = entry.release
    return {
        "name": release.name,
        "version": release.version,
        "target": release.target,
        "digest": entry.digest,
        "installed": entry.installed,
        "bytes": entry.bytes,
        "damaged": entry.damaged,
        "tags": list(entry.tags),
        "default_variant": entry.default_variant,
        "figures": [dict(vars(row)) for row in entry.figures],
    }


def entry_row(entry: Entry) -> tuple[str, ...]:
    """Return a release's cells: version, target, size, accuracy, latency, day of install, tags."""
    from datetime import UTC, datetime

    from bundle.cli.output import size_text

    day = datetime.fromtimestamp(entry.installed, UTC).date().isoformat()
    shown = entry.headline
    accuracy = "-" if shown is None or shown.accuracy is None else f"{shown.accuracy:.2%}"
    latency = "-" if shown is None or shown.latency_us is None else f"{shown.latency_us:,.0f} us"
    size = "damaged" if entry.damaged else size_text(entry.bytes)
    return entry.release.version, entry.release.target, size, accuracy, latency, day, ", ".join(entry.tags)


#: What the cells of `entry_row` are.
ENTRY_HEADER = ("version", "target", "size", "accuracy", "latency", "installed", "tags")
