"""The signature of a model file, as ONNX Runtime itself reports it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.builder.memory import exhausted, ran_out
from bundle.builder.model import Model, Port, Signature
from bundle.builder.session import opened
from bundle.dtype import BY_ORT
from bundle.error import BundleError
from bundle.session import bare_session, sentence

if TYPE_CHECKING:
    import onnxruntime as ort


def read_signature(model: Model) -> Signature:
    """Return inputs and outputs of an ``.onnx`` or ``.ort`` file in the model's order.

    Errors: ``model_rejected``; ``dtype_unsupported`` or ``tensor_unsupported`` for what is no tensor
    of a bundle.
    """
    session = open_session(model)
    return Signature(_ports(session.get_inputs()), _ports(session.get_outputs()))


def open_session(model: Model, fresh: bool = False) -> ort.InferenceSession:
    """Open a model with the defaults of spec/session.json, or return the session that is open already.

    ``fresh`` asks for one that has answered nothing yet.

    Errors: ``model_rejected``, with what ONNX Runtime said; ``memory_exhausted``.
    """
    try:
        session: ort.InferenceSession = bare_session(model.path) if fresh else opened(model.path)
    except BundleError:
        raise
    except Exception as error:  # one class per status code, all of them in a private module
        if ran_out(error):
            raise exhausted(
                model.path.name, f"memory ran out while it was opened: {sentence(error)}"
            ) from error
        # What ONNX Runtime says names the folder, which means nothing to the user.
        reason = " ".join(str(error).replace(f"{model.path.parent}/", "").split())[:300]
        expected = "a model that ONNX Runtime opens"
        raise BundleError("model_rejected", model.path.name, expected, reason) from error
    return session


def open_bytes(data: bytes) -> ort.InferenceSession:
    """Open an ONNX model that is one message, as ``open_session`` does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(data)
        return open_session(Model(path, "onnx"))


def _ports(nodes: Iterable[Any]) -> tuple[Port, ...]:
    return tuple(Port(node.name, _word(node.name, node.type), tuple(node.shape)) for node in nodes)


def _word(name: str, kind: str) -> str:
    """Return the word for a type string of ONNX Runtime."""
    if kind in BY_ORT:
        return BY_ORT[kind].word
    if kind.startswith("tensor("):
        raise BundleError("dtype_unsupported", name, "an element type of a bundle", kind)
    raise BundleError("tensor_unsupported", name, "a tensor", kind)
