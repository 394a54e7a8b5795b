"""The client of a `bundle-predict` program: JSON lines over its standard streams (spec/DRIVER.md)."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, NoReturn

from bundle.error import BundleError

Request = Mapping[str, Any]
Reply = dict[str, Any]


class Client:
    """One long-lived `bundle-predict` process; started by the first request, and again after a crash.

    Not safe for concurrent use; a context manager, which ends the process.

    Args:
        name: what errors call the program: its language.
        command: the program and its arguments.
        timeout: seconds that one request may take, the start of the process included.
        environment: the whole environment of the process; None for this process's own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        timeout: float = 30.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.timeout = timeout
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._count = 0

    def ask(self, request: Request) -> Reply:
        """Send one request, without `id`, and return the reply.

        Raises:
            BundleError: ``runtime_crashed``: there is no reply, or it is not one to this request.
        """
        process = self._started()
        self._count += 1
        self._send(process, json.dumps({**request, "id": self._count}).encode() + b"\n")
        reply = self._receive(process)
        if reply.get("id") != self._count or not isinstance(reply.get("ok"), bool):
            self.close()
            self._crashed(f"a reply to another request than {self._count}: {str(reply)[:200]}")
        return reply

    def close(self) -> int | None:
        """End the process by ending its input; return its exit code, None where none ran."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return None
        try:
            process.stdin.close()
            return process.wait(self.timeout)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            return process.wait()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment
                )
            except OSError as error:
                self._crashed(f"`{self.command[0]}` did not start: {error.strerror}", error)
            self._lines = queue.Queue()
            reader = threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True)
            reader.start()
        return self._process

    def _send(self, process: subprocess.Popen[bytes], line: bytes) -> None:
        try:
            assert process.stdin is not None
            process.stdin.write(line)
            process.stdin.flush()
        except OSError as error:
            self._crashed(f"it took no request: exit code {self.close()}", error)

    def _receive(self, process: subprocess.Popen[bytes]) -> Reply:
        try:
            line = self._lines.get(timeout=self.timeout)
        except queue.Empty:
            process.kill()
            self.close()
            self._crashed(f"none within {self.timeout:g} seconds")
        if not line:
            self._crashed(f"the end of the program: exit code {self.close()}")
        try:
            reply = json.loads(line, parse_constant=_refuse)
        except ValueError as error:
            self.close()
            self._crashed(f"no JSON: {line[:200]!r}", error)
        if not isinstance(reply, dict):
            self.close()
            self._crashed(f"no object: {line[:200]!r}")
        return reply

    def _crashed(self, found: str, cause: Exception | None = None) -> NoReturn:
        raise BundleError("runtime_crashed", self.name, "a reply to every request", found) from cause


def _read(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Hand on every line, and an empty one at the end."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
