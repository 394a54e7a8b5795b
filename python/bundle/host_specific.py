"""Model files that are right only on CPUs like the one that wrote them."""

from __future__ import annotations

from collections.abc import Iterable

# NCHWc operators hold weights in blocks of the converting CPU's vector width; on another CPU the file
# loads and answers wrongly, without an error. Every file that ONNX Runtime writes names the domain among
# its imports, so only these say that a node uses it: in .ort an operator's id in the kernel type table,
# in .onnx the field `domain` (number 7, 19 bytes long) of a node.
#: The bytes to look for, by format.
SIGNS = {"ort": b"com.microsoft.nchwc:", "onnx": b"\x3a\x13com.microsoft.nchwc"}


def host_specific(chunks: Iterable[bytes], form: str) -> bool:
    """Tell whether a model file holds NCHWc nodes.

    Args:
        chunks: the file's bytes, in pieces of any size.
        form: ``ort`` or ``onnx``.
    """
    sign = SIGNS[form]
    tail = b""
    for chunk in chunks:
        window = tail + chunk
        if sign in window:
            return True
        # A sign may lie across the seam between two pieces.
        tail = window[1 - len(sign) :]
    return False
