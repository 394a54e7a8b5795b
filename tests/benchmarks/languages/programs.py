"""The programs of this folder, started once and asked in turn."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundle.library import shared_library

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BUILT = ROOT / "build" / "cpp"
BASELINE = "C API"
_PYTHON = [sys.executable, str(HERE / "in_python.py")]

#: What is timed, by name; "Rust from Python" is the Rust predictor through its binding.
PROGRAMS: dict[str, list[str]] = {
    BASELINE: [str(BUILT / "bench-raw")],
    "C++": [str(BUILT / "bench-cpp")],
    "Rust": [str(ROOT / "target" / "release" / "examples" / "bench-rust")],
    "Go": [str(ROOT / "build" / "go" / "bench-go")],
    "onnxruntime": [*_PYTHON, "onnxruntime"],
    "Python": [*_PYTHON, "python"],
    "C++ from Python": [*_PYTHON, "cpp"],
    "Rust from Python": [*_PYTHON, "rust"],
    "Go from Python": [*_PYTHON, "go"],
}
#: Ways in that have no `predict_batch`.
WITHOUT_PIECES = {BASELINE, "onnxruntime"}


@dataclass(frozen=True)
class Work:
    """A bundle, and what is asked of it; the shapes are those for one row."""

    bundle: Path
    model: str
    input: str
    input_shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...]
    rows: int
    piece: int

    def arguments(self) -> list[str]:
        def spelled(shape: tuple[int, ...]) -> str:
            return "x".join(map(str, shape))

        shapes = spelled(self.input_shape), spelled(self.output_shape)
        return [
            str(self.bundle),
            self.model,
            self.input,
            shapes[0],
            self.output,
            shapes[1],
            str(self.rows),
            str(self.piece),
        ]


class Program:
    """One process that waits for questions; while others are timed it does nothing."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def nanoseconds(self, kind: str, count: int) -> float:
        """Return the time of one of ``count`` calls."""
        return int(self._ask(f"{kind} {count}")) / count

    def answer(self) -> str:
        """Return the bytes of the output for the inputs that all programs make, in hex."""
        return self._ask("answer 1").strip()

    def _ask(self, question: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        reply = self._process.stdout.readline()
        assert reply, f"{self._process.args!r} ended instead of a reply to `{question}`"
        return reply


@contextmanager
def started(work: Work) -> Iterator[dict[str, Program]]:
    """Start every program over the same bundle, and end them."""
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "ORT_DYLIB_PATH": str(shared_library())}
    with ExitStack() as stack:
        programs = {}
        for name, command in PROGRAMS.items():
            process = stack.enter_context(
                subprocess.Popen(
                    [*command, *work.arguments()],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=environment,
                )
            )
            programs[name] = Program(process)
        yield programs
