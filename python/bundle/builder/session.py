"""What a model looks like to ONNX Runtime, and what it answers: for the worker, not for the build itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bundle.session import bare_session
from bundle.tolerance import Array


@dataclass(frozen=True)
class View:
    """The inputs and outputs as a session lists them: (name, type as ONNX Runtime writes it, rank)."""

    inputs: tuple[tuple[str, str, int], ...]
    outputs: tuple[tuple[str, str, int], ...]


_session: Any = None
_key: tuple[Any, ...] | None = None


def open_model(path: Path, level: str = "all") -> View:
    """Load a model, instead of the one loaded before; it answers ``run`` from now on."""
    session = opened(path, level)
    return View(_ports(session.get_inputs()), _ports(session.get_outputs()))


def opened(path: Path, level: str = "all") -> Any:
    """Return a session of a model file; the one that is loaded where it is of this file as it is now.

    One stage after the other asks about the same file, and loading takes longer than most questions.
    """
    global _session, _key  # noqa: PLW0603  the worker holds one model at a time; a session cannot be pickled
    state = path.stat()
    key = (path, level, state.st_ino, state.st_mtime_ns, state.st_size)
    if key != _key:
        _session, _key = None, None
        _session = bare_session(path, level=level)
        _key = key
    return _session


_timed: dict[Path, Any] = {}


def time_runs(path: Path, feeds: Mapping[str, Array], runs: int) -> float:
    """Return the seconds that a number of calls take; the files that are timed stay open side by side."""
    if path not in _timed:
        _timed[path] = bare_session(path)
    session = _timed[path]
    ready = {name: np.array(array, order="C") for name, array in feeds.items()}
    names = [port.name for port in session.get_outputs()]
    begun = time.perf_counter()
    for _ in range(runs):
        session.run(names, ready)
    return time.perf_counter() - begun


def end_timing() -> None:
    """Close the files that were timed."""
    _timed.clear()


def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return the loaded model's outputs for one case, by name."""
    # Copies, because answers depend on a buffer's address modulo 16, and a fresh one always has 0.
    ready = {name: np.array(array, order="C") for name, array in feeds.items()}
    names = [port.name for port in _session.get_outputs()]
    return {name: np.asarray(value) for name, value in zip(names, _session.run(names, ready), strict=True)}


def _ports(ports: Any) -> tuple[tuple[str, str, int], ...]:
    return tuple((port.name, port.type, len(port.shape)) for port in ports)
