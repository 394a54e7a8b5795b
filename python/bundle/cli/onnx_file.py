"""What an ``.onnx`` file says about itself; needs the onnx library, and no session."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ValueInfoProto


def describe(path: Path) -> dict[str, Any]:
    """Return as a tree: format, size, IR, opsets, producer, metadata, inputs, outputs, nodes, operators.

    An axis without a size or a name is None; ``dtype`` is the word of a tensor's elements, or the kind of
    a value that is no tensor.

    Errors: ``model_unreadable``.
    """
    from bundle.builder.graph import load_graph, walk_nodes

    model = load_graph(path)
    defaults = {tensor.name for tensor in model.graph.initializer}
    operators = Counter(operator_name(node.domain, node.op_type) for node in walk_nodes(model))
    return {
        "format": "onnx",
        "bytes": path.stat().st_size,
        "ir": model.ir_version,
        "opsets": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
        "inputs": [_port(value) for value in model.graph.input if value.name not in defaults],
        "outputs": [_port(value) for value in model.graph.output],
        "nodes": operators.total(),
        "operators": dict(sorted(operators.items(), key=lambda item: (-item[1], item[0]))),
    }


def operator_name(domain: str, kind: str) -> str:
    """Return an operator's name with its domain, which is left out where it is that of ONNX."""
    return kind if domain in ("", "ai.onnx") else f"{domain}:{kind}"


def _port(value: ValueInfoProto) -> dict[str, Any]:
    from onnx import TensorProto

    from bundle.dtype import BY_ONNX

    kind = value.type.WhichOneof("value") or "unknown"
    if kind != "tensor_type":
        return {"name": value.name, "dtype": kind.removesuffix("_type"), "shape": []}
    tensor = value.type.tensor_type
    number = tensor.elem_type
    others = {value: name.lower() for name, value in TensorProto.DataType.items()}
    word = BY_ONNX[number].word if number in BY_ONNX else others.get(number, "unknown")
    shape = [
        axis.dim_value if axis.HasField("dim_value") else (axis.dim_param or None)
        for axis in tensor.shape.dim
    ]
    return {"name": value.name, "dtype": word, "shape": shape}
