"""Optimizers that fail, each in its own way: for the worker to run, so imports are few."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def drops_an_output(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Lose the last output, and the node that makes it."""
    model = onnx.load(source)
    del model.graph.output[-1]
    del model.graph.node[-1]
    onnx.save(model, target)


def grows_the_file(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Add weights that nobody needs."""
    model = onnx.load(source)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(100_000, np.float32), "ballast"))
    onnx.save(model, target)


def changes_answers(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Double every weight."""
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(tensor), tensor.name))
    model.graph.node.append(helper.make_node("Identity", [model.graph.input[0].name], ["unused"]))
    onnx.save(model, target)


def writes_what_the_runtime_refuses(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Rename an operator to one that there is not."""
    model = onnx.load(source)
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, target)


def writes_half_a_file(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """End in the middle of the file."""
    data = source.read_bytes()
    target.write_bytes(data[: len(data) // 2])


def crashes(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Take the process along."""
    os.kill(os.getpid(), signal.SIGSEGV)


def ends_the_process(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Call exit, as command-line tools do."""
    raise SystemExit(0)


def raises(source: Path, target: Path, options: Mapping[str, Any]) -> None:
    """Fail with several lines, the first of which tells."""
    raise ValueError(f"cannot read {source}\nand more")
