"""The signature of a model file, as ONNX Runtime itself reports it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.build.model import Model, Port, Signature
from bundle.dtype import BY_ORT
from bundle.error import BundleError

if TYPE_CHECKING:
    import onnxruntime as ort

_SILENT = 4


def read_signature(model: Model) -> Signature:
    """Return inputs and outputs of an ``.onnx`` or ``.ort`` file in the model's order.

    Errors: ``model_rejected``; ``dtype_unsupported`` or ``tensor_unsupported`` for what is no tensor
    of a bundle.
    """
    session = open_session(model)
    return Signature(_ports(session.get_inputs()), _ports(session.get_outputs()))


def open_session(model: Model) -> ort.InferenceSession:
    """Open a model for one thread, without an arena, spinning or log lines.

    Errors: ``model_rejected``, with what ONNX Runtime said.
    """
    return _open(model.path, model.path.name, model.format)


def open_bytes(data: bytes) -> ort.InferenceSession:
    """Open an ONNX model that is one message, with the options and errors of ``open_session``."""
    return _open(data, "the model", "onnx")


def _open(source: Path | bytes, name: str, form: str) -> ort.InferenceSession:
    # The library reads this when it loads; afterwards it would be too late.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _SILENT
    for key in ("session.intra_op.allow_spinning", "session.inter_op.allow_spinning"):
        options.add_session_config_entry(key, "0")
    options.add_session_config_entry("session.load_model_format", form.upper())
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # one class per status code, all of them in a private module
        # What ONNX Runtime says names the folder, which means nothing to the user.
        text = str(error).replace(f"{source.parent}/", "") if isinstance(source, Path) else str(error)
        reason = " ".join(text.split())[:300]
        raise BundleError("model_rejected", name, "a model that ONNX Runtime opens", reason) from error


def _ports(nodes: Iterable[Any]) -> tuple[Port, ...]:
    return tuple(Port(node.name, _word(node.name, node.type), tuple(node.shape)) for node in nodes)


def _word(name: str, kind: str) -> str:
    """Return the word for a type string of ONNX Runtime."""
    if kind in BY_ORT:
        return BY_ORT[kind].word
    if kind.startswith("tensor("):
        raise BundleError("dtype_unsupported", name, "an element type of a bundle", kind)
    raise BundleError("tensor_unsupported", name, "a tensor", kind)
