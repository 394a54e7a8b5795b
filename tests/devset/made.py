"""Made models: deployed shapes with random layers and a last layer that is fitted, so that they do a task.

Fitting is one linear system for each, which takes seconds where training would take hours. The bytes depend
on the CPU's rounding; nothing pins them.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from tests.devset import networks
from tests.devset.fetch import cache_folder
from tests.devset.networks import Network, tensor
from tests.devset.tasks import DRAWN, Inputs

# Raise it when the networks or the tasks change, so that nobody gets an old model out of the cache.
_EDITION = 2
_FIT_CASES, _FIT_SEED, _STATISTICS_CASES = 4000, 100, 64
# Steepens the scores, which are fitted to 0 and 1: a trained model is sure of itself, too.
_STEEP = 20.0
_NETWORKS = {"resnet": networks.resnet, "minilm": networks.minilm, "lstm": networks.lstm}
Floats = NDArray[np.float32]
MADE = tuple(_NETWORKS)
"""Names of the made models."""


def made_model(name: str) -> Path:
    """The model of that name, in the cache; made at the first call. Its output is `probabilities`.

    Raises:
        KeyError: no made model of that name.
    """
    network = _NETWORKS[name]
    path = cache_folder() / "made" / f"{name}-{_EDITION}.onnx"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        data = fitted(name, *network()).SerializeToString(deterministic=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)
    return path


def fitted(name: str, net: Network, features: str) -> ModelProto:
    """Fit a last layer on the task of that name, and end the network with it."""
    cases, labels = DRAWN[name](_FIT_CASES, _FIT_SEED)
    inputs = {key: values[:, 0] for key, values in cases.items()}
    _measure_statistics(net, {key: values[:_STATISTICS_CASES] for key, values in inputs.items()})
    rows = _run(net.model(tensor(features, None)), inputs).astype(np.float64)
    weight, bias = _ridge(rows, labels)
    scores = net.op("Gemm", features, weight, bias)
    net.op("Softmax", scores, axis=-1)
    net.nodes[-1].output[0] = "probabilities"
    return net.model(tensor("probabilities", ["batch", len(bias)]))


def _ridge(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Least squares with a little weight decay: the weight [features, classes] and the bias [classes]."""
    mean, spread = rows.mean(0), rows.std(0) + 1e-6
    scaled = (rows - mean) / spread
    wanted = np.eye(labels.max() + 1)[labels]
    shift = wanted.mean(0)
    gram = scaled.T @ scaled + 3e-3 * len(rows) * np.eye(rows.shape[1])
    weight = np.linalg.solve(gram, scaled.T @ (wanted - shift)) / spread[:, None] * _STEEP
    bias = shift * _STEEP - mean @ weight
    return weight.astype(np.float32), bias.astype(np.float32)


def _measure_statistics(net: Network, inputs: Inputs) -> None:
    """Give each batch normalization the mean and the variance of what it gets, as training would have."""
    normalizing = [node for node in net.nodes if node.op_type == "BatchNormalization"]
    for node in normalizing:
        _, _, _, mean, variance = node.input
        values = _run(net.model(tensor(node.input[0], None)), inputs).astype(np.float64)
        net.weights[mean] = values.mean((0, 2, 3)).astype(np.float32)
        net.weights[variance] = values.var((0, 2, 3)).astype(np.float32)


def _run(model: ModelProto, inputs: Inputs) -> Floats:
    """The one output of a model for all cases."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    count = len(next(iter(inputs.values())))
    parts = [
        session.run(None, {name: values[start : start + 100] for name, values in inputs.items()})[0]
        for start in range(0, count, 100)
    ]
    return np.concatenate(parts)
