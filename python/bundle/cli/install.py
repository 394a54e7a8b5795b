"""The command ``install``."""

from __future__ import annotations

import argparse

from bundle.cli import exits, output, stored

SUMMARY = "verifies an archive, or a bundle's folder, and puts it in the store"
DETAILS = (
    "Nothing is written before the archive's headers are proven, and nothing gets a name before every\n"
    "digest is: an install that fails or is killed leaves the store as it was."
)
EXAMPLES = (
    "digits-1.0.0-arm64.bundle",
    "bundles/digits-1.0.0-x86_64 --store /srv/bundles --replace --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``install``."""
    parser.add_argument("source", metavar="ARCHIVE", help="an archive, or a bundle's folder")
    stored.add_store(parser)
    parser.add_argument("--digest", metavar="HEX", help="refuse a bundle of another identity")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="take the place of another bundle of the same name, version and target",
    )
    parser.add_argument("--max-bytes", type=int, metavar="N", help="refuse a longer archive")


def run(arguments: argparse.Namespace) -> int:
    """Install and print by what name the bundle is found.

    Errors: those of ``install``.
    """
    from bundle.store.install import install

    done = install(
        arguments.source,
        arguments.store,
        arguments.digest,
        replace=arguments.replace,
        max_bytes=arguments.max_bytes,
    )
    release = done.release
    if arguments.json:
        output.print_json(
            {
                "ok": True,
                "name": release.name,
                "version": release.version,
                "target": release.target,
                "digest": done.digest,
                "path": str(done.path),
                "fresh": done.fresh,
                "replaced": done.replaced,
            }
        )
        return exits.OK
    verdict = "installed" if done.fresh else "was installed already:"
    lines = [f"{verdict} {release}", f"digest: {done.digest}", f"path: {done.path}"]
    output.print_text([*lines, *([f"in the place of {done.replaced}"] if done.replaced else [])])
    return exits.OK
