"""A project: everything that decides what a build makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.manifest import Target
from bundle.tolerance import Array

#: The precisions that the line itself treats apart: the model as it was given, the one that needs data,
#: and the choice among all.
SOURCE, STATIC, AUTO = "source", "int8-static", "auto"


@dataclass(frozen=True)
class Project:
    """Everything that decides what a build makes.

    Attributes:
        model: the model file.
        name: of the bundle: letters, digits, ``.``, ``_``, ``-``; at most 64.
        version: ``N.N.N``.
        license: an SPDX identifier.
        description: one line, may be empty.
        targets: at least one, in the order asked for, none twice.
        golden: an ``.npz`` file of real inputs, or None: cases are then made up.
        output: the folder that the bundles are written to.
        formats: what a variant's files may be (``onnx``, ``ort``); a target may take fewer.
        opset: the operator set to convert the model to, or None for its own.
        allow_random: accept a model that answers differently each time.
        allow_nonfinite: inputs that may hold NaN and infinities.
        labels: for an output, what its indices mean.
        metadata: free text by ASCII key.
        optimizer: what slims the model: a name of ``optimizers.OPTIMIZERS``, or ``none``.
        optimizer_options: what it is told, as text by the name of its own parameter.
        session: session defaults of the bundle, names of spec/session.json.
        seed: for golden cases that are made up.
        decisions: for an output, what it decides, where the builder guesses wrongly.
        trust_pickle: unpickle the model, which can run code.
        with_runtime: put the target's ONNX Runtime into the bundle.
        runtime_from: a folder that holds its wheel, or None: it is fetched.
    """

    model: Path
    name: str
    version: str
    license: str
    description: str
    targets: tuple[Target, ...]
    golden: Path | None
    output: Path
    formats: tuple[str, ...]
    opset: int | None
    allow_random: bool
    allow_nonfinite: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]
    metadata: dict[str, str]
    optimizer: str
    optimizer_options: dict[str, str]
    session: dict[str, Any]
    seed: int
    decisions: dict[str, str]
    precisions: tuple[str, ...]
    objective: str
    calibration: str | Iterable[Mapping[str, Array]] | None
    resize: tuple[int, int] | None
    normalize: str | None
    replay: Path | None
    runner: str
    driver: Path | None
    archive: bool
    html: bool
    trust_pickle: bool
    with_runtime: bool = False
    runtime_from: Path | None = None
