"""The client of a `bundle-predict` program: JSON lines over its standard streams."""

import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any


class Crash(Exception):
    """The program ended, or did not answer in time, or broke the protocol."""


class Driver:
    """One long-lived `bundle-predict` process; started again by the request after a crash.

    Args:
        command: the program and its arguments.
        timeout: seconds that one request may take, the start of the process included.
    """

    def __init__(self, command: Sequence[str], timeout: float = 30.0) -> None:
        self.command = list(command)
        self.timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._count = 0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request, without `id`, and return the reply.

        Raises:
            Crash: there is no reply, or it is not one to this request.
        """
        process = self._started()
        self._count += 1
        self._send(process, json.dumps(request | {"id": self._count}).encode() + b"\n")
        reply = self._receive(process)
        if reply.get("id") != self._count or not isinstance(reply.get("ok"), bool):
            self.close()
            raise Crash(f"this is no reply to request {self._count}: {reply}")
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

    def __enter__(self) -> "Driver":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
            raise Crash(f"the program took no request: exit code {self.close()}") from error

    def _receive(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=self.timeout)
        except queue.Empty:
            process.kill()
            self.close()
            raise Crash(f"no reply within {self.timeout} seconds") from None
        if not line:
            raise Crash(f"the program ended: exit code {self.close()}")
        try:
            reply = json.loads(line, parse_constant=_refuse)
        except ValueError as error:
            self.close()
            raise Crash(f"the reply is no JSON: {line[:200]!r}") from error
        if not isinstance(reply, dict):
            self.close()
            raise Crash(f"the reply is no object: {line[:200]!r}")
        return reply


def _read(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Hand on every line, and an empty one at the end."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
