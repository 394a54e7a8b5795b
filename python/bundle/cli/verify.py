"""The command ``verify``."""

from __future__ import annotations

import argparse

from bundle.cli import exits, output, stored

SUMMARY = "checks the manifest, every path, size and digest of a bundle"
DETAILS = (
    "It prints the bundle's identity; no model is run, self-test does that.\n"
    "Statements about a bundle, in its folder attest/, are no part of its identity and are not checked."
)
EXAMPLES = ("bundles/digits-1.0.0-arm64", "bundles/digits-1.0.0-arm64 --quick --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``verify``."""
    stored.add_bundle(parser)
    parser.add_argument("--digest", metavar="HEX", help="refuse a bundle of another identity")
    parser.add_argument("--quick", action="store_true", help="leave out the digests of files")


def run(arguments: argparse.Namespace) -> int:
    """Open the bundle and say what it is.

    Errors: ``bundle_unknown``, and those of stages ``manifest`` and ``open``.
    """
    from bundle.bundle import Bundle

    mode = "quick" if arguments.quick else "full"
    located = stored.locate(arguments.bundle, arguments.store)
    bundle = Bundle.open(located.path, digest=arguments.digest or located.digest, mode=mode)
    manifest = bundle.manifest
    total = sum(file.size for file in manifest.files)
    if arguments.json:
        output.print_json(
            {
                "ok": True,
                "path": str(bundle.path),
                "digest": bundle.digest,
                "mode": mode,
                "name": manifest.name,
                "version": manifest.version,
                "target": {"arch": manifest.target.arch, "cpu_class": manifest.target.cpu_class},
                "files": len(manifest.files),
                "bytes": total,
            }
        )
        return exits.OK
    attested = (bundle.path / "attest").exists()
    checked = "names and sizes are right" if arguments.quick else "names, sizes and digests are right"
    output.print_text(
        [
            f"{manifest.name} {manifest.version} for {manifest.target.arch} ({manifest.target.cpu_class})",
            f"digest: {bundle.digest}",
            f"{len(manifest.files)} files, {output.size_text(total)}: {checked}",
            *(["attest/ is beside them: no part of the identity, not checked"] if attested else []),
        ]
    )
    return exits.OK
