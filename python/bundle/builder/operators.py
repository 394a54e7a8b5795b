"""The operators and types that models need, in the form that a reduced build of ONNX Runtime takes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bundle.builder.model import Model, StageSkipped
from bundle.builder.worker import Worker, WorkerError


def required_operators(models: Sequence[Model], worker: Worker) -> str:
    """Return the text of ``required_operators_and_types.config`` for ``.ort`` files, in one fixed order.

    Raises:
        StageSkipped: ``tool_failed``.
    """
    try:
        return worker.call(list_operators, [model.path for model in models])
    except WorkerError as error:
        raise StageSkipped("tool_failed", f"the operators cannot be listed: {error.detail}") from error


def list_operators(paths: list[Path]) -> str:
    """List them in this process, which is the worker."""
    from onnxruntime.tools.ort_format_model import create_config_from_models

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "operators.config"
        create_config_from_models(paths, target, enable_type_reduction=True)
        lines = target.read_text("utf-8").splitlines()
    # The comments hold absolute paths of this machine.
    return "".join(f"{line}\n" for line in lines if not line.startswith("#"))
