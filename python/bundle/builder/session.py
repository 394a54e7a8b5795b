"""What a model looks like to ONNX Runtime, and what it answers: for the worker, not for the build itself."""

from __future__ import annotations

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


def open_model(path: Path, level: str = "all") -> View:
    """Load a model, instead of the one loaded before; it answers ``run`` from now on."""
    global _session  # noqa: PLW0603  the worker holds one model at a time, as a session cannot be pickled
    _session = None
    _session = bare_session(path, level=level)
    return View(_ports(_session.get_inputs()), _ports(_session.get_outputs()))


def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return the loaded model's outputs for one case, by name."""
    # Copies, because answers depend on a buffer's address modulo 16, and a fresh one always has 0.
    ready = {name: np.array(array, order="C") for name, array in feeds.items()}
    names = [port.name for port in _session.get_outputs()]
    return {name: np.asarray(value) for name, value in zip(names, _session.run(names, ready), strict=True)}


def _ports(ports: Any) -> tuple[tuple[str, str, int], ...]:
    return tuple((port.name, port.type, len(port.shape)) for port in ports)
