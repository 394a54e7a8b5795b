"""Files and folders that are on the disk before they get their name: synced, then renamed."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

_CHUNK = 1 << 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write_files(folder: Path, files: Mapping[str, bytes | Path]) -> None:
    """Write ``files`` (path inside the folder -> bytes, or a file to copy), each synced to the disk.

    Raises:
        OSError: as the file system says.
    """
    for relative, content in files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, pieces(content) if isinstance(content, Path) else (content,))


def write_file(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file out of its pieces, synced to the disk and readable by all.

    Raises:
        OSError: as the file system says; ``FileExistsError`` where something has that name.
    """
    with open(path, "xb") as target:
        for piece in pieces:
            target.write(piece)
        target.flush()
        os.fchmod(target.fileno(), 0o644)
        os.fsync(target.fileno())


def pieces(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, piece by piece.

    Raises:
        OSError: as the file system says.
    """
    with open(path, "rb") as source:
        while piece := source.read(_CHUNK):
            yield piece


def sync_tree(folder: Path) -> None:
    """Sync ``folder`` and every folder in it.

    Raises:
        OSError: as the file system says.
    """
    for path, _, _ in os.walk(folder, onerror=raise_error):
        sync_folder(Path(path))


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk.

    Raises:
        OSError: as the file system says.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(folder: Path, destination: Path) -> None:
    """Give a folder its name; what has that name changes places with it, or goes beside it as ``replaced``.

    Raises:
        OSError: as the file system says. Then ``destination`` is what it was, or another process's.
    """
    if not os.path.lexists(destination):
        os.rename(folder, destination)
        return
    if swap(folder, destination) == 0:
        return
    replaced = folder.parent / "replaced"
    discard(replaced)
    with suppress(FileNotFoundError):
        os.rename(destination, replaced)
    # A kill between these two renames leaves no bundle, which a reader notices; it never leaves a mixture.
    try:
        os.rename(folder, destination)
    except OSError:
        # Whoever called deletes what is beside the folder.
        with suppress(OSError):
            os.rename(replaced, destination)
        raise


def discard(path: Path) -> None:
    """Remove what has this name: of a link the link alone. What cannot be removed stays."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        with suppress(OSError):
            path.unlink()


def swap(one: Path, other: Path) -> int:
    """Let two names change places in one step; return 0, or the number of the error where they did not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return errno.ENOSYS
    names = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return 0
    return ctypes.get_errno()


def raise_error(error: OSError) -> NoReturn:
    """For os.walk, which else passes over a folder that it cannot read."""
    raise error
