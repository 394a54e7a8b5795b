"""The four readers: Python's in this process, the others in programs that are asked many things at once."""

import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bundle.error import BundleError
from bundle.manifest import Manifest
from bundle.parity import programs
from bundle.protocol import Driver
from tests.fuzz import verdict
from tests.fuzz.verdict import Verdict

NATIVE = ("rust", "go", "cpp")
HANDLE = "h"
#: Seconds that one reply may take; nothing here takes longer on a loaded machine.
PATIENCE = 60.0

Request = dict[str, Any]
#: Bytes to be parsed, or the path of a folder to be opened with options.
Question = bytes | tuple[str, dict[str, Any]]


def requests_of(question: Question) -> list[Request]:
    """The requests that a question is."""
    if isinstance(question, bytes):
        return [{"op": "parse", "manifest": question.hex()}]
    path, options = question
    opening = {"op": "open", "bundle": path, "handle": HANDLE, "options": options}
    return [opening, {"op": "self_test", "handle": HANDLE}, {"op": "close", "handle": HANDLE}]


def verdict_of(replies: Sequence[dict[str, Any]]) -> Verdict:
    """The verdict of the replies to one question."""
    return verdict.of_parse(replies[0]) if len(replies) == 1 else verdict.of_folder(replies[0], replies[1])


class Python:
    """The reader in this process."""

    def __init__(self) -> None:
        self._driver = Driver()

    def ask(self, question: Question) -> Verdict:
        """Answer one question; an error that no reader may have is a crash."""
        try:
            if isinstance(question, bytes):
                Manifest.parse(question)
                return (verdict.ACCEPTED,)
            return verdict_of([self._answer(request) for request in requests_of(question)])
        except BundleError as error:
            return error.code, error.subject
        except Exception as error:  # a crash is what is looked for
            return verdict.CRASHED, repr(error)

    def _answer(self, request: Request) -> dict[str, Any]:
        # Through text, as the others get it.
        reply: dict[str, Any] = json.loads(json.dumps(self._driver.answer(json.dumps(request).encode())))
        return reply


class Program:
    """The program of another language, started again after a crash."""

    def __init__(self, language: str) -> None:
        self._command = [programs.find(language, {})]
        self._environment = programs.environment()
        self._process: subprocess.Popen[bytes] | None = None
        self._questions: list[list[bytes]] = []
        self._buffer = b""
        self._writer: threading.Thread | None = None

    def send(self, questions: Sequence[list[Request]]) -> None:
        """Hand over questions without waiting for replies."""
        self._questions = [
            [json.dumps(request).encode() + b"\n" for request in requests] for requests in questions
        ]
        self._hand_over(0)

    def receive(self) -> list[Verdict]:
        """Return one verdict per question that was sent."""
        verdicts: list[Verdict] = []
        while len(verdicts) < len(self._questions):
            count = len(self._questions[len(verdicts)])
            try:
                verdicts.append(verdict_of([self._reply() for _ in range(count)]))
            except (EOFError, TimeoutError, ValueError, KeyError, TypeError) as error:
                verdicts.append((verdict.CRASHED, f"{error!r}, exit code {self.close()}"))
                self._hand_over(len(verdicts))
        return verdicts

    def close(self) -> int | None:
        """End the process; return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin and process.stdout and self._writer
        try:
            # Where a reply is missing it may have ended by itself, and then how is worth knowing.
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
        code = process.wait()
        self._writer.join()
        with suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        return code

    def _hand_over(self, first: int) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
            self._buffer = b""
        lines = b"".join(line for question in self._questions[first:] for line in question)
        # In a thread, because a program whose replies nobody reads stops reading too.
        self._writer = threading.Thread(target=_write, args=(self._process, lines), daemon=True)
        self._writer.start()

    def _reply(self) -> dict[str, Any]:
        reply = json.loads(self._line())
        if not isinstance(reply, dict) or not isinstance(reply.get("ok"), bool):
            raise ValueError(f"no reply: {str(reply)[:200]}")
        return reply

    def _line(self) -> bytes:
        assert self._process and self._process.stdout
        file, end = self._process.stdout.fileno(), time.monotonic() + PATIENCE
        while b"\n" not in self._buffer:
            if not select.select([file], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("no reply")
            piece = os.read(file, 1 << 20)
            if not piece:
                raise EOFError("the end of the program")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def _write(process: subprocess.Popen[bytes], lines: bytes) -> None:
    assert process.stdin
    try:
        process.stdin.write(lines)
        process.stdin.flush()
    except (OSError, ValueError):
        return  # it ended, which its reader notices
