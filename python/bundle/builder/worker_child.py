"""The other side of a worker: answers jobs until its parent closes the pipe, and dies with it."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import tempfile
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

from bundle.builder.memory import ran_out
from bundle.builder.model import StageSkipped
from bundle.builder.workfolder import is_full
from bundle.error import BundleError

_PR_SET_PDEATHSIG = 1


def _serve(requests: Connection, replies: Connection) -> None:
    """Answer jobs until the parent closes its end."""
    while True:
        try:
            request = requests.recv_bytes()
        except EOFError:
            return
        replies.send_bytes(_answer(request))


def _answer(request: bytes) -> bytes | memoryview:
    """Run one job; return its reply: a word and the result, the refusal, or a description, pickled."""
    args: tuple[object, ...] = ()
    try:
        module, name, args, kwargs = ForkingPickler.loads(request)
        job = getattr(importlib.import_module(module), name)
        return ForkingPickler.dumps(("done", job(*args, **kwargs)))
    except (BundleError, StageSkipped) as refusal:
        return ForkingPickler.dumps(("refused", refusal))
    except (Exception, SystemExit) as error:  # a library that calls exit() must not end the worker
        if is_full(error):
            return ForkingPickler.dumps(("full", ""))
        return ForkingPickler.dumps(_describe(error, args))


def _describe(error: BaseException, args: tuple[object, ...]) -> tuple[str, str]:
    """Return the reason, and the exception's class and first line without the folders of its files."""
    lines = str(error).strip().splitlines() or ["no message"]
    text = f"{type(error).__name__}: {lines[0]}"
    for argument in args:
        if isinstance(argument, Path):
            text = text.replace(f"{argument.parent}{os.sep}", "")
    if ran_out(error):
        return "no_memory", f"memory ran out: {text}"
    return "raised", text


def _prepare(parent: int) -> None:
    """Make this process the one that goes first: with its parent, and where memory runs out."""
    with suppress(AttributeError):  # a system without this call relies on the end of the pipe
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def _main(requests: int, replies: int, parent: int) -> None:
    _prepare(parent)
    os.chdir(tempfile.gettempdir())
    for descriptor in (requests, replies):
        # What a job starts must not keep the pipes open when this process has ended.
        os.set_inheritable(descriptor, False)
    _serve(Connection(requests, writable=False), Connection(replies, readable=False))


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
