"""What a worker may be asked to do by a tool or a model that behaves badly."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from bundle.builder.model import StageSkipped
from bundle.error import BundleError


def noisy() -> str:
    """Write more than a pipe holds to stdout and stderr, by Python and by the descriptors."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        print("noise" * 100_000, file=stream, flush=True)
        os.write(number, b"noise" * 100_000)
    return "quiet"


def crash() -> None:
    ctypes.string_at(0)


def leave() -> NoReturn:
    os._exit(0)


def huge(size: int) -> bytes:
    return bytes(size)


def unpicklable() -> Any:
    return lambda: None


class Stubborn(Exception):
    """An exception that holds what cannot be pickled, and whose text cannot be had."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __str__(self) -> str:
        return "cannot be pickled"


def raise_stubborn() -> NoReturn:
    raise Stubborn


def refuse() -> NoReturn:
    raise BundleError("model_invalid", "model.onnx", "a model", "a picture", "look at it")


def skip() -> NoReturn:
    raise StageSkipped("unchanged", "nothing to do")


def fill_disk(error: int) -> NoReturn:
    raise OSError(error, os.strerror(error), "/somewhere")


def hang(pids: Path | None = None) -> None:
    """Ignore every signal that can be ignored; tell this process and one that it started."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if pids:
        helper = subprocess.Popen(["sleep", "600"], close_fds=False)
        partial = pids.with_suffix(".part")
        partial.write_text(f"{os.getpid()} {helper.pid}")
        partial.rename(pids)
    time.sleep(600)


def fork_and_crash(pid: Path) -> None:
    """Leave a copy of this process behind, with every descriptor that it has."""
    copy = os.fork()
    if copy == 0:
        time.sleep(600)
        os._exit(0)
    pid.write_text(str(copy))
    os.abort()


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def take_memory(size: int) -> int:
    """Ask for more memory than the process may have; the limit stays for the jobs that follow."""
    resource.setrlimit(resource.RLIMIT_AS, (size // 2, size // 2))
    return len(bytearray(size))


def abort_for_memory() -> None:
    """End as the C++ library does where nobody catches its exception."""
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def places(file: Path) -> tuple[str, str, str]:
    """Return the folder for temporary files, the one for relative names, and what a file holds."""
    return tempfile.gettempdir(), os.getcwd(), file.read_text()
