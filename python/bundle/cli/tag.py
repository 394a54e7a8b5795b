"""The command ``tag``."""

from __future__ import annotations

import argparse

from bundle.cli import exits, output, stored

SUMMARY = "gives a version in the store a name of its own, or moves that name to it"
DETAILS = "NAME@TAG then opens that version. `latest` is always the highest version and cannot be given."
EXAMPLES = ("digits@1.0.0 production", "digits@latest production --store /srv/bundles")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``tag``."""
    parser.add_argument("reference", metavar="REFERENCE", help="NAME@VERSION, NAME@TAG or NAME@latest")
    parser.add_argument("tag", metavar="TAG", help="a word such as `production`")
    stored.add_store(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the tag and print what it leads to.

    Errors: ``tag_invalid``, ``bundle_unknown``, ``store_unreadable``, ``store_unwritable``.
    """
    from bundle.store.change import tag

    release = tag(arguments.reference, arguments.tag, arguments.store)
    if arguments.json:
        tree = {"name": release.name, "version": release.version, "tag": arguments.tag}
        output.print_json({"ok": True, **tree})
    else:
        output.print_text([f"{release.name}@{arguments.tag} is {release.name}@{release.version}"])
    return exits.OK
