"""The quantizers, ONNX Runtime's where it has one, with what their inputs need before and after."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from itertools import count
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, NodeProto

from bundle.builder.graph import load_graph, save_graph, walk_graphs, walk_nodes
from bundle.builder.model import Model
from bundle.builder.opset import convert_opset, opset_of
from bundle.builder.quantize.half import CAST_OPSET, store_halves
from bundle.builder.quantize.rules import DYNAMIC_OPERATORS, STATIC_OPERATORS
from bundle.builder.quantize.samples import STRIDE, Samples

#: The first operator set whose DequantizeLinear has an axis, which scales for each channel need.
_PER_CHANNEL_OPSET = 13
#: Which input of an operator is its bias.
_BIAS_PLACES = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}


def run_fp16(source: Path, target: Path) -> None:
    """Store weights as float16; sums, inputs and outputs stay as they are."""
    with _folder(target) as folder:
        model = load_graph(_raised(source, folder, CAST_OPSET))
    store_halves(model)
    save_graph(model, target)


def run_dynamic(source: Path, target: Path, reduce_range: bool) -> None:
    """Store weights as int8 and let each call find the range of its own activations."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _folder(target) as folder:
        prepared = folder / "prepared.onnx"
        save_graph(_prepared(source), prepared)
        quantize_dynamic(
            prepared,
            target,
            op_types_to_quantize=list(DYNAMIC_OPERATORS),
            per_channel=True,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
        )


def run_static(source: Path, target: Path, samples: Path, activation_type: str, reduce_range: bool) -> None:
    """Store weights as int8, and compute in int8 with ranges that the samples show."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    types = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
    with _folder(target) as folder:
        prepared = folder / "prepared.onnx"
        save_graph(_prepared(source), prepared)
        quantize_static(
            _processed(_raised(prepared, folder, _PER_CHANNEL_OPSET), folder),
            target,
            Samples(samples),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(STATIC_OPERATORS),
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=types[activation_type],
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            # Not CalibMaxIntermediateOutputs, which throws away what it measured of all but the last.
            extra_options={"CalibStridedMinMax": STRIDE},
        )


def tidy(path: Path) -> None:
    """Put the nodes in an order in which each follows what it reads, and drop what tools wrote about it."""
    model = load_graph(path)
    model.ClearField("doc_string")
    for graph in walk_graphs(model):
        _sort(graph)
    for node in walk_nodes(model):
        node.ClearField("doc_string")
    save_graph(model, path)


@contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside ``target`` that takes all temporary files, those of the tools included."""
    usual = tempfile.tempdir
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        tempfile.tempdir = name
        try:
            yield Path(name).resolve()
        finally:
            tempfile.tempdir = usual


def _prepared(source: Path) -> ModelProto:
    """Return a model in the form that the quantizers take; each line is about a model that broke them."""
    model = onnx.load(source)
    for graph in walk_graphs(model):
        # Shapes that exporters noted contradict each other now and then; the tools find their own.
        del graph.value_info[:]
    _constants_to_weights(model.graph)
    _weights_without_identity(model)
    _own_flat_biases(model.graph)
    _name_nodes(model.graph)
    return model


def _name_nodes(graph: GraphProto) -> None:
    """Give each node a name of its own, by which the static quantizer changes its inputs."""
    taken = Counter(node.name for node in graph.node)
    for number, node in enumerate(graph.node):
        if not node.name or taken[node.name] > 1:
            node.name = next(name for i in count(number) if (name := f"node{i}") not in taken)
            taken[node.name] += 1


def _constants_to_weights(graph: GraphProto) -> None:
    """Turn Constant nodes into initializers, the only weights that the quantizers see."""
    kept = []
    for node in graph.node:
        values = [each.t for each in node.attribute if each.name == "value"]
        if node.op_type == "Constant" and values:
            weight = graph.initializer.add()
            weight.CopyFrom(values[0])
            weight.name = node.output[0]
        else:
            kept.append(node)
    _replace_nodes(graph, kept)


def _weights_without_identity(model: ModelProto) -> None:
    """Let every node read its weights directly, and not through Identity nodes."""
    given = {value.name for graph in walk_graphs(model) for value in graph.output}
    names = {tensor.name: tensor.name for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in names and node.output[0] not in given:
            names[node.output[0]] = names[node.input[0]]
        else:
            kept.append(node)
    _replace_nodes(model.graph, kept)
    for node in walk_nodes(model):
        for place, name in enumerate(node.input):
            if names.get(name, name) != name:
                node.input[place] = names[name]


def _own_flat_biases(graph: GraphProto) -> None:
    """Give each node a bias of its own, and each Gemm one with one axis.

    Where nodes share a bias the static quantizer numbers copies of it, and gives them names that other
    tensors may have; and biases of the shape [1, N], as scikit-learn's are, break it per channel.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    names = {name for node in graph.node for name in (*node.input, *node.output)} | set(weights)
    readers = Counter(name for node in graph.node for name in node.input)
    for node in graph.node:
        place = _BIAS_PLACES.get(node.op_type, len(node.input))
        bias = weights.get(node.input[place]) if place < len(node.input) else None
        if bias is None:
            continue
        if readers[bias.name] > 1:
            readers[bias.name] -= 1
            bias = graph.initializer.add()
            bias.CopyFrom(weights[node.input[place]])
            bias.name = next(new for i in count() if (new := f"{node.input[place]}/{i}") not in names)
            names.add(bias.name)
            node.input[place] = bias.name
        if node.op_type == "Gemm" and list(bias.dims[:-1]) == [1]:
            del bias.dims[0]


def _raised(path: Path, folder: Path, opset: int) -> Path:
    """Return the model at an operator set, or a later one."""
    if opset_of(load_graph(path)) >= opset:
        return path
    return convert_opset(Model(path, "onnx"), folder, opset).path


def _processed(path: Path, folder: Path) -> Path:
    """Return the model after ONNX Runtime's own preparation: shapes inferred, constants folded."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    target = folder / "processed.onnx"
    try:
        # Where it gives up, the inference of symbolic shapes leaves a file in the current folder.
        with chdir(folder):
            # By path: of a message in memory it prints a traceback and leaves the folding out.
            quant_pre_process(path, target)
    except Exception:  # symbolic shapes are a help, and their inference gives up on many a model
        quant_pre_process(path, target, skip_symbolic_shape=True)
    model = load_graph(target)
    _own_flat_biases(model.graph)
    save_graph(model, target)
    return target


def _sort(graph: GraphProto) -> None:
    """Sort nodes by what they read, keeping the order as it is where it can be."""
    pending = list(graph.node)
    unmade = {name for node in pending for name in node.output if name}
    ordered: list[NodeProto] = []
    while pending:
        left = []
        for node in pending:
            if _reads(node).isdisjoint(unmade):
                unmade.difference_update(node.output)
                ordered.append(node)
            else:
                left.append(node)
        if len(left) == len(pending):
            raise ValueError("the nodes read each other in a circle")
        pending = left
    _replace_nodes(graph, ordered)


def _reads(node: NodeProto) -> set[str]:
    """Return the names that a node reads, its subgraphs included."""
    names = set(node.input)
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            names |= {name for inner in graph.node for name in _reads(inner)}
            names |= {value.name for value in graph.output}
    return names


def _replace_nodes(graph: GraphProto, nodes: list[NodeProto]) -> None:
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
