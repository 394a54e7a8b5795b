"""Changes of a store: one at a time, each in place with one rename, so that a kill leaves all or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bundle.durable import sync_folder, write_file
from bundle.error import BundleError
from bundle.locked import holding, make_locked, remove_abandoned
from bundle.store import layout, reference
from bundle.store.layout import BLOBS, DIGEST, REFS, STAGING, TAGS, Release

_PREFIX = ".changing-"


@contextmanager
def workspace(store: Path) -> Iterator[Path]:
    """Yield an empty folder on the store's file system, gone afterwards; make the store where there is none.

    What killed processes left is removed first.

    Raises:
        BundleError: ``store_unwritable``; an ``OSError`` of the block becomes one too.
    """
    with writing(store):
        for part in (BLOBS, REFS, TAGS, STAGING):
            (store / part).mkdir(parents=True, exist_ok=True)
        remove_abandoned(store / STAGING, _PREFIX)
        folder, lock = make_locked(store / STAGING, _PREFIX)
    try:
        with writing(store):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def changing(store: Path, folder: Path) -> Iterator[None]:
    """Hold the store's lock; at the end, what no reference leads to is moved to the workspace ``folder``."""
    with holding(store):
        try:
            yield
        except BaseException:
            with suppress(OSError, BundleError):
                _sweep(store, folder)
            raise
        _sweep(store, folder)


@contextmanager
def writing(store: str | Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block into ``store_unwritable`` about a store or a device folder."""
    try:
        yield
    except OSError as error:
        found = error.strerror or str(error)
        raise BundleError("store_unwritable", str(store), "a folder that can be written", found) from error


def write_line(store: Path, folder: Path, relative: str, line: str) -> None:
    """Write a small file of the store: made in the workspace ``folder``, in place with one rename.

    Raises:
        OSError: as the file system says.
    """
    path = store / relative
    path.parent.mkdir(exist_ok=True)
    temporary = folder / "line"
    write_file(temporary, [f"{line}\n".encode("ascii")])
    os.replace(temporary, path)
    sync_folder(path.parent)
    sync_folder(path.parent.parent)


def remove(text: str, store: str | os.PathLike[str] | None = None) -> list[Release]:
    """Remove a version, in all its targets or in one, and the bundles and tags that only it led to.

    A bundle that is open stays usable for whoever has it open.

    Args:
        text: ``NAME@VERSION`` or ``NAME@VERSION-TARGET``.
        store: the store's folder; None for the default one.

    Raises:
        BundleError: ``bundle_unknown``, ``store_unreadable``, ``store_unwritable``.
    """
    root = layout.resolved(store)
    found = reference.matching(root, text)
    with workspace(root) as folder, changing(root, folder):
        # Tags go afterwards: a kill between leaves tags that lead nowhere, and takes none too many.
        for release in found:
            (root / release.file).unlink(missing_ok=True)
            sync_folder((root / release.file).parent)
    return found


def tag(text: str, word: str, store: str | os.PathLike[str] | None = None) -> Release:
    """Let a tag of its name lead to a version; a tag that is there is moved.

    Args:
        text: a reference such as ``NAME@VERSION``.
        word: the tag: an identifier that is neither a version nor ``latest``.
        store: the store's folder; None for the default one.

    Raises:
        BundleError: ``tag_invalid``, ``bundle_unknown``, ``store_unreadable``, ``store_unwritable``.
    """
    if not layout.is_tag(word):
        expected = f"a word of letters, digits, `.`, `_`, `-`, which is no version and not `{layout.LATEST}`"
        raise BundleError("tag_invalid", word, expected, "another text")
    root = layout.resolved(store)
    reference.resolve(root, text)
    with workspace(root) as folder, changing(root, folder):
        release = reference.resolve(root, text)
        write_line(root, folder, f"{TAGS}/{release.name}/{word}", release.version)
    return release


def untag(text: str, store: str | os.PathLike[str] | None = None) -> str:
    """Remove the tag that ``NAME@TAG`` names; return the version that it led to.

    Raises:
        BundleError: ``bundle_unknown``, ``store_unreadable``, ``store_unwritable``.
    """
    root = layout.resolved(store)
    name, word = reference.split(text)
    known = layout.tags(root, name)
    if word not in known:
        from bundle.suggest import did_you_mean

        hint = did_you_mean(word, known)
        raise BundleError("bundle_unknown", text, f"a tag of `{name}`", "none of that name", hint)
    with workspace(root) as folder, changing(root, folder):
        path = root / TAGS / name / word
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    return known[word]


def _sweep(store: Path, folder: Path) -> None:
    """Remove tags of versions that are gone, and move bundles without a reference to the workspace."""
    wanted: set[str] = set()
    for name in layout.names(store):
        all_of = layout.releases(store, name)
        for release in all_of:
            try:
                wanted.add(layout.digest_of(store, release) or "")
            except BundleError:
                # What a damaged reference led to is not known, so nothing may be taken for forgotten.
                return
        _sweep_tags(store, name, {release.version for release in all_of})
    for entry in os.listdir(store / BLOBS):
        if DIGEST.fullmatch(entry) and entry not in wanted:
            os.rename(store / BLOBS / entry, folder / entry)


def _sweep_tags(store: Path, name: str, versions: set[str]) -> None:
    for word, version in layout.tags(store, name).items():
        if version not in versions:
            (store / TAGS / name / word).unlink(missing_ok=True)
    for part in (TAGS, REFS):
        try:
            (store / part / name).rmdir()
        except OSError:
            continue  # not there, or not empty
