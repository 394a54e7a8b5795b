"""Which precision makes sense for which model, decided by its graph before any tool runs."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import ModelProto, NodeProto, TensorProto

from bundle.builder.external import external_tensors
from bundle.builder.graph import constants, load_graph, walk_nodes, walk_tensors
from bundle.builder.ingest import INLINE_LIMIT
from bundle.builder.model import Model
from bundle.builder.precision import precision_of

FP16, DYNAMIC, STATIC = "fp16", "int8-dynamic", "int8-static"

#: Both kinds of 8 bits: the dynamic quantizer stores weights as the first and tables as the second.
_SMALL = {TensorProto.INT8, TensorProto.UINT8}
#: Operators whose weights each kind of int8 stores as int8, and the places of those weights.
#:
#: Dynamic quantization leaves convolutions out on purpose: as ConvInteger they took 4 to 13 times as long
#: in five of six real models, and two lost most of their accuracy. What serves them is static quantization.
_WEIGHT_PLACES: dict[str, dict[str, tuple[int, ...]]] = {
    DYNAMIC: {"MatMul": (1,), "Gemm": (1,), "LSTM": (1, 2), "Attention": (1,), "Gather": (0,)},
    STATIC: {"MatMul": (0, 1), "Gemm": (0, 1), "Conv": (1,), "ConvTranspose": (1,)},
}
#: What the dynamic quantizer is told to change; it turns Gemm into MatMul first.
DYNAMIC_OPERATORS = ("Attention", "EmbedLayerNormalization", "Gather", "LSTM", "MatMul")
#: What the static quantizer is told to change: products, and what only passes values on between them.
#:
#: Not sums, activations with curves, norms and Softmax, which the library takes as well: their rounding
#: costs far more accuracy than they take time (a model of file types fell from 98 to 14 % with them, and
#: became slower), and int8 sums differ by a step from CPU to CPU.
STATIC_OPERATORS = (
    *_WEIGHT_PLACES[STATIC],
    *("AveragePool", "Clip", "Flatten", "Gather", "MaxPool", "Pad", "Relu", "Reshape", "Resize"),
    *("Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
)


def not_applicable(model: Model, precision: str) -> str:
    """Return in a sentence why a precision makes no sense for a model; empty where it may."""
    graph = load_graph(model.path)
    if model.data or model.size >= INLINE_LIMIT or external_tensors(graph):
        return "the weights are too large for one file"
    if any(node.op_type.startswith("TreeEnsemble") for node in walk_nodes(graph)):
        return "decision trees compare with thresholds, which keep all their bits"
    if any(map(_is_quantized, walk_nodes(graph))) or _mostly_int8(graph):
        return "the model is quantized already"
    stored = precision_of(graph)
    if stored != "float32" or not any(map(_is_float32, walk_tensors(graph))):
        return f"the model's weights are {stored}" if stored != "float32" else "the model has no weights"
    if precision != FP16 and not any(_weighted(graph, precision)):
        operators = ", ".join(_WEIGHT_PLACES[precision])
        return f"{precision} is about operators with float32 weights ({operators}), and the model has none"
    return ""


def stored_as(model: ModelProto, precision: str) -> bool:
    """Tell whether a model has weights of the type that a precision is about."""
    if precision == FP16:
        return any(tensor.data_type == TensorProto.FLOAT16 for tensor in walk_tensors(model))
    # Zero points are of 8 bits, too, but have one axis at most.
    return any(len(tensor.dims) > 1 for tensor in walk_tensors(model) if tensor.data_type in _SMALL)


def _is_float32(tensor: TensorProto) -> bool:
    return bool(tensor.data_type == TensorProto.FLOAT)


def _is_quantized(node: NodeProto) -> bool:
    return node.op_type.endswith(("QuantizeLinear", "Integer")) or node.op_type.startswith("QLinear")


def _mostly_int8(model: ModelProto) -> bool:
    """Tell whether most weights are int8: some exporters store them so, with a Cast and a Mul behind."""
    sizes = [(tensor.data_type in _SMALL, tensor.ByteSize()) for tensor in walk_tensors(model)]
    stored = sum(size for is_small, size in sizes if is_small)
    return bool(2 * stored > sum(size for _, size in sizes))


def _weighted(model: ModelProto, precision: str) -> Iterator[NodeProto]:
    """Yield the nodes of the main graph whose weights the precision can store in fewer bits."""
    known = constants(model)
    behind = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"}
    for node in model.graph.node:
        for place in _WEIGHT_PLACES[precision].get(node.op_type, ()):
            name = node.input[place] if place < len(node.input) else ""
            while name in behind:
                name = behind[name]
            if name in known and known[name].data_type == TensorProto.FLOAT:
                yield node
