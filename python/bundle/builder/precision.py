"""Precision: what a model's weights are, in one word of the manifest."""

from __future__ import annotations

from collections import Counter

import numpy as np
from onnx import ModelProto, TensorProto

from bundle.builder.graph import walk_nodes, walk_tensors

_FLOATS: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.DOUBLE: "float64",
}
_INT8 = {TensorProto.INT8, TensorProto.UINT8}
#: Share of the weights that must be of one kind for the model to be called so.
_MOST = 0.9


def precision_of(model: ModelProto) -> str:
    """Return ``float32``, ``float16``, ``float64``, ``int8`` or ``mixed``; without weights ``float32``."""
    counts: Counter[str] = Counter()
    for tensor in walk_tensors(model):
        word = "int8" if tensor.data_type in _INT8 else _FLOATS.get(tensor.data_type)
        if word:
            counts[word] += int(np.prod(tensor.dims, dtype=np.int64))
    total = sum(counts.values())
    if not total:
        return "float32"
    word, most = counts.most_common(1)[0]
    if word == "int8" and not _computes_in_int8(model):
        return "mixed"
    return word if most >= _MOST * total else "mixed"


def _computes_in_int8(model: ModelProto) -> bool:
    return any(
        node.op_type.endswith(("QuantizeLinear", "Integer")) or node.op_type.startswith("QLinear")
        for node in walk_nodes(model)
    )
