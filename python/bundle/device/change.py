"""Update a device folder and roll it back: proven first, then switched by one rename."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.archive_reader import Archive
from bundle.bundle import Bundle, check_digest, whole
from bundle.device.folder import CURRENT, PREVIOUS, WORK, counts, held, leads_to, said, spelt, work_folder
from bundle.durable import discard, put_in_place, raise_error, swap, sync_folder, sync_tree
from bundle.error import BundleError
from bundle.manifest import Manifest
from bundle.store.change import writing
from bundle.store.layout import BLOBS, DIGEST, blob
from bundle.version import parse_version

_LARGEST = (1 << 53) - 1


@dataclass(frozen=True)
class Updated:
    """What a device folder holds after an update or a rollback.

    Attributes:
        digest: the identity of the bundle that runs now.
        name: its model.
        version: its version.
        previous: the version that a rollback would bring back; None where there is none.
        changed: False where the archive's bundle was current already, and whole.
    """

    digest: str
    name: str
    version: str
    previous: str | None
    changed: bool


def update(
    folder: str | os.PathLike[str],
    archive: str | os.PathLike[str],
    *,
    digest: str | None = None,
    max_bytes: int | None = None,
    replace: bool = False,
    **options: Any,
) -> Updated:
    """Let a device run the bundle of an archive, once it has proven itself on this machine.

    A program opens ``FOLDER/current``. A kill at any step leaves it at the old bundle or at the new one.

    Args:
        folder: the device folder, made where it is not there. A second update waits for the first.
        archive: the ``.bundle`` file.
        digest: the identity that the caller expects, 64 lower-case hex digits.
        max_bytes: refuse a longer archive; None for the limit of spec/store.json.
        replace: take another bundle of the same version than the one that runs.
        options: those of `Predictor.open` but ``mode``; the new bundle is opened and tested with them.

    Raises:
        BundleError: by the checks U1 to U9 of spec/STORE.md. Then the device runs what it ran before.
    """
    _check_options(digest, max_bytes, replace, options)
    name = os.fspath(folder)
    with (
        Archive.open(archive, digest=digest, max_bytes=max_bytes) as source,
        held(name, make=True) as root,
    ):
        try:
            changed = _bring(root, name, source, replace, options)
            _sweep(root)
        finally:
            discard(root / WORK)
        return _result(root, source.manifest, changed)


def rollback(folder: str | os.PathLike[str]) -> Updated:
    """Let a device run again what it ran before; a second rollback takes the first one back.

    Raises:
        BundleError: ``rollback_impossible``, ``device_folder_unsuitable``, ``store_unwritable``: the checks
            V1 to V4 of spec/STORE.md. Then the device runs what it ran before.
    """
    name = os.fspath(folder)
    with held(name, make=False) as root:
        before, now = said(root, PREVIOUS), said(root, CURRENT)
        if before is None or not counts(root):
            raise _impossible("no other bundle than the one that runs")
        bundle = _previous(root, before)
        try:
            with writing(name):
                if now is None:
                    os.rename(root / PREVIOUS, root / CURRENT)
                elif swap(root / CURRENT, root / PREVIOUS) != 0:
                    # A kill between the two leaves the wanted bundle current, and no way back to the other.
                    _link(root, CURRENT, before)
                    _link(root, PREVIOUS, now)
                sync_folder(root)
        finally:
            discard(root / WORK)
        return _result(root, bundle.manifest, True)


def _check_options(digest: Any, max_bytes: Any, replace: Any, options: Mapping[str, Any]) -> None:
    """Check U1."""
    check_digest(digest)
    if max_bytes is not None and (type(max_bytes) is not int or not 1 <= max_bytes <= _LARGEST):
        expected = f"an integer from 1 to {_LARGEST}"
        raise BundleError("option_invalid", "max_bytes", expected, repr(max_bytes))
    if "mode" in options:
        found = repr(options["mode"])
        raise BundleError("option_invalid", "mode", "no such option: an update makes all checks", found)
    if type(replace) is not bool:
        raise BundleError("option_invalid", "replace", "True or False", repr(replace))


def _bring(root: Path, name: str, source: Archive, replace: bool, options: Mapping[str, Any]) -> bool:
    """Check U5 to U9; return whether anything changed."""
    manifest = source.manifest
    running = leads_to(root, CURRENT)
    if running is not None:
        _check_successor(running, manifest, replace)
    bundle = whole(blob(root, manifest.digest), manifest.digest)
    if bundle is not None and said(root, CURRENT) == manifest.digest:
        return False
    with writing(name):
        work_folder(root)
        staged = None if bundle is not None else _written(root, source)
    if bundle is None:
        bundle = Bundle.open(root / WORK / "bundle", digest=manifest.digest)
    _prove(bundle, options)
    with writing(name):
        _switch(root, manifest.digest, staged)
    return True


def _check_successor(running: Manifest, manifest: Manifest, replace: bool) -> None:
    """Check U5."""
    subject = f"{manifest.name}@{manifest.version}"
    if manifest.name != running.name:
        expected = f"`{running.name}`, which the device runs"
        raise BundleError("name_mismatch", manifest.name, expected, "another model")
    if parse_version(manifest.version) < parse_version(running.version):
        raise BundleError("version_older", subject, f"{running.version} or newer", manifest.version)
    same = manifest.version == running.version
    if same and manifest.digest != running.digest and not replace:
        raise BundleError("version_conflict", subject, running.digest, manifest.digest)


def _written(root: Path, source: Archive) -> Path:
    """Write the bundle to the staging folder, synced and open to every user (U6)."""
    staged = root / WORK / "bundle"
    staged.mkdir()
    source.extract(staged)
    for path, _, _ in os.walk(staged, onerror=raise_error):
        os.chmod(path, 0o755)
    sync_tree(staged)
    return staged


def _prove(bundle: Bundle, options: Mapping[str, Any]) -> None:
    """Check U8."""
    with bundle.predictor(**options) as predictor:
        failure = predictor.self_test().failure()
    if failure is not None:
        raise failure


def _switch(root: Path, digest: str, staged: Path | None) -> None:
    """Put the staged bundle in its place, None where it is there, and let the links say so (U9)."""
    place = blob(root, digest)
    if not place.parent.exists():
        place.parent.mkdir()
        place.parent.chmod(0o755)
    if staged is not None:
        put_in_place(staged, place)
    sync_folder(place.parent)
    sync_folder(root)
    running = said(root, CURRENT)
    if running != digest:
        if running is not None and whole(blob(root, running), running):
            _link(root, PREVIOUS, running)
        _link(root, CURRENT, digest)
    sync_folder(root)


def _link(root: Path, link: str, digest: str) -> None:
    """Let a link say an identity, by one rename."""
    temporary = work_folder(root) / link
    os.symlink(spelt(digest), temporary)
    os.rename(temporary, root / link)


def _sweep(root: Path) -> None:
    """Move bundles that no link says to the staging folder, which is deleted; what fails stays."""
    kept = {said(root, CURRENT), said(root, PREVIOUS)}
    with suppress(OSError):
        work = work_folder(root)
        for entry in os.listdir(root / BLOBS):
            if DIGEST.fullmatch(entry) and entry not in kept:
                os.rename(root / BLOBS / entry, work / entry)


def _previous(root: Path, digest: str) -> Bundle:
    """Check V3 of the bundle that is to run again."""
    try:
        return Bundle.open(blob(root, digest), digest=digest)
    except BundleError as error:
        raise _impossible(f"a damaged one: {error}") from None


def _impossible(found: str) -> BundleError:
    return BundleError("rollback_impossible", PREVIOUS, "a whole bundle that ran before", found)


def _result(root: Path, manifest: Manifest, changed: bool) -> Updated:
    before = leads_to(root, PREVIOUS) if counts(root) else None
    previous = None if before is None else before.version
    return Updated(manifest.digest, manifest.name, manifest.version, previous, changed)
