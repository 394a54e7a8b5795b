"""One line of advice for each known trap in a model; none of them stops a build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from bundle.builder.graph import constants, walk_graphs, walk_nodes
from bundle.spec import table

#: From this operator set on, quantization per channel and most tools work.
_COMFORTABLE_OPSET = 13

_QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"}
#: What reads weights and computes nothing.
_PASSING = {"Cast", "Concat", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
_RANDOM = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}


@dataclass(frozen=True)
class Advice:
    """One line for the user.

    Attributes:
        code: a stable word for machines (``fixed_batch``).
        subject: the input, output or operator that it is about; ``.`` for the whole model.
        text: one sentence.
    """

    code: str
    subject: str
    text: str


def advise(model: ModelProto) -> list[Advice]:
    """Return the advice that a checked model calls for, in a fixed order."""
    return [advice for rule in _RULES for advice in rule(model)]


def synthetic_golden() -> Advice:
    """Return what to tell a user who gave no golden cases."""
    text = "golden cases are made up: they prove that files agree with each other, not that answers are right"
    return Advice("golden_synthetic", ".", f"{text}; give real ones with --golden")


def judged_on_few(cases: int, synthetic: bool) -> list[Advice]:
    """Return what to tell a user whose quantized variants were judged by little."""
    if synthetic:
        text = "the quantized variants were judged on made-up inputs, which say little about their accuracy"
        return [Advice("quantized_unproven", ".", f"{text}; give real ones, with labels, in --golden")]
    if cases >= table("tolerances")["budgets"]["quantized"]["cases"]:
        return []
    text = f"the quantized variants were judged on {cases} golden cases, too few to see one flip in a hundred"
    return [Advice("quantized_on_few", ".", text)]


def summed_in_int8(variant: str, sums: int) -> list[Advice]:
    """Return what to tell a user whose variant has sums that CPUs round a step apart."""
    if not sums:
        return []
    found = "an int8 sum" if sums == 1 else f"{sums} int8 sums"
    text = f"`{variant}` has {found}, which ARM and x86_64 round a step apart"
    return [Advice("int8_sums", variant, f"{text}: prove its answers on the target with parity --runner")]


def untimed(found: str) -> Advice:
    """Return what to tell a user whose files could not be timed."""
    return Advice("latency_unmeasured", ".", f"the files could not be timed: {found}")


def nonfinite_golden(name: str) -> Advice:
    """Return what to tell a user whose golden cases hold a NaN or an infinity in an input."""
    text = f"`{name}` holds NaN or infinity in the golden cases, so the bundle lets such values pass there"
    return Advice("input_nonfinite", name, f"{text}; say --allow-nonfinite {name} if that is meant")


def without_golden() -> Advice:
    """Return what to tell a user whose model draws random numbers."""
    text = "the bundle carries no golden case, as no answer can be expected twice: it cannot prove itself"
    return Advice("golden_missing", ".", text)


def training_nodes(model: ModelProto) -> list[NodeProto]:
    """Return the Dropout and BatchNormalization nodes that were exported in training mode."""
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    known = constants(model)
    return [node for node in walk_nodes(model) if _is_training(node, opset, known)]


def random_nodes(model: ModelProto) -> list[NodeProto]:
    """Return the nodes that draw random numbers, training-mode Dropout among them."""
    drawing = [node for node in walk_nodes(model) if node.op_type in _RANDOM]
    return drawing + [node for node in training_nodes(model) if node.op_type == "Dropout"]


def _is_training(node: NodeProto, opset: int, known: dict[str, TensorProto]) -> bool:
    attributes = {each.name: each.i for each in node.attribute}
    if node.op_type not in ("Dropout", "BatchNormalization"):
        return False
    if opset < 7:
        return not attributes.get("is_test", 0)
    if node.op_type == "BatchNormalization":
        # Before opset 14 the extra outputs were the only sign of training.
        return bool(attributes.get("training_mode", len(node.output) > 1))
    flag = known.get(node.input[2]) if len(node.input) > 2 else None
    return flag is not None and bool(numpy_helper.to_array(flag).any())


def _fixed_batch(model: ModelProto) -> Iterator[Advice]:
    shapes = {port.name: port.type.tensor_type.shape.dim for port in model.graph.input}
    if any(dim.dim_param for dims in shapes.values() for dim in dims):
        return
    name = next((name for name, dims in shapes.items() if len(dims) > 1), None)
    if name is not None:
        text = (
            f"`{name}` has the fixed batch {shapes[name][0].dim_value}: each call must bring exactly as many"
        )
        yield Advice("fixed_batch", name, f"{text}; export the model with a dynamic first axis")


def _training_mode(model: ModelProto) -> Iterator[Advice]:
    for kind in sorted({node.op_type for node in training_nodes(model)}):
        text = f"{kind} is in training mode: export the model in evaluation mode"
        yield Advice("training_mode", kind, text)


def _already_quantized(model: ModelProto) -> Iterator[Advice]:
    found = sorted({node.op_type for node in walk_nodes(model)} & _QUANTIZED)
    if found:
        text = f"the model is quantized already ({', '.join(found)}): quantizing it again only loses accuracy"
        yield Advice("already_quantized", found[0], text)


def _old_opset(model: ModelProto) -> Iterator[Advice]:
    version = next((each.version for each in model.opset_import if not each.domain), _COMFORTABLE_OPSET)
    used = any(not node.domain for node in walk_nodes(model))
    if used and version < _COMFORTABLE_OPSET:
        text = (
            f"opset {version} is old: some stages need {_COMFORTABLE_OPSET}; try --opset {_COMFORTABLE_OPSET}"
        )
        yield Advice("old_opset", ".", text)


def _float64_weights(model: ModelProto) -> Iterator[Advice]:
    count = sum(
        int(np.prod(tensor.dims))
        for graph in walk_graphs(model)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.DOUBLE and tensor.dims
    )
    if count:
        text = f"{count} weights are float64: twice the size and slower; export the model as float32"
        yield Advice("float64_weights", ".", text)


def _float16_sums(model: ModelProto) -> Iterator[Advice]:
    known = constants(model)
    halves = {name for name, tensor in known.items() if tensor.data_type == TensorProto.FLOAT16}
    kinds = {node.op_type for node in walk_nodes(model) if not halves.isdisjoint(node.input)} - _PASSING
    if kinds:
        text = "the model computes in float16: CPUs with such arithmetic may answer far from those without"
        yield Advice("float16_sums", ".", f"{text}; prove its answers on the target with parity --runner")


_RULES: tuple[Callable[[ModelProto], Iterator[Advice]], ...] = (
    _fixed_batch,
    _training_mode,
    _already_quantized,
    _old_opset,
    _float64_weights,
    _float16_sums,
)
