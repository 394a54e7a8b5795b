"""The command ``archive``."""

from __future__ import annotations

import argparse

from bundle.cli import exits, output, stored

SUMMARY = "writes a bundle as one file, NAME-VERSION-TARGET.bundle"
DETAILS = (
    "The bundle is verified first. The archive is a plain tar whose bytes are the same each time;\n"
    "`install` takes it in."
)
EXAMPLES = ("bundles/digits-1.0.0-arm64", "bundles/digits-1.0.0-arm64 --output dist --with-attest")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``archive``."""
    stored.add_bundle(parser)
    parser.add_argument(
        "--output", metavar="PATH", default=".", help="a folder, or a file *.bundle; default: here"
    )
    parser.add_argument(
        "--with-attest",
        action="store_true",
        help="take the folder attest/ along; then the bytes depend on what was measured",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the archive and print where it is.

    Errors: those of ``write_archive``, and ``bundle_unknown``.
    """
    from bundle.archive import write_archive

    located = stored.locate(arguments.bundle, arguments.store)
    path = write_archive(located.path, arguments.output, arguments.with_attest)
    size = path.stat().st_size
    if arguments.json:
        output.print_json({"ok": True, "path": str(path), "bytes": size})
    else:
        output.print_text([f"wrote {path}, {output.size_text(size)}"])
    return exits.OK
