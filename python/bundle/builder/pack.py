"""Pack: write a bundle beside its destination, prove it there, and put it in place with one rename.

A kill, a full disk or a power cut at any moment leaves the bundle that was there before, or none.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bundle import durable
from bundle.durable import raise_error, sync_folder, sync_tree, write_files
from bundle.error import BundleError
from bundle.locked import make_locked, remove_abandoned
from bundle.manifest import Manifest

__all__ = ["MANIFEST", "put_in_place", "staging", "write_files", "writing"]

MANIFEST = "bundle.json"
_STATEMENTS = "attest"
_PREFIX = ".building-"
_HINTS = {
    errno.ENOSPC: "free some space or choose another --output",
    errno.EDQUOT: "free some space or choose another --output",
    errno.EACCES: "choose an --output that you may write to",
    errno.EEXIST: "a file stands where a folder is needed; choose another --output",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another --output",
}


def refuse_early(destination: Path) -> None:
    """Refuse, before the long work, what ``staging`` would after it, as far as that shows without writing.

    Errors: those of ``staging``.
    """
    with writing(destination):
        _refuse_foreign(destination)
        place = next(folder for folder in destination.parents if os.path.lexists(folder))
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def staging(destination: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``destination``; whatever happens, it is gone afterwards.

    The folder is on the destination's file system, so that ``put_in_place`` is one rename. Folders that
    a killed build left behind are removed first.

    Raises:
        BundleError: ``output_exists`` where the destination is something that is not a bundle, or a bundle
            that holds more than its builder wrote; ``write_failed`` where the file system refuses.
    """
    with writing(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(destination)
        remove_abandoned(destination.parent, _PREFIX)
        folder, lock = make_locked(destination.parent, _PREFIX)
    try:
        content = folder / "bundle"
        with writing(destination):
            content.mkdir()
        yield content
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def writing(destination: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block into ``write_failed`` about ``destination``."""
    try:
        yield
    except OSError as error:
        raise BundleError(
            "write_failed",
            str(destination),
            "a folder that can be written",
            error.strerror or str(error),
            _HINTS.get(error.errno or 0, "choose another --output"),
        ) from error


def put_in_place(folder: Path, destination: Path) -> None:
    """Sync ``folder`` and every folder in it, then rename it to ``destination``, replacing an older bundle.

    Raises:
        OSError: as the file system says; call inside ``writing``.
    """
    sync_tree(folder)
    folder.chmod(0o755)
    _rename(folder, destination)
    sync_folder(destination.parent)


def _rename(folder: Path, destination: Path) -> None:
    """Rename, or swap with the bundle that is there: of two builds at once the later one wins, whole."""
    for _ in range(100):
        _refuse_foreign(destination)
        try:
            durable.put_in_place(folder, destination)
            return
        except OSError as error:
            # Another build was faster between two steps.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
    raise OSError(errno.EBUSY, "the destination keeps changing", str(destination))


def _refuse_foreign(destination: Path) -> None:
    """Only a bundle with nothing beside its own files, an empty folder or nothing may be replaced."""
    if not os.path.lexists(destination):
        return
    if not destination.is_dir() or destination.is_symlink():
        raise _in_the_way(destination, "a link" if destination.is_symlink() else "a file")
    if any(destination.iterdir()):
        own = _own_files(destination)
        foreign = _foreign(destination, own)
        if foreign is not None:
            found = f"`{foreign}`, which is not the builder's"
            raise _in_the_way(destination, found)


def _own_files(folder: Path) -> set[str]:
    """Return the paths that the builder wrote to a bundle's folder, as its manifest lists them.

    Errors: ``output_exists`` where there is no manifest, so that nothing in the folder is the builder's.
    """
    path = folder / MANIFEST
    if not path.is_file() or path.is_symlink():
        raise _in_the_way(folder, f"a folder without a {MANIFEST}")
    try:
        manifest = Manifest.parse(path.read_bytes())
    except BundleError as error:
        raise _in_the_way(folder, f"a {MANIFEST} that is no manifest of this version") from error
    return {MANIFEST, *(file.path for file in manifest.files)}


def _foreign(folder: Path, own: set[str]) -> str | None:
    """Return the first thing in a bundle's folder, in order of names, that its builder did not write.

    Statements about a bundle (`attest`) go with it: they are about the bytes that are replaced.
    """
    parents = {str(parent) for path in own for parent in Path(path).parents}
    for path, folders, files in os.walk(folder, onerror=raise_error):
        inside = Path(path).relative_to(folder)
        if inside == Path():
            folders[:] = [name for name in folders if name != _STATEMENTS]
        folders.sort()
        links = [name for name in folders if (Path(path) / name).is_symlink()]
        strange = [name for name in files if str(inside / name) not in own]
        strange += [name for name in folders if name in links or str(inside / name) not in parents]
        if strange:
            return str(inside / min(strange))
    return None


def _in_the_way(destination: Path, found: str) -> BundleError:
    expected = "nothing, an empty folder or a bundle with nothing of yours in it"
    return BundleError("output_exists", str(destination), expected, found)
