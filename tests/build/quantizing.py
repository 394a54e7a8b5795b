"""What the tests of quantizing share: drawn cases, the gate, and a look at the weights of a result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, numpy_helper

from bundle.builder.gate import Gate, Measurement, Reference
from bundle.builder.golden import Case
from bundle.builder.model import Model, StageSkipped
from bundle.builder.quantize import Scheme, quantize
from bundle.builder.quantized import budget_of
from bundle.builder.worker import Worker
from bundle.tolerance import Tolerance
from tests.build import make_models as make

REDUCED = Scheme("uint8", reduce_range=True)
FULL = Scheme("uint8", reduce_range=False)
SIGNED = Scheme("int8", reduce_range=False)


def saved(message: ModelProto, folder: Path) -> Model:
    """Write a model."""
    return Model(make.save(message, folder), "onnx")


def cases_of(model: Model, count: int = 24) -> list[Case]:
    """Return drawn cases for the inputs of a model; symbols are 2."""
    generator = np.random.Generator(np.random.PCG64(3))
    ports = onnxruntime.InferenceSession(model.path).get_inputs()
    cases = []
    for number in range(count):
        case = {}
        for port in ports:
            shape = [size if isinstance(size, int) else 2 for size in port.shape]
            drawn = generator.standard_normal(shape, dtype=np.float32)
            case[port.name] = np.array(number % 2 == 0) if port.type == "tensor(bool)" else drawn
        cases.append(case)
    return cases


def judged(model: Model, precision: str, folder: Path, worker: Worker) -> tuple[Model, Measurement]:
    """Quantize and put the result through the gate of the build, which lets these small ones grow."""
    cases = cases_of(model)
    made = quantize(model, precision, folder, worker, REDUCED, cases)
    reference = Reference.of_source(model, cases, worker, {})
    usual = [Tolerance("close")] * len(reference.view.outputs)
    budget = replace(budget_of(precision, reference, usual), growth=None)
    measured = Gate(reference, worker).judge("quantize", made, model, budget)
    return made, measured


def refusal(message: ModelProto, precision: str, folder: Path, worker: Worker) -> StageSkipped:
    """Return why a model is not quantized."""
    model = saved(message, folder)
    with pytest.raises(StageSkipped) as caught:
        quantize(model, precision, folder, worker, REDUCED, cases_of(model))
    return caught.value


def weights_of(model: Model) -> dict[str, np.ndarray]:
    """Return the weights by name."""
    graph = onnx.load(model.path).graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def int8_weights(model: Model) -> list[np.ndarray]:
    """Return the weights of 8 bits; zero points, which have one axis at most, are none."""
    return [
        each for each in weights_of(model).values() if each.dtype in (np.int8, np.uint8) and each.ndim > 1
    ]
