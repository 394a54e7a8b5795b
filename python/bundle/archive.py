"""Write an archive: checked first, byte for byte the same each time, in place with one rename."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bundle import attest, files, ustar
from bundle.bundle import MANIFEST_NAME, Bundle
from bundle.durable import sync_folder, write_file
from bundle.error import BundleError
from bundle.locked import make_locked, remove_abandoned
from bundle.target import target_word

#: How the names of archives end.
ENDING = ".bundle"
_CHUNK = 1 << 20
_PREFIX = ".archiving-"


def write_archive(
    bundle_folder: str | os.PathLike[str], destination: str | os.PathLike[str], with_attest: bool = False
) -> Path:
    """Write the archive of a bundle and return where it is.

    Args:
        bundle_folder: the bundle; all its checks are made first.
        destination: the file to write, where its name ends with ``.bundle`` and is no folder's; else a
            folder, which gets ``NAME-VERSION-TARGET.bundle``. An archive that is there is replaced.
        with_attest: take the statements about the bundle along. Then the bytes depend on them.

    Raises:
        BundleError: codes of the stages manifest and open; ``archive_impossible`` where a path or a size
            has no room in a header; ``output_exists`` where the destination is something else than an
            archive; ``write_failed``. A failure leaves what was there before.
    """
    bundle = Bundle.open(bundle_folder)
    target = _target(bundle, Path(destination))
    paths = [MANIFEST_NAME, *(file.path for file in bundle.manifest.files)]
    if with_attest:
        paths += [f"{attest.FOLDER}/{path.name}" for path in attest.statements(bundle.path)]
    headers = {path: _header(bundle, path) for path in paths}
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target.parent, _PREFIX)
        folder, lock = make_locked(target.parent, _PREFIX)
    try:
        with _writing(target):
            write_file(folder / target.name, _pieces(bundle, headers))
            os.replace(folder / target.name, target)
            sync_folder(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
    return target


def archive_name(bundle: Bundle) -> str:
    """Return ``NAME-VERSION-TARGET.bundle``."""
    manifest = bundle.manifest
    return f"{manifest.name}-{manifest.version}-{target_word(manifest.target)}{ENDING}"


def _target(bundle: Bundle, destination: Path) -> Path:
    named = destination.suffix == ENDING or os.path.lexists(destination)
    target = destination if named and not destination.is_dir() else destination / archive_name(bundle)
    if os.path.lexists(target) and not _is_archive(target):
        expected = "nothing, a folder or an archive"
        raise BundleError("output_exists", str(target), expected, "something else")
    return target


def _is_archive(path: Path) -> bool:
    """Return whether a file begins as an archive does, so that it may be replaced."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            name, _ = ustar.read(file.read(ustar.BLOCK).ljust(ustar.BLOCK, b"\0"), MANIFEST_NAME)
    except (OSError, BundleError):
        return False
    return name == MANIFEST_NAME


def _header(bundle: Bundle, path: str) -> tuple[bytes, int]:
    """Return the header of a file and its size."""
    with files.opened(str(bundle.file_path(path)), path) as file:
        size = os.fstat(file.fileno()).st_size
    try:
        return ustar.header(path, size), size
    except ValueError as error:
        expected = "a path and a size that a tar header has room for"
        raise BundleError("archive_impossible", path, expected, str(error)) from None


def _pieces(bundle: Bundle, headers: dict[str, tuple[bytes, int]]) -> Iterator[bytes]:
    """Yield the bytes of the archive; a file that is no longer what was checked is an error."""
    sealed = {file.path: file.sha256 for file in bundle.manifest.files} | {MANIFEST_NAME: bundle.digest}
    for path, (header, size) in headers.items():
        yield header
        hasher, count = hashlib.sha256(), 0
        with files.opened(str(bundle.file_path(path)), path) as file:
            while piece := file.read(_CHUNK):
                hasher.update(piece)
                count += len(piece)
                yield piece
        if count != size or sealed.get(path, hasher.hexdigest()) != hasher.hexdigest():
            raise BundleError("file_digest_mismatch", path, "the file that was checked", "a changed one")
        yield bytes(ustar.padding(size))
    yield ustar.ZEROS * 2


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        found = error.strerror or str(error)
        raise BundleError("write_failed", str(target), "a file that can be written", found) from error
