"""A child process for what may crash, hang or print: model tools and models that nobody has run yet."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds that one job may take before it counts as hung.
DEFAULT_TIMEOUT = 900.0


class WorkerError(Exception):
    """A job that gave no result.

    Attributes:
        reason: ``crashed``, ``timed_out`` or ``raised``.
        detail: the signal, the limit, or the exception's class and first line.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class Worker:
    """One child process, started at the first job, kept for the next, and replaced after a crash.

    A crash of native code would end the build; in a child it ends one stage. Starting a child costs
    0.1 to 0.5 s for its imports, so one serves all stages of a build. One thread may use a worker.
    """

    def __init__(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: Connection | None = None
        self._replies: Connection | None = None

    def call(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function of a module in the child; arguments and result cross by pickle.

        Raises:
            WorkerError: the job raised, hung, or took the process with it.
        """
        if self._process is None:
            self._start()
        assert self._requests is not None and self._replies is not None
        try:
            # By name: a module that is this process's main program has no other path to the child.
            self._requests.send((job.__module__, job.__qualname__, args, kwargs))
            if not self._replies.poll(self._timeout):
                raise self._end("timed_out", f"no answer within {self._timeout:g} s")
            done, result = self._replies.recv()
        except (EOFError, OSError) as error:
            raise self._end("crashed", "the process ended without an answer") from error
        if not done:
            raise WorkerError("raised", result)
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the child; the next job starts another one."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def __enter__(self) -> Self:
        """Return the worker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child."""
        self.close()

    def _start(self) -> None:
        # Two pipes and not multiprocessing.Pipe: that is a pair of sockets, and a build opens none.
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self._requests, self._replies = (
            Connection(ours_out, readable=False),
            Connection(ours_in, writable=False),
        )
        try:
            self._process = subprocess.Popen(
                # -P: a folder of the user's that is called like a library must not shadow it.
                [sys.executable, "-P", "-m", "bundle.builder.worker", str(theirs_in), str(theirs_out)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs_in, theirs_out),
                env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)

    def _end(self, reason: str, detail: str) -> WorkerError:
        """Make sure the child is gone; return the error that tells how it ended."""
        assert self._process is not None
        if reason == "timed_out":
            self._process.kill()
        code = self._reap()
        if reason == "crashed" and code < 0:
            detail = f"killed by {signal.Signals(-code).name}"
        return WorkerError(reason, detail)

    def _reap(self) -> int:
        assert self._process is not None and self._requests is not None and self._replies is not None
        self._requests.close()
        code = self._process.wait()
        self._replies.close()
        self._process = None
        return code


def _serve(requests: Connection, replies: Connection) -> None:
    """Answer jobs until the parent closes its end."""
    while True:
        try:
            module, name, args, kwargs = requests.recv()
        except EOFError:
            return
        try:
            job = getattr(importlib.import_module(module), name)
            reply = (True, job(*args, **kwargs))
        except (Exception, SystemExit) as error:  # a library that calls exit() must not end the worker
            reply = (False, _describe(error, args))
        replies.send(reply)


def _describe(error: BaseException, args: tuple[object, ...]) -> str:
    """Return the exception's class and first line, without the folders of the files it is about."""
    lines = str(error).strip().splitlines() or ["no message"]
    text = f"{type(error).__name__}: {lines[0]}"
    for argument in args:
        if isinstance(argument, Path):
            text = text.replace(f"{argument.parent}{os.sep}", "")
    return text


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1]), writable=False), Connection(int(sys.argv[2]), readable=False))
