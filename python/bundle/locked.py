"""Folders that are locked while their owner lives: what a killed one leaves behind, the next one removes."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def make_locked(parent: Path, prefix: str) -> tuple[Path, int]:
    """Make a folder that begins with ``prefix``, for this user alone, and lock it.

    Returns:
        the folder, and the descriptor that holds the lock until the caller closes it or dies.

    Raises:
        OSError: as the file system says.
    """
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            descriptor = _lock(folder)
        except FileNotFoundError:
            continue
        except OSError:
            folder.rmdir()
            raise
        if folder.is_dir():
            return folder, descriptor
        # Another process took it for abandoned before it was locked.
        os.close(descriptor)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove this user's folders of that prefix whose lock is free, because their owner is dead."""
    for folder in parent.glob(f"{prefix}*"):
        try:
            # In a folder that everybody may write to, anybody may have put a name like ours.
            if folder.lstat().st_uid != os.geteuid():
                continue
            descriptor = _lock(folder, fcntl.LOCK_NB)
        except OSError:
            continue  # its owner is alive, or has just removed it
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is waited for; processes and threads exclude each other by it.

    Raises:
        OSError: as the file system says.
    """
    descriptor = _lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path, flags: int = 0) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
