"""What a store holds, with what was measured: read from its files, remembered in an index beside them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bundle.bundle import MANIFEST_NAME
from bundle.error import BundleError
from bundle.manifest import MAX_BYTES, Manifest
from bundle.store import index, layout, reference
from bundle.store.figures import REPORT, Figures, figures
from bundle.store.layout import Release


@dataclass(frozen=True)
class Entry:
    """A release in a store.

    Attributes:
        release: its name, version and target.
        digest: its identity; empty where the reference is damaged.
        installed: when its reference was written, in seconds since 1970.
        bytes: of the manifest and all listed files; 0 where the bundle is damaged.
        damaged: whether the reference leads to no bundle of that identity.
        default_variant: what opening takes when the caller names none.
        figures: a row per variant and format.
        tags: the tags of its version, sorted, `latest` first where it is the highest version.
    """

    release: Release
    digest: str
    installed: int
    bytes: int
    damaged: bool
    default_variant: str
    figures: tuple[Figures, ...]
    tags: tuple[str, ...] = ()

    @property
    def headline(self) -> Figures | None:
        """The row that speaks for the bundle: of the default variant, the frozen file where it has one."""
        rows = [row for row in self.figures if row.variant == self.default_variant]
        return max(rows, key=lambda row: row.format == "ort", default=None)


def entries(store: str | os.PathLike[str] | None = None, *, rebuild: bool = False) -> list[Entry]:
    """Return what a store holds, by name, then newest version first.

    The index is brought up to date where the store can be written; where it cannot, nothing is lost but time.

    Args:
        store: the store's folder; None for the default one. One that is not there holds nothing.
        rebuild: read everything anew, whatever the index says.

    Raises:
        BundleError: ``store_unreadable``.
    """
    root = layout.resolved(store)
    remembered = {} if rebuild else index.load(root)
    current: dict[Release, index.Row] = {}
    for name in layout.names(root):
        for release in layout.releases(root, name):
            current[release] = _row(root, release, remembered.get(release))
    if rebuild or current != remembered:
        index.save(root, current)
    return _ordered(root, current)


def history(name: str, store: str | os.PathLike[str] | None = None) -> list[Entry]:
    """Return the versions of a name, newest first.

    Raises:
        BundleError: ``bundle_unknown`` with the nearest name; ``store_unreadable``.
    """
    found = [entry for entry in entries(store) if entry.release.name == name]
    if not found:
        raise reference.unknown_name(layout.resolved(store), name, name)
    return found


def _ordered(root: Path, rows: dict[Release, index.Row]) -> list[Entry]:
    found: list[Entry] = []
    for name in sorted({release.name for release in rows}):
        mine = [release for release in rows if release.name == name]
        newest = max((release.version for release in mine), key=layout.numbers)
        words = layout.tags(root, name)
        mine.sort(key=lambda release: release.target)
        mine.sort(key=lambda release: layout.numbers(release.version), reverse=True)
        for release in mine:
            row = rows[release]
            tags = sorted(word for word, version in words.items() if version == release.version)
            latest = [layout.LATEST] if release.version == newest else []
            found.append(Entry(release, *row[1:], tags=(*latest, *tags)))
    return found


def _row(root: Path, release: Release, remembered: index.Row | None) -> index.Row:
    """Return what the index says about a release, where the files are the same; else what they say now."""
    try:
        digest = layout.digest_of(root, release) or ""
        written = os.stat(root / release.file).st_mtime_ns
    except (BundleError, OSError):
        digest, written = "", 0
    folder = layout.blob(root, digest or "-")
    stamp = ":".join([str(written), *(_stamp(folder / name) for name in (MANIFEST_NAME, REPORT))])
    if remembered is not None and (remembered.stamp, remembered.digest) == (stamp, digest):
        return remembered
    manifest = _manifest(folder, digest)
    seconds = written // 10**9
    if manifest is None:
        return index.Row(stamp, digest, seconds, 0, True, "", ())
    size = len(manifest.data) + sum(file.size for file in manifest.files)
    return index.Row(stamp, digest, seconds, size, False, manifest.default_variant, figures(folder, manifest))


def _stamp(path: Path) -> str:
    """Return a text that changes when a file does, as files are only ever replaced."""
    try:
        status = path.lstat()
    except OSError:
        return "-"
    return f"{status.st_ino}.{status.st_size}.{status.st_mtime_ns}"


def _manifest(folder: Path, digest: str) -> Manifest | None:
    try:
        with open(folder / MANIFEST_NAME, "rb") as file:
            manifest = Manifest.parse(file.read(MAX_BYTES + 1))
    except (OSError, BundleError):
        return None
    return manifest if manifest.digest == digest else None
