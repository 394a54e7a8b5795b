"""Graphs of a way whose nodes are visible: as the file was written, and as ONNX Runtime optimized it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto

from bundle.bisect.graph import Graph
from bundle.bisect.ways import Way
from bundle.builder.external import onnx_model
from bundle.error import BundleError
from bundle.library import load
from bundle.session import bare_options, sentence

#: At which no node is fused with another: what a graph shows is what runs.
AS_IT_STANDS = "disabled"

WRITTEN, OPTIMIZED = "written", "optimized"
#: The highest level whose graphs are no matter of one CPU.
_PORTABLE = "extended"
_RISING = ("disabled", "basic", "extended", "all")


@dataclass(frozen=True)
class View:
    """Both ways' graphs, which run as they stand.

    Attributes:
        kind: ``written`` or ``optimized``.
        a: the graph of the first way.
        b: the graph of the second way; the same object where both run one.
    """

    kind: str
    a: Graph
    b: Graph

    @property
    def same(self) -> bool:
        """Whether both ways run one graph."""
        return self.a is self.b


def written(a: Way, b: Way, folder: Path) -> View:
    """Return the graphs of the files; an .ort file holds one that was optimized before.

    Raises:
        BundleError: ``model_unreadable``, ``model_rejected``, those of external data.
    """
    first = Graph(_read(a.model, folder))
    same = a.model.resolve() == b.model.resolve()
    return View(WRITTEN, first, first if same else Graph(_read(b.model, folder)))


def optimized(a: Way, b: Way, folder: Path) -> View:
    """Return the graphs that ONNX Runtime makes of the files on this machine, at the ways' levels.

    A program's graph stays portable: bundles refuse what is made for one CPU.

    Raises:
        BundleError: ``model_rejected``.
    """
    levels = [_level(way) for way in (a, b)]
    first = Graph(_optimize(a.model, levels[0], folder))
    same = a.model.resolve() == b.model.resolve() and levels[0] == levels[1]
    return View(OPTIMIZED, first, first if same else Graph(_optimize(b.model, levels[1], folder)))


def _level(way: Way) -> str:
    if way.language is None:
        return way.level
    return min(way.level, _PORTABLE, key=_RISING.index)


def _read(path: Path, folder: Path) -> ModelProto:
    if path.suffix.lower() == ".ort":
        return _optimize(path, AS_IT_STANDS, folder)
    onnx_model(path)  # refuses weights outside of the model's folder
    return onnx.load(path)


def _optimize(path: Path, level: str, folder: Path) -> ModelProto:
    """Let ONNX Runtime write the graph that it would run."""
    target = folder / f"{path.stem}.{level}.onnx"
    options = bare_options(level)
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.load_model_format", path.suffix[1:].upper())
    options.add_session_config_entry("session.save_model_format", "ONNX")
    try:
        load(allow_telemetry=True).InferenceSession(
            str(path),
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,
            read_config_from_model=0,
        )
        model = onnx.load(target)
    except Exception as error:  # one class per status code, all of them in a private module
        expected = "a file that ONNX Runtime opens and writes again"
        raise BundleError("model_rejected", path.name, expected, sentence(error)) from error
    target.unlink()
    return model
