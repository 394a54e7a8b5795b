"""The files of a finding: the smallest models, the inputs that show it, the finding itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onnx import ModelProto

from bundle.bisect.execute import Tensors
from bundle.bisect.finding import Finding
from bundle.bisect.ways import Way
from bundle.builder.graph import save_graph
from bundle.cli import tensor_file
from bundle.error import BundleError

_INPUTS, _FINDING = "inputs.npz", "finding.json"
#: Of a way's options, those that the files written have no use for.
_SPENT = frozenset(
    {"variant", "format", "mapped", "graph_optimization_level", "library", "allow_foreign_target"}
)
_PROGRAM = ("python", "-m", "bundle", "bisect")


@dataclass(frozen=True)
class Shown:
    """What shows a difference: one model or two, their inputs, and the levels that the ways run them at."""

    a: ModelProto
    b: ModelProto
    inputs: Tensors
    levels: tuple[str, str]


def refuse_taken(folder: Path, force: bool) -> None:
    """Refuse a folder with something in it before the work begins.

    Errors: ``output_file_unwritable``.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() and not (force and folder.is_dir()):
        hint = "add --force to write into it, or name another one with --output" if folder.is_dir() else ""
        found = "one with files in it" if folder.is_dir() else "a file"
        raise BundleError("output_file_unwritable", str(folder), "a new folder", found, hint)


def write(
    finding: Finding, shown: Shown, ways: tuple[Way, Way], folder: Path, flags: Mapping[str, list[str]]
) -> Finding:
    """Write all files, and return the finding with their paths and the command that shows it again.

    Args:
        finding: what was found.
        shown: the models and inputs.
        ways: both ways.
        folder: where the files go.
        flags: further flags of the command, as how programs are reached.

    Errors: ``output_file_unwritable``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = _models(shown, folder)
        inputs = folder / _INPUTS
        tensor_file.write(str(inputs), {f"inputs/{name}": each for name, each in shown.inputs.items()}, False)
        command = _command(files, inputs, shown.levels, ways, {**flags, "--tolerance": [finding.tolerance]})
        told = replace(finding, files={**files, "inputs": str(inputs)}, reproduce=shlex.join(command))
        (folder / _FINDING).write_text(json.dumps(told.tree(), indent=2) + "\n", "utf-8")
    except OSError as error:
        found = error.strerror or str(error)
        raise BundleError("output_file_unwritable", str(folder), "a folder to write to", found) from error
    return told


def _models(shown: Shown, folder: Path) -> dict[str, str]:
    named = {"model": shown.a} if shown.a is shown.b else {"a": shown.a, "b": shown.b}
    files = {role: folder / f"{role}.onnx" for role in named}
    for role, path in files.items():
        save_graph(named[role], path)
    return {role: str(path) for role, path in files.items()}


def _command(
    files: Mapping[str, str],
    inputs: Path,
    levels: tuple[str, str],
    ways: tuple[Way, Way],
    flags: Mapping[str, list[str]],
) -> list[str]:
    paths = [files.get(role) or files["model"] for role in ("a", "b")]
    # A program opens the bundle, which is then the file of its side.
    subject = paths[1] if ways[0].language is None and ways[1].language is not None else paths[0]
    command = [*_PROGRAM, subject, "--inputs", str(inputs)]
    told: list[dict[str, Any]] = []
    for name, way, path, level in zip(("--a", "--b"), ways, paths, levels, strict=True):
        command += [name, way.language or path]
        options = {key: value for key, value in way.options.items() if key not in _SPENT}
        told.append({**options, "graph_optimization_level": level})
    if told[0] == told[1]:
        command += _options("--option", told[0])
    else:
        command += [*_options("--a-option", told[0]), *_options("--b-option", told[1])]
    for flag, values in flags.items():
        command += [word for value in values for word in (flag, value)]
    return command


def _options(flag: str, options: Mapping[str, Any]) -> list[str]:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in options.items()}
    return [word for name, text in texts.items() for word in (flag, f"{name}={text}")]
