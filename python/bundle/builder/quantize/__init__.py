"""Quantize: a variant of a model whose weights, and perhaps sums, take fewer bits; the caller judges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bundle.builder.golden import Case
from bundle.builder.graph import load_graph
from bundle.builder.model import Model, StageSkipped
from bundle.builder.quantize import tools
from bundle.builder.quantize.rules import DYNAMIC, FP16, STATIC, not_applicable, stored_as
from bundle.builder.quantize.samples import save_samples
from bundle.builder.quantize.steps import int8_sums, output_steps
from bundle.builder.slim import restore
from bundle.builder.worker import Worker, leaving_out
from bundle.manifest import Target
from bundle.spec import table

__all__ = ["DYNAMIC", "FP16", "PRECISIONS", "STATIC", "Scheme", "int8_sums", "output_steps", "quantize"]

#: What a source model can be turned into.
PRECISIONS = (FP16, DYNAMIC, STATIC)


@dataclass(frozen=True)
class Scheme:
    """How the processors of a CPU class want int8, as spec/targets.json says.

    Attributes:
        activation_type: ``uint8`` or ``int8``, for the values between the nodes; only static
            quantization can choose it. Weights are always ``int8``.
        reduce_range: weights take 7 bits, so that processors which add pairs of products in 16 bits do
            not saturate.
    """

    activation_type: str
    reduce_range: bool

    @classmethod
    def of(cls, target: Target) -> Self:
        """Return the scheme of a target's CPU class."""
        row = table("targets")["targets"][target.arch]["cpu_classes"][target.cpu_class]
        return cls(row["activation_type"], row["reduce_range"])


def quantize(
    model: Model, precision: str, work: Path, worker: Worker, scheme: Scheme, calibration: Sequence[Case]
) -> Model:
    """Write ``model`` at another precision as a file in ``work`` whose name tells precision and scheme.

    Equal arguments give equal bytes on one CPU class (calibration runs the model).

    Args:
        model: an ``.onnx`` model that was slimmed.
        precision: one of ``PRECISIONS``.
        work: folder for the result and for files on the way.
        worker: runs the tools.
        scheme: of the target; ``fp16`` ignores it.
        calibration: representative inputs; only ``int8-static`` reads them, and needs at least one.

    Raises:
        ValueError: an unknown precision, or ``int8-static`` without calibration.
        StageSkipped: ``not_applicable`` where the precision makes no sense for the model, before any tool
            runs; ``tool_failed``; ``unchanged`` where the tool found nothing that it could do.
    """
    if precision not in PRECISIONS or (precision == STATIC and not calibration):
        raise ValueError(f"{precision} with {len(calibration)} cases of calibration")
    reason = not_applicable(model, precision)
    if reason:
        raise StageSkipped("not_applicable", reason)
    target = work / _file_name(precision, scheme)
    with leaving_out(precision):
        _run(model, precision, target, worker, scheme, calibration)
        worker.call(restore, model.path, target)
        worker.call(tools.tidy, target)
    if not stored_as(load_graph(target), precision):
        raise StageSkipped("unchanged", f"{precision}: the tool left every weight as it was")
    return Model(target, "onnx")


def _run(
    model: Model, precision: str, target: Path, worker: Worker, scheme: Scheme, calibration: Sequence[Case]
) -> None:
    """Let the worker run the precision's tool."""
    if precision == FP16:
        worker.call(tools.run_fp16, model.path, target)
        return
    if precision == DYNAMIC:
        worker.call(tools.run_dynamic, model.path, target, scheme.reduce_range)
        return
    samples = save_samples(calibration, target.with_suffix(".npz"))
    try:
        types = scheme.activation_type, scheme.reduce_range
        worker.call(tools.run_static, model.path, target, samples, *types)
    finally:
        samples.unlink()


def _file_name(precision: str, scheme: Scheme) -> str:
    if precision == FP16:
        return f"{precision}.onnx"
    width = "7bit" if scheme.reduce_range else "8bit"
    # Dynamic quantization has one type of activations only.
    types = f"{scheme.activation_type}-" if precision == STATIC else ""
    return f"{precision}-{types}{width}.onnx"
