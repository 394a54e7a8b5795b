"""The folder for files on the way: gone after the build, also after one that was killed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from bundle.error import BundleError
from bundle.locked import make_locked, remove_abandoned

#: Long enough that no folder of the user is called so.
_PREFIX = "edgebundle-building-"
#: What a file system says that takes no more, whatever the file.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
#: Bytes: with less, no model can have been written.
_NOTHING = 4096
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class _EndedBySignal(BaseException):
    """A signal that ends the process, on its way through the clean-up of every block around."""


@contextmanager
def work_folder() -> Iterator[Path]:
    """Yield an empty folder in the system's temporary folder (``$TMPDIR``); whatever happens, it goes.

    Folders that killed builds left behind are removed first: their lock is free.

    Raises:
        BundleError: ``write_failed`` where no folder can be made, or the disk gets full inside the block.
    """
    try:
        parent = Path(tempfile.gettempdir())
        remove_abandoned(parent, _PREFIX)
        folder, lock = make_locked(parent, _PREFIX)
    except OSError as error:
        raise _refused(error) from error
    try:
        yield folder
    except OSError as error:
        if error.errno in _FULL:
            raise _refused(error) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def disk_full() -> BundleError:
    """Return ``write_failed`` about the temporary folder."""
    return _refused(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def is_full(error: BaseException) -> bool:
    """Whether an error of this process comes from a full disk: it says so, or there is no space left.

    Native tools have many words for a file that they could not write whole.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    return shutil.disk_usage(tempfile.gettempdir()).free < _NOTHING


@contextmanager
def ending_tidily() -> Iterator[None]:
    """Let the blocks inside clean up on SIGTERM and SIGHUP; the process still ends by that signal.

    Nothing changes outside the main thread, and for a signal that the program handles or ignores.
    """
    main = threading.current_thread() is threading.main_thread()
    taken = [each for each in _SIGNALS if main and signal.getsignal(each) is signal.SIG_DFL]
    for each in taken:
        signal.signal(each, _end)
    try:
        yield
    except _EndedBySignal as end:
        signal.signal(end.args[0], signal.SIG_DFL)
        os.kill(os.getpid(), end.args[0])
        raise
    finally:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    # Once: a second signal must not break off the clean-up.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise _EndedBySignal(number)


def _refused(error: OSError) -> BundleError:
    try:
        place = tempfile.gettempdir()
    except OSError:  # none of the usual places can be written
        place = os.environ.get("TMPDIR", "/tmp")
    found = error.strerror or str(error)
    hint = "free some space, or set TMPDIR to a larger place: a build takes several times the model's size"
    return BundleError("write_failed", place, "a temporary folder that can be written", found, hint)
