"""The command ``runtime``."""

from __future__ import annotations

import argparse
from pathlib import Path

from bundle.cli import exits, output
from bundle.error import BundleError

SUMMARY = "fetches the ONNX Runtime library of a target"
DETAILS = (
    "`fetch` takes libonnxruntime out of the wheel of the target's platform, of the exact version and with\n"
    "the hash that this package pins. It runs no code of the wheel and installs nothing. In DIR it leaves\n"
    "libonnxruntime.so.1 and the terms under which it may be handed on.\n"
    "`python -m bundle build --with-runtime` puts the same files into a bundle."
)
EXAMPLES = ("fetch --target arm64", "fetch --target arm64 --from wheels --output sysroot/usr/lib")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``runtime``."""
    parser.add_argument("action", choices=["fetch"], help="what to do")
    parser.add_argument("--target", metavar="T", help="arm64 or x86_64; default: this machine's")
    parser.add_argument("--output", metavar="DIR", help="default: onnxruntime-VERSION-TARGET")
    parser.add_argument(
        "--from", dest="folder", metavar="DIR", help="folder that holds the wheel: no network"
    )


def run(arguments: argparse.Namespace) -> int:
    """Put the files in place and say where.

    Errors: ``usage_invalid``, ``wheel_unavailable``, ``wheel_mismatch``, ``output_file_unwritable``.
    """
    from bundle import wheel
    from bundle.library import host_arch
    from bundle.spec import table

    arch = _arch(arguments.target or host_arch(), table("targets")["targets"])
    pinned = wheel.pinned(arch)
    if pinned is None:
        known = ", ".join(table("wheels")["wheels"])
        raise BundleError("usage_invalid", "--target", f"one of {known}", f"`{arch}`, which has no wheel")
    folder = Path(arguments.output or f"onnxruntime-{pinned.version}-{arch}")
    source = Path(arguments.folder) if arguments.folder else None
    path = wheel.fetch(pinned, folder, source)
    digest = pinned.runtime["sha256"]
    if arguments.json:
        tree = {"path": str(path), "version": pinned.version, "target": arch, "sha256": digest}
        output.print_json({"ok": True, **tree})
    else:
        size = output.size_text(path.stat().st_size)
        output.print_text([f"{path}: ONNX Runtime {pinned.version} for {arch}, {size}", f"SHA-256: {digest}"])
    return exits.OK


def _arch(word: str, targets: dict[str, dict[str, list[str]]]) -> str:
    """Return the architecture of a target, which may have a CPU class behind a colon, or be an alias."""
    named = word.partition(":")[0]
    return next((name for name, row in targets.items() if named in row["aliases"]), named)
