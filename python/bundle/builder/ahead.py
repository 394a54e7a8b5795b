"""Work ahead: run one long job in a worker of its own while the build asks other things."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bundle.builder.model import Model
from bundle.builder.worker import Worker

T = TypeVar("T")

#: Bytes of a model from which a second process is worth its start.
_LEAST = 1 << 24
#: Bytes up to which two processes may hold the model at once: a larger one needs the memory for itself.
_MOST = 1 << 28
#: Seconds between two looks at whether a job has ended.
_LOOK = 0.1


class Ahead:
    """A second worker, for a job whose result is wanted later; a context manager, which ends both."""

    def __init__(self, temporary: Path) -> None:
        self.worker = Worker(temporary=temporary)
        self._threads = ThreadPoolExecutor(max_workers=1)
        self._jobs: list[Future[Any]] = []

    def start(self, job: Callable[[], T]) -> Callable[[], T]:
        """Begin a job that uses ``self.worker`` alone; return what waits for its result, or its error."""
        future = self._threads.submit(job)
        self._jobs.append(future)
        return future.result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A job that nobody waits for any more ends with its worker. Again and again, as it may not have
        # started one yet.
        while wait(self._jobs, timeout=_LOOK).not_done:
            self.worker.kill()
        self._threads.shutdown()
        self.worker.close()


def worth_it(model: Model) -> bool:
    """Tell whether a model is large enough to gain, and small enough to be held twice."""
    return _LEAST <= model.size <= _MOST
