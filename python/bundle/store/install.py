"""Install a bundle in a store: checked, copied, checked again, and in place with one rename."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bundle import attest
from bundle.archive_reader import Archive
from bundle.bundle import MANIFEST_NAME, Bundle, whole
from bundle.durable import pieces, put_in_place, sync_folder, sync_tree, write_files
from bundle.error import BundleError
from bundle.manifest import Manifest
from bundle.store import layout
from bundle.store.change import changing, workspace, write_line
from bundle.store.layout import Release
from bundle.target import target_word

# So often another process may remove the bundle that was just found, before this one gives up.
_ATTEMPTS = 10


@dataclass(frozen=True)
class Installed:
    """What an install did.

    Attributes:
        release: name, version and target, by which the bundle is found again.
        digest: its identity.
        path: its folder in the store.
        fresh: False where the store had this very bundle, whole.
        replaced: the identity that the release had before; None where it had none or the same.
    """

    release: Release
    digest: str
    path: Path
    fresh: bool
    replaced: str | None


class _Source(Protocol):
    """What can be installed."""

    @property
    def manifest(self) -> Manifest:
        """Its checked manifest."""

    def extract(self, folder: Path) -> None:
        """Write the manifest and every listed file."""

    def extract_statements(self, folder: Path) -> None:
        """Write what can be written of the statements."""


class _Folder:
    """A bundle's folder as a source; its bundle was checked when it was opened."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.manifest = bundle.manifest

    def extract(self, folder: Path) -> None:
        content: dict[str, bytes | Path] = {MANIFEST_NAME: self.manifest.data}
        content |= {file.path: self._bundle.file_path(file.path) for file in self.manifest.files}
        write_files(folder, content)

    def extract_statements(self, folder: Path) -> None:
        for path in attest.statements(self._bundle.path):
            attest.add(folder, path.name, pieces(path))


def install(
    source: str | os.PathLike[str],
    store: str | os.PathLike[str] | None = None,
    digest: str | None = None,
    *,
    replace: bool = False,
    max_bytes: int | None = None,
) -> Installed:
    """Install an archive, or a bundle's folder, in a store. Safe for several processes at once.

    Args:
        source: the archive or the folder.
        store: the store's folder, made where it is not there; None for the default one.
        digest: the identity that the caller expects.
        replace: take this bundle for its name, version and target although they have another one.
        max_bytes: refuse a longer archive; None for the limit of spec/store.json.

    Raises:
        BundleError: by the checks A1 to A7 for an archive, O1 to O8 for every bundle; ``version_conflict``;
            ``store_unwritable``, ``store_unreadable``, ``store_damaged``. Then the store is as it was.
    """
    root = layout.resolved(store)
    with ExitStack() as stack:
        opened: _Source
        if os.path.isdir(source):
            opened = _Folder(Bundle.open(source, digest=digest))
        else:
            opened = stack.enter_context(Archive.open(source, digest=digest, max_bytes=max_bytes))
        manifest = opened.manifest
        release = Release(manifest.name, manifest.version, target_word(manifest.target))
        _refuse_conflict(root, release, manifest.digest, replace)
        with workspace(root) as folder:
            for _ in range(_ATTEMPTS):
                done = _attempt(root, folder, opened, release, replace)
                if done is not None:
                    return done
    found = "one from which others keep removing this bundle"
    raise BundleError("store_unwritable", str(root), "a store at rest", found)


def _attempt(root: Path, folder: Path, source: _Source, release: Release, replace: bool) -> Installed | None:
    """Install once; None where the bundle that was found in the store is gone when its turn comes."""
    digest = source.manifest.digest
    path = layout.blob(root, digest)
    content = _staged(folder, source, needed=whole(path, digest) is None)
    with changing(root, folder):
        before = _refuse_conflict(root, release, digest, replace)
        fresh = _place(content, path, digest)
        if fresh is None:
            return None
        if _text(root, release) != digest:
            write_line(root, folder, release.file, digest)
    return Installed(release, digest, path, fresh, before)


def _staged(folder: Path, source: _Source, *, needed: bool) -> Path:
    """Return the staged bundle: its statements and, where they are needed, its files, checked and synced."""
    content = folder / "bundle"
    if not content.exists():
        content.mkdir()
        source.extract_statements(content)
    if needed and not (content / MANIFEST_NAME).exists():
        source.extract(content)
        Bundle.open(content, digest=source.manifest.digest)
        sync_tree(content)
        content.chmod(0o755)
    return content


def _place(content: Path, path: Path, digest: str) -> bool | None:
    """Put the staged bundle in its place, or merge its statements into the whole one that is there.

    Returns True for the first, False for the second, None where neither is possible.
    """
    staged = (content / MANIFEST_NAME).exists()
    if not path.exists():
        if not staged:
            return None
        os.rename(content, path)
    elif not staged or whole(path, digest):
        attest.merge(content, path)
        return False
    else:
        attest.merge(path, content)
        # The damaged one lands in the workspace, and goes with it.
        put_in_place(content, path)
    sync_folder(path.parent)
    return True


def _text(root: Path, release: Release) -> str | None:
    try:
        return layout.digest_of(root, release)
    except BundleError:
        return None


def _refuse_conflict(root: Path, release: Release, digest: str, replace: bool) -> str | None:
    """Return the other identity that the release has, where it may be replaced; None where it has none."""
    try:
        before = layout.digest_of(root, release)
    except BundleError:
        if replace:
            return None
        raise
    if before is None or before == digest:
        return None
    if not replace and layout.blob(root, before).exists():
        raise BundleError("version_conflict", str(release), before, digest)
    return before
