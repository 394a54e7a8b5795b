"""Who may call a predictor, and who is still inside."""

from __future__ import annotations

import os
import threading
from collections import deque

from bundle.error import BundleError


class _Process:
    """The process that runs this, which `os.getpid` would ask the kernel for at every call."""

    id = os.getpid()

    @classmethod
    def forked(cls) -> None:
        cls.id = os.getpid()


os.register_at_fork(after_in_child=_Process.forked)


class Gate:
    """Counts the calls in flight, so that closing can wait for them."""

    __slots__ = ("_idle", "_pid", "closed", "flight")

    def __init__(self) -> None:
        self.closed = False
        #: One entry per call in flight. Adding and taking away are atomic, at a third of a lock's cost.
        self.flight: deque[None] = deque()
        self._idle = threading.Condition()
        self._pid = _Process.id

    def enter(self) -> None:
        """Begin a call (C1)."""
        if _Process.id != self._pid and not self.closed:
            raise BundleError("process_forked", ".", "the process that opened it", "a forked one")
        self.flight.append(None)
        # Only now: a call that is seen neither here nor by `close` would run on a model that is gone.
        if self.closed:
            self.leave()
            raise BundleError("predictor_closed", ".", "an open predictor", "a closed one")

    def leave(self) -> None:
        """End a call."""
        self.flight.pop()
        if self.closed and _Process.id == self._pid:
            with self._idle:
                self._idle.notify_all()

    def close(self) -> bool:
        """Let no further call in, wait for those in flight, and tell whether this process owns the model."""
        self.closed = True
        if _Process.id != self._pid:
            # The calls in flight belong to threads that this process does not have.
            return False
        with self._idle:
            while self.flight:
                self._idle.wait()
        return True
