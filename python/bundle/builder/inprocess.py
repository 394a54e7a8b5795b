"""Building from Python: `bundle.build(model, target=...)`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from bundle.builder import BuildResult, Progress, config
from bundle.builder import build as build_project
from bundle.builder.graph import save_graph
from bundle.builder.workfolder import work_folder
from bundle.error import BundleError
from bundle.tolerance import Array

if TYPE_CHECKING:
    from onnx import ModelProto

#: What a parameter of `build` is called in bundle.toml, where it is called otherwise: section and key.
_KEYS = {
    "name": ("model", "name"),
    "version": ("model", "version"),
    "license": ("model", "license"),
    "description": ("model", "description"),
    "precision": ("build", "precisions"),
    "replay": ("build", "decisions"),
}
#: Parameters that are a whole section of bundle.toml.
_SECTIONS = ("decisions", "labels", "metadata", "session")


class Options(TypedDict, total=False):
    """What may be said of a build besides the model and its data; `bundle build --help` tells of each.

    ``decisions``, ``labels``, ``metadata`` and ``session`` are the sections of bundle.toml of that name:
    what an output decides, what its indices mean, free text, session defaults. ``replay`` is the
    ``decisions.json`` of an earlier build.
    """

    name: str
    version: str
    license: str
    description: str
    output: str | os.PathLike[str]
    precision: str | Sequence[str]
    objective: str
    formats: Sequence[str]
    optimizer: str
    optimizer_options: Mapping[str, str]
    opset: int
    resize: tuple[int, int]
    normalize: str
    seed: int
    replay: str | os.PathLike[str]
    runner: str
    driver: str | os.PathLike[str]
    allow_nonfinite: Sequence[str]
    allow_random: bool
    trust_pickle: bool
    with_runtime: bool
    runtime_from: str | os.PathLike[str]
    archive: bool
    html: bool
    decisions: Mapping[str, str]
    labels: Mapping[str, Sequence[str]]
    metadata: Mapping[str, str]
    session: Mapping[str, Any]


def build(
    model: str | os.PathLike[str] | ModelProto,
    *,
    target: str,
    golden: str | os.PathLike[str] | Mapping[str, Array] | None = None,
    calibration: str | os.PathLike[str] | Iterable[Mapping[str, Array]] | None = None,
    progress: Progress | None = None,
    **options: Unpack[Options],
) -> BuildResult:
    """Build the bundle of a model for one target; an older bundle of that name is replaced.

    Args:
        model: a file that the builder reads, or an ONNX model in memory, which needs the option ``name``.
        target: ``arm64``, ``x86_64`` or ``any``, with a CPU class where it matters: ``arm64:dotprod``.
        golden: real inputs: an ``.npz`` file, or its arrays by name: ``inputs/NAME``, ``outputs/NAME`` and
            ``labels``, the first axis of each counting the cases. Without it inputs are made up.
        calibration: representative inputs for ``int8-static``: what ``--calibration`` takes, or the inputs
            of one case after the other, each a dict of arrays by input name.
        progress: told what is being done, in a word or two.
        options: the flags of ``python -m bundle build`` by their names.

    Returns:
        where the bundle is, its digest, and what was measured. A precision that was asked for and failed
        its gate is among ``report["skipped_precisions"]``.

    Raises:
        BundleError: ``config_invalid`` with the place in bundle.toml that would say the same, and codes of
            stage ``build``; nothing was replaced then, unless the disk failed.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder())
        tree = _tree(dict(options))
        build_section = tree.setdefault("build", {})
        build_section["targets"] = [target]
        tree.setdefault("model", {})["path"] = _model_path(model, options.get("name"), folder)
        if golden is not None:
            build_section["golden"] = _golden_path(golden, folder)
        cases = None
        if isinstance(calibration, str | os.PathLike):
            build_section["calibration"] = os.fspath(calibration)
        else:
            cases = calibration
        config.check_tree(tree)
        project = config.make_project(tree)
        if cases is not None:
            project = replace(project, calibration=cases)
        return build_project(project, progress=progress)[0]


def _tree(options: dict[str, Any]) -> config.Tree:
    """Return the options as bundle.toml would say them."""
    tree: config.Tree = {name: dict(options.pop(name)) for name in _SECTIONS if name in options}
    for name, value in options.items():
        section, key = _KEYS.get(name, ("build", name))
        tree.setdefault(section, {})[key] = _plain(value, [value] if name == "precision" else None)
    if "labels" in tree:
        tree["labels"] = {name: list(texts) for name, texts in tree["labels"].items()}
    return tree


def _plain(value: Any, of_text: Any = None) -> Any:
    """Return a value as TOML has it: paths as text, sequences as lists, one word as a list where one goes."""
    if isinstance(value, str):
        return value if of_text is None else of_text
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) else value


def _model_path(model: str | os.PathLike[str] | ModelProto, name: str | None, folder: Path) -> str:
    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    if name is None:
        raise BundleError("config_invalid", "/model/name", "a name for a model in memory", "none")
    path = folder / "model.onnx"
    save_graph(model, path)
    return str(path)


def _golden_path(golden: str | os.PathLike[str] | Mapping[str, Array], folder: Path) -> str:
    if isinstance(golden, str | os.PathLike):
        return os.fspath(golden)
    path = folder / "golden.npz"
    arrays: dict[str, Any] = {name: np.asarray(array) for name, array in golden.items()}
    np.savez(path, **arrays)
    return str(path)
