"""The command ``update``."""

from __future__ import annotations

import argparse

from bundle.cli import device, opening

SUMMARY = "lets a device run the bundle of an archive, once it passed its self-test here"
DETAILS = (
    "Programs open FOLDER/current, which leads to the old bundle or to the new one whenever this is killed.\n"
    "An older version is refused; `rollback` is the way back."
)
EXAMPLES = (
    "/data/digits digits-1.1.0-arm64.bundle",
    "/data/digits digits-1.1.0-arm64.bundle --digest HEX --format ort --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``update``."""
    parser.add_argument("folder", metavar="FOLDER", help="the device folder, made where it is not there")
    parser.add_argument("archive", metavar="ARCHIVE", help="the bundle that is to run")
    parser.add_argument("--digest", metavar="HEX", help="refuse a bundle of another identity")
    parser.add_argument("--max-bytes", type=int, metavar="N", help="refuse a longer archive")
    parser.add_argument(
        "--replace", action="store_true", help="take another bundle of the version that runs already"
    )
    opening.add_variant(parser)
    opening.add_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Update and print what runs.

    Errors: those of `bundle.update`.
    """
    from bundle.device.change import update

    options = {"variant": arguments.variant, "format": arguments.format, **dict(arguments.option)}
    done = update(
        arguments.folder,
        arguments.archive,
        digest=arguments.digest,
        max_bytes=arguments.max_bytes,
        replace=arguments.replace,
        **{name: value for name, value in options.items() if value is not None},
    )
    return device.show(done, arguments.json)
