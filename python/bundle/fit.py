"""Which file of a variant to load: check P4 of the format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bundle.error import BundleError
from bundle.library import host_arch, host_features
from bundle.ort_format import newest_read
from bundle.spec import table
from bundle.version import parse_version

if TYPE_CHECKING:
    from bundle.manifest import Manifest, Variant


@dataclass(frozen=True)
class Choice:
    """A file to load.

    Attributes:
        format: ``onnx`` or ``ort``.
        path: inside the bundle.
        reason: why this file, a sentence without a final period.
    """

    format: str
    path: str
    reason: str


def choose(
    manifest: Manifest, variant: Variant, library_version: str, wanted: str | None, *, foreign: bool = False
) -> Choice:
    """Choose the file of a variant (P4).

    Args:
        manifest: the open bundle's.
        variant: one of its variants.
        library_version: of the loaded ONNX Runtime.
        wanted: ``onnx`` or ``ort`` where the caller insists, else None.
        foreign: take an .ort file whatever it is frozen for.

    Raises:
        BundleError: ``format_unavailable``, ``target_mismatch`` or ``library_ort_format``.
    """
    if wanted is not None and wanted not in variant.files:
        found = f"only {', '.join(sorted(variant.files))}"
        raise BundleError("format_unavailable", wanted, f"`{wanted}` in variant `{variant.name}`", found)
    if wanted == "onnx":
        return Choice("onnx", variant.files["onnx"], "asked for")
    frozen = variant.files.get("ort")
    if frozen is None:
        return Choice("onnx", variant.files["onnx"], "the variant has no .ort file")
    code, obstacle = "target_mismatch", "" if foreign else misfit(manifest, variant, library_version)
    if not obstacle:
        code, obstacle = "library_ort_format", _unread(manifest, library_version)
    if not obstacle:
        return Choice("ort", frozen, "asked for" if wanted else "the .ort file fits this host")
    if wanted is None and "onnx" in variant.files:
        return Choice("onnx", variant.files["onnx"], obstacle)
    expected = "a file that fits this host" if code == "target_mismatch" else "a file that the library reads"
    raise BundleError(code, frozen, expected, obstacle)


def misfit(manifest: Manifest, variant: Variant, library_version: str) -> str:
    """Return why this host may not load the variant's .ort file; empty where it may."""
    target = manifest.target.arch
    arch = host_arch()
    if arch != target:
        return f"the .ort file is frozen for {target}, this host is {arch}"
    needed = _features(target, variant.cpu_class)
    missing = sorted(needed - host_features())
    if missing:
        return f"the .ort file needs CPU features that this host lacks: {', '.join(missing)}"
    if parse_version(library_version) < parse_version(variant.writer):
        return f"the .ort file was written by ONNX Runtime {variant.writer}, this is {library_version}"
    return ""


def _unread(manifest: Manifest, library_version: str) -> str:
    """Return why the library does not read the bundle's .ort files (L11); empty where it may."""
    number, newest = manifest.runtime.get("ort_format", 0), newest_read(library_version)
    if newest is None or number <= newest:
        return ""
    return f"the .ort file has ORT format {number}, and ONNX Runtime {library_version} reads up to {newest}"


def _features(arch: str, cpu_class: str) -> frozenset[str]:
    row: dict[str, Any] = table("targets")["targets"][arch]["cpu_classes"][cpu_class]
    return frozenset(row["features"])
