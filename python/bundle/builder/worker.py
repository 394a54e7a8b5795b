"""A child process for what may crash, hang or print: model tools and models that nobody has run yet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import TracebackType
from typing import IO, ParamSpec, Self, TypeVar

from bundle.builder.memory import exhausted, says_so
from bundle.builder.model import StageSkipped
from bundle.builder.workfolder import disk_full
from bundle.error import BundleError

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds that one job may take before it counts as hung.
DEFAULT_TIMEOUT = 900.0

#: Seconds between two looks at whether the child lives: a process of its own may keep the pipe open.
_LOOK = 1.0
#: Bytes of what a job printed on stderr that are looked at after a crash.
_TAIL = 4096


class WorkerError(Exception):
    """A job that gave no result.

    Attributes:
        reason: ``crashed``, ``timed_out``, ``raised`` or ``no_memory``.
        detail: the signal, the limit, or the exception's class and first line.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")

    def as_error(self, code: str, subject: str, expected: str) -> BundleError:
        """Return a refusal of that code; where memory ran out it is ``memory_exhausted`` instead."""
        if self.reason == "no_memory":
            return exhausted(subject, self.detail)
        return BundleError(code, subject, expected, self.detail)


@contextmanager
def leaving_out(tool: str) -> Iterator[None]:
    """Turn a tool that failed, or wrote what is no model, into a stage that is left out.

    Raises:
        StageSkipped: ``tool_failed``, with the tool's name and its own words.
        BundleError: what concerns the whole build, as a full disk.
    """
    try:
        yield
    except WorkerError as error:
        raise StageSkipped("tool_failed", f"{tool}: {error.detail}") from error
    except BundleError as error:
        if error.code != "model_unreadable":
            raise
        raise StageSkipped("tool_failed", f"{tool}: wrote {error.found}") from error


@contextmanager
def explaining(model: str) -> Iterator[None]:
    """Turn what no stage foresaw of its worker, and lack of memory in this process, into a refusal.

    Args:
        model: the name of the model that is the subject.

    Raises:
        BundleError: ``source_failed`` or ``memory_exhausted``.
    """
    try:
        yield
    except WorkerError as error:
        raise error.as_error("source_failed", model, "a model that ONNX Runtime runs") from error
    except MemoryError as error:
        raise exhausted(model, "memory ran out") from error


class Worker:
    """One child process, started at the first job, kept for the next, and replaced after a crash.

    A crash of native code would end the build; in a child it ends one stage. Starting a child costs
    0.1 to 0.5 s for its imports, so one serves all stages of a build. One thread may use a worker.
    """

    def __init__(self, timeout: float = DEFAULT_TIMEOUT, temporary: Path | None = None) -> None:
        """Prepare a worker.

        Args:
            timeout: seconds that one job may take.
            temporary: where jobs put their temporary files, which a killed child leaves behind; None for
                the system's folder.
        """
        self._timeout = timeout
        self._temporary = temporary
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: Connection | None = None
        self._replies: Connection | None = None
        self._stderr: IO[bytes] | None = None
        self._heard = 0

    def call(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function of a module in the child; arguments and result cross by pickle.

        ``BundleError`` and ``StageSkipped`` of the job are raised here as they are.

        Raises:
            WorkerError: the job raised something else, hung, or took the process with it.
            BundleError: also ``write_failed`` where the job found the disk full.
        """
        # The child is in a folder of its own, where tools may drop what they forget to remove.
        absolute = tuple(value.absolute() if isinstance(value, Path) else value for value in args)
        # By name: a module that is this process's main program has no other path to the child.
        request = ForkingPickler.dumps((job.__module__, job.__qualname__, absolute, kwargs))
        if self._process is None:
            self._start()
        try:
            word, result = ForkingPickler.loads(self._exchange(request))
        except BaseException:
            # A late answer would be taken for that of the next job.
            self.close()
            raise
        if word == "refused":
            raise result
        if word == "full":
            # Made here, because the child has another folder for temporary files than this process.
            raise disk_full()
        if word != "done":
            raise WorkerError(word, result)
        return result  # type: ignore[no-any-return]

    def kill(self) -> None:
        """End the child under the job of another thread, which then fails there."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the child and whatever it started; the next job starts another one."""
        if self._process is not None:
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
        place = {} if self._temporary is None else {"TMPDIR": str(self._temporary)}
        pipes = (theirs_in, theirs_out)
        numbers = [str(number) for number in (*pipes, os.getpid())]
        try:
            self._stderr = tempfile.TemporaryFile(dir=self._temporary)  # noqa: SIM115  lives with the child
            self._process = subprocess.Popen(
                # -P: a folder of the user's that is called like a library must not shadow it.
                [sys.executable, "-P", "-m", "bundle.builder.worker_child", *numbers],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=pipes,
                # A group of its own: an interrupt from the keyboard is the parent's to answer.
                process_group=0,
                env={**os.environ, **place, "ORT_DISABLE_TELEMETRY": "1"},
            )
        finally:
            for descriptor in pipes:
                os.close(descriptor)

    def _exchange(self, request: memoryview) -> bytes:
        """Send a request and return the reply; a child that does not give one is ended."""
        assert self._process is not None and self._requests is not None and self._replies is not None
        assert self._stderr is not None
        self._heard = os.fstat(self._stderr.fileno()).st_size
        deadline = time.monotonic() + self._timeout
        try:
            self._requests.send_bytes(request)
            while not self._replies.poll(min(_LOOK, max(0.0, deadline - time.monotonic()))):
                if self._process.poll() is not None:
                    raise EOFError
                if time.monotonic() >= deadline:
                    self._reap()
                    raise WorkerError("timed_out", f"no answer within {self._timeout:g} s")
            return self._replies.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._crash() from error

    def _crash(self) -> WorkerError:
        """Return the error that tells how the child ended."""
        assert self._process is not None and self._stderr is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LOOK)  # it closes its pipe before it has ended
        start = max(self._heard, os.fstat(self._stderr.fileno()).st_size - _TAIL)
        said = os.pread(self._stderr.fileno(), _TAIL, start).decode("utf-8", "replace")
        code = self._reap()
        detail = f"killed by {_signal_name(-code)}" if code < 0 else "the process ended without an answer"
        if says_so(said):
            return WorkerError("no_memory", f"memory ran out: {detail}")
        if code == -signal.SIGKILL:
            return WorkerError("no_memory", f"{detail}, most likely because memory ran out")
        return WorkerError("crashed", detail)

    def _reap(self) -> int:
        """End the child with its own children; return its exit code, negative for a signal."""
        assert self._process is not None and self._requests is not None and self._replies is not None
        assert self._stderr is not None
        process, self._process = self._process, None
        self._requests.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        self._replies.close()
        self._stderr.close()
        return code


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals in the middle have no name
        return f"signal {number}"
