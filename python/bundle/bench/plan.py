"""What is asked of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bundle.session import Providers

#: What stands for ONNX Runtime itself where a function could be named.
PLAIN = "onnxruntime"

Inputs = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Plan:
    """What is asked of a benchmark.

    Attributes:
        path: the bundle's folder.
        options: of `bundle.open`, beside the runtime and the threads.
        runtimes: the languages that must be there; None for every one that is.
        against: ``onnxruntime``, or ``module:function``.
        threads: of one call; None for the bundle's own.
        batches: rows of one call; None for the inputs as they are.
        warmup: calls that are not counted, of each subject.
        runs: calls that are counted, of each subject.
        input: a file of inputs; None for the golden cases.
        profile: whether ONNX Runtime's profile is taken as well.
    """

    path: str
    options: Mapping[str, Any]
    runtimes: tuple[str, ...] | None
    against: str
    threads: tuple[int | None, ...]
    batches: tuple[int | None, ...]
    warmup: int
    runs: int
    input: str | None
    profile: bool


@dataclass(frozen=True)
class SessionPlan:
    """A session of ONNX Runtime as a predictor has it.

    Attributes:
        path: of the model file.
        model: the same inside the bundle.
        settings: every option of spec/session.json.
        config: further configuration entries.
        wanted: execution providers with their options.
    """

    path: Path
    model: str
    settings: dict[str, Any]
    config: Mapping[str, str]
    wanted: Providers


@dataclass(frozen=True)
class Job:
    """One way of calling a model, told to a process of its own.

    Attributes:
        path: the bundle's folder.
        options: of `bundle.open`, with the threads.
        who: a language, ``onnxruntime`` or ``module:function``.
        session: that ``onnxruntime`` is.
        inputs: of the call.
    """

    path: str
    options: Mapping[str, Any]
    who: str
    session: SessionPlan
    inputs: Inputs
