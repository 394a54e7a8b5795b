"""Files below a bundle, read so that no link is followed, no pipe waited for, and no file held in memory."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import BinaryIO

from bundle.error import BundleError
from bundle.host_specific import SIGNS

_CHUNK = 1 << 20
# Bytes kept from the piece before, so that a sign across the seam is seen.
_OVERLAP = max(map(len, SIGNS.values())) - 1
# Should a pipe or a link take the file's place after it was checked, it is not waited for or followed.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def opened(path: str, subject: str) -> Iterator[BinaryIO]:
    """Open a regular file without a buffer; also turns an ``OSError`` of the block into ``file_missing``.

    Args:
        path: where it is.
        subject: its path inside the bundle, for the error.

    Raises:
        BundleError: ``file_not_regular`` or ``file_missing``.
    """
    try:
        check_regular(os.lstat(path), subject)
        descriptor = os.open(path, _FLAGS)
        with open(descriptor, "rb", buffering=0) as file:
            check_regular(os.fstat(descriptor), subject)
            yield file
    except OSError as error:
        raise missing(subject, error) from None


def check_regular(status: os.stat_result, subject: str) -> None:
    """Refuse (``file_not_regular``) anything that is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise BundleError("file_not_regular", subject, "a regular file", kind(status))


def kind(status: os.stat_result) -> str:
    """Return in words what a path leads to."""
    if stat.S_ISLNK(status.st_mode):
        return "a link"
    if stat.S_ISDIR(status.st_mode):
        return "a folder"
    return "a regular file" if stat.S_ISREG(status.st_mode) else "a device, pipe or socket"


def shown(name: bytes) -> str:
    """Return a name with U+FFFD for each byte that is no UTF-8, one by one as in every language."""
    text = name.decode("utf-8", "surrogateescape")
    return "".join("\ufffd" if "\udc80" <= letter <= "\udcff" else letter for letter in text)


def missing(subject: str, error: OSError) -> BundleError:
    """Return ``file_missing`` with what the operating system said."""
    return BundleError("file_missing", subject, "a file that can be read", error.strerror or str(error))


def head(file: BinaryIO, count: int) -> bytes:
    """Return the first ``count`` bytes of a file, or all where it has less."""
    data = b""
    while len(data) < count and (piece := file.read(count - len(data))):
        data += piece
    return data


def digest(file: BinaryIO, sign: bytes | None = None) -> tuple[str, bool]:
    """Read a file to its end; return its SHA-256 in hex, and whether it holds the bytes ``sign``."""
    if os.fstat(file.fileno()).st_size > _CHUNK:
        return _digest_pieces(file, sign)
    data = file.read()
    return hashlib.sha256(data).hexdigest(), _holds(sign, data, len(data))


def _holds(sign: bytes | None, data: bytes | bytearray, end: int) -> bool:
    # From behind, because CPython finds so short a sign a third faster that way.
    return sign is not None and data.rfind(sign, 0, end) >= 0


def _digest_pieces(file: BinaryIO, sign: bytes | None) -> tuple[str, bool]:
    """Hash in a second thread while this one reads on and searches: the search is hidden behind the hash."""
    hasher, found = hashlib.sha256(), False
    current, following = bytearray(_OVERLAP + _CHUNK), bytearray(_OVERLAP + _CHUNK)
    with _worker(hasher.update) as (start, wait):
        count = _fill(file, current)
        while count:
            start(memoryview(current)[_OVERLAP : _OVERLAP + count])
            following[:_OVERLAP] = current[count : count + _OVERLAP]
            # Reading comes before searching: it lets go of the interpreter's lock, so the hash can begin.
            count, searched = _fill(file, following), count
            found = found or _holds(sign, current, _OVERLAP + searched)
            wait()
            current, following = following, current
    return hasher.hexdigest(), found


def _fill(file: BinaryIO, buffer: bytearray) -> int:
    """Read the next piece behind the overlap; return its length, 0 at the end of the file."""
    return file.readinto(memoryview(buffer)[_OVERLAP:])  # type: ignore[attr-defined,no-any-return]


@contextmanager
def _worker(
    job: Callable[[memoryview], None],
) -> Iterator[tuple[Callable[[memoryview], None], Callable[[], None]]]:
    """Yield (start, wait): ``start`` runs the job in a second thread, ``wait`` until it has ended."""
    tasks: SimpleQueue[memoryview | None] = SimpleQueue()
    ended: SimpleQueue[None] = SimpleQueue()

    def work() -> None:
        while (task := tasks.get()) is not None:
            job(task)
            ended.put(None)

    thread = threading.Thread(target=work, name="bundle-digest", daemon=True)
    thread.start()
    try:
        yield tasks.put, ended.get
    finally:
        tasks.put(None)
        thread.join()
