"""Compare what a model asks for and gives with what the manifest promises: check P6 of the format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bundle import files
from bundle.dtype import BY_ORT
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.manifest import Input, Manifest, Output

_SIZE = re.compile("'.*?'(?=, |$)|None|-?[0-9]+", re.DOTALL)


def check_signature(session: Any, manifest: Manifest, subject: str) -> None:
    """Compare a session's inputs, then its outputs, with the manifest's.

    Args:
        session: an ``onnxruntime.InferenceSession``.
        manifest: of the bundle.
        subject: the model's path inside the bundle.

    Raises:
        BundleError: ``model_rejected`` where a name is no UTF-8 (P5), then ``model_mismatch`` about the
            first tensor that differs.
    """
    ports = [_Port(port, subject) for port in (*session.get_inputs(), *session.get_outputs())]
    inputs = len(session.get_inputs())
    _compare(manifest.inputs, ports[:inputs], "inputs")
    _compare(manifest.outputs, ports[inputs:], "outputs")


class _Port:
    """A tensor as the model describes it, with names and symbols that may be any bytes."""

    def __init__(self, described: Any, subject: str) -> None:
        self.name = _name(described, subject)
        self.type: str = described.type
        self._described = described

    @property
    def shape(self) -> list[int | str | None]:
        """Its sizes and symbols; asked for where the type is a tensor's."""
        return _shape(self._described)


def _name(port: Any, subject: str) -> str:
    try:
        raw = port.name.encode()
    except UnicodeDecodeError as error:
        raw = error.object
    # Where the C interface, through which the other languages look, ends a name.
    raw = raw.partition(b"\0")[0]
    try:
        return str(raw.decode())
    except UnicodeDecodeError:
        found = f"`{files.shown(raw)}`, where each \ufffd is a byte that is none"
        raise BundleError("model_rejected", subject, "names in UTF-8", found) from None


def _compare(promised: Sequence[Input | Output], ports: Sequence[_Port], kind: str) -> None:
    for port, entry in zip(ports, promised, strict=False):
        fault = _fault(port, entry, kind)
        if fault:
            raise BundleError("model_mismatch", entry.name, f"the manifest's {describe(entry)}", fault)
    if len(ports) != len(promised):
        more = ports if len(ports) > len(promised) else promised
        name = more[min(len(ports), len(promised))].name
        raise BundleError("model_mismatch", name, f"{len(promised)} {kind}", f"{len(ports)} in the model")


def _fault(port: _Port, entry: Input | Output, kind: str) -> str:
    """Return how a tensor of the model differs from its entry; empty where it does not."""
    if port.name != entry.name:
        return f"`{port.name}` in its place in the model"
    row = BY_ORT.get(port.type)
    if row is None or row.word != entry.dtype:
        return f"{row.word if row else port.type} in the model"
    shape = port.shape
    if len(shape) != len(entry.shape):
        # An output whose rank a model leaves open is listed without axes; C12 sees to it in each call.
        return "" if kind == "outputs" and not shape else f"{len(shape)} axes in the model"
    pairs = zip(shape, entry.shape, strict=True)
    if any(isinstance(have, int) and isinstance(want, int) and have != want for have, want in pairs):
        return f"shape {shape} in the model"
    return ""


def _shape(port: Any) -> list[int | str | None]:
    """Return the sizes and symbols of a tensor of the model, whose symbols may be no UTF-8."""
    try:
        return list(port.shape)
    except UnicodeDecodeError:
        return _spelt_shape(port)


def _spelt_shape(port: Any) -> list[int | str | None]:
    """Return what `_shape` does, from the sentence that the library makes of a tensor."""
    # One bad symbol takes the whole list away, and the sentence is the only other place where it stands.
    try:
        text = str(port)
    except UnicodeDecodeError as error:
        text = files.shown(error.object)
    inside = text.partition(f"', type='{port.type}', shape=[")[2].removesuffix("])")
    words = _SIZE.findall(inside)
    return [word if word[0] == "'" else None if word == "None" else int(word) for word in words]


def describe(entry: Input | Output) -> str:
    """Return a tensor's name, dtype and shape for a message."""
    return f"`{entry.name}` {entry.dtype} [{', '.join(map(str, entry.shape))}]"
