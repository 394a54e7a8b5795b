"""Compare what a model asks for and gives with what the manifest promises: check P6 of the format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bundle.dtype import BY_ORT
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.manifest import Input, Manifest, Output


def check_signature(session: Any, manifest: Manifest) -> None:
    """Compare a session's inputs, then its outputs, with the manifest's.

    Raises:
        BundleError: ``model_mismatch`` about the first tensor that differs.
    """
    _compare(manifest.inputs, session.get_inputs(), "inputs")
    _compare(manifest.outputs, session.get_outputs(), "outputs")


def _compare(promised: Sequence[Input | Output], ports: Sequence[Any], kind: str) -> None:
    for port, entry in zip(ports, promised, strict=False):
        fault = _fault(port, entry, kind)
        if fault:
            raise BundleError("model_mismatch", entry.name, f"the manifest's {describe(entry)}", fault)
    if len(ports) != len(promised):
        more = ports if len(ports) > len(promised) else promised
        name = more[min(len(ports), len(promised))].name
        raise BundleError("model_mismatch", name, f"{len(promised)} {kind}", f"{len(ports)} in the model")


def _fault(port: Any, entry: Input | Output, kind: str) -> str:
    """Return how a tensor of the model differs from its entry; empty where it does not."""
    if port.name != entry.name:
        return f"`{port.name}` in its place in the model"
    row = BY_ORT.get(port.type)
    if row is None or row.word != entry.dtype:
        return f"{row.word if row else port.type} in the model"
    shape = list(port.shape)
    if len(shape) != len(entry.shape):
        # An output whose rank a model leaves open is listed without axes; C12 sees to it in each call.
        return "" if kind == "outputs" and not shape else f"{len(shape)} axes in the model"
    pairs = zip(shape, entry.shape, strict=True)
    if any(isinstance(have, int) and isinstance(want, int) and have != want for have, want in pairs):
        return f"shape {shape} in the model"
    return ""


def describe(entry: Input | Output) -> str:
    """Return a tensor's name, dtype and shape for a message."""
    return f"`{entry.name}` {entry.dtype} [{', '.join(map(str, entry.shape))}]"
