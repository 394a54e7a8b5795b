"""Train the example model: a small convolutional network for the handwritten digits of scikit-learn.

    python examples/digits/train.py

writes ``digits.onnx``, ``golden.npz`` and ``calibration.npz`` beside this file, with nothing but numpy,
scikit-learn's data and ``onnx.helper``. The last bits of the weights depend on the processor's matrix kernels
even though every draw is seeded, so the files are committed and this script says where they come from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
SEED, EPOCHS, BATCH, RATE = 0, 10, 32, 2e-3
#: Images to quantize with: of those that the model learned from, as the others measure what that costs.
CALIBRATION = 100

Array = NDArray[np.float32]
Weights = dict[str, Array]


def halves() -> tuple[Array, NDArray[np.int64], Array, NDArray[np.int64]]:
    """Images float32 [N, 8, 8, 1] in 0..1 and labels int64 [N], to learn from and held out."""
    data = load_digits()
    order = np.random.default_rng(SEED).permutation(len(data.target))
    images = (data.images[order, :, :, None] / 16).astype(np.float32)
    labels = data.target[order].astype(np.int64)
    half = len(labels) // 2
    return images[:half], labels[:half], images[half:], labels[half:]


def initial() -> Weights:
    """He-initialized weights: convolutions as [9 * channels, filters], layers as [in, out]."""
    rng = np.random.default_rng(SEED)
    sizes = {"conv1": (9, 32), "conv2": (9 * 32, 64), "hidden": (64 * 4 * 4, 128), "scores": (128, 10)}
    weights: Weights = {}
    for name, (fan_in, fan_out) in sizes.items():
        weights[f"{name}.weight"] = rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out)).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(fan_out, np.float32)
    return weights


def columns(x: Array) -> Array:
    """The 3x3 neighborhood of each pixel: [N, 8, 8, C] to [N, 8, 8, 9 * C]."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.concatenate([padded[:, i : i + 8, j : j + 8] for i in range(3) for j in range(3)], axis=3)


def spread(dcolumns: Array) -> Array:
    """Gradient of `columns`: add up what each pixel gave to its neighbors."""
    dpadded = np.zeros((len(dcolumns), 10, 10, dcolumns.shape[3] // 9), np.float32)
    for k, part in enumerate(np.split(dcolumns, 9, axis=3)):
        i, j = divmod(k, 3)
        dpadded[:, i : i + 8, j : j + 8] += part
    return dpadded[:, 1:9, 1:9]


def gradients(w: Weights, x: Array, labels: NDArray[np.int64]) -> Weights:
    """Gradients of the cross-entropy over a batch, by hand."""
    col1 = columns(x)
    act1 = np.maximum(col1 @ w["conv1.weight"] + w["conv1.bias"], 0)
    col2 = columns(act1)
    act2 = np.maximum(col2 @ w["conv2.weight"] + w["conv2.bias"], 0)
    cells = act2.reshape(-1, 4, 2, 4, 2, 64)
    pooled = cells.max(axis=(2, 4))
    # ONNX flattens channels first, so the hidden layer must see them in that order here, too.
    flat = pooled.transpose(0, 3, 1, 2).reshape(len(x), -1)
    hidden = np.maximum(flat @ w["hidden.weight"] + w["hidden.bias"], 0)
    scores = hidden @ w["scores.weight"] + w["scores.bias"]
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    dscores = odds / odds.sum(axis=1, keepdims=True)
    dscores[np.arange(len(x)), labels] -= 1
    dscores /= len(x)
    dhidden = dscores @ w["scores.weight"].T * (hidden > 0)
    dpooled = (dhidden @ w["hidden.weight"].T).reshape(-1, 64, 4, 4).transpose(0, 2, 3, 1)
    dcells = (cells == pooled[:, :, None, :, None]) * dpooled[:, :, None, :, None]
    dact2 = dcells.reshape(act2.shape) * (act2 > 0)
    dact1 = spread(dact2 @ w["conv2.weight"].T) * (act1 > 0)
    layers = {
        "conv1": (col1, dact1),
        "conv2": (col2, dact2),
        "hidden": (flat, dhidden),
        "scores": (hidden, dscores),
    }
    grads: Weights = {}
    for name, (inward, outward) in layers.items():
        rows = outward.reshape(-1, outward.shape[-1])
        grads[f"{name}.weight"] = inward.reshape(-1, inward.shape[-1]).T @ rows
        grads[f"{name}.bias"] = rows.sum(axis=0)
    return grads


def train(images: Array, labels: NDArray[np.int64]) -> Weights:
    """Adam with a step that falls linearly to zero."""
    weights = initial()
    mean = {name: np.zeros_like(value) for name, value in weights.items()}
    square = {name: np.zeros_like(value) for name, value in weights.items()}
    rng = np.random.default_rng(SEED)
    steps = EPOCHS * (len(images) // BATCH)
    for step in range(steps):
        pick = rng.choice(len(images), BATCH, replace=False)
        for name, grad in gradients(weights, images[pick], labels[pick]).items():
            mean[name] += 0.1 * (grad - mean[name])
            square[name] += 0.01 * (grad * grad - square[name])
            rate = RATE * (1 - step / steps) / (1 - 0.9 ** (step + 1))
            correction = np.sqrt(1 - 0.99 ** (step + 1))
            weights[name] -= np.float32(rate) * mean[name] / (np.sqrt(square[name]) / correction + 1e-8)
    return weights


def to_onnx(w: Weights) -> onnx.ModelProto:
    """The network as ONNX: `image` float32 [batch, 1, 8, 8] to `probabilities` float32 [batch, 10]."""
    stored = {}
    for name, value in w.items():
        is_filter = name.startswith("conv") and name.endswith("weight")
        stored[name] = value.reshape(3, 3, -1, value.shape[-1]).transpose(3, 2, 0, 1) if is_filter else value
    nodes = [
        helper.make_node("Conv", ["image", "conv1.weight", "conv1.bias"], ["c1"], "conv1", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "conv2.weight", "conv2.bias"], ["c2"], "conv2", pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("MaxPool", ["r2"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "hidden.weight", "hidden.bias"], ["h"], "hidden"),
        helper.make_node("Relu", ["h"], ["r3"], "relu3"),
        helper.make_node("Gemm", ["r3", "scores.weight", "scores.bias"], ["s"], "scores"),
        helper.make_node("Softmax", ["s"], ["probabilities"], "softmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in stored.items()],
    )
    # Opset 18 and IR 10 are read by every ONNX Runtime that a bundle may meet; the defaults are not.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    images, labels, held_out, held_labels = halves()
    onnx.save(to_onnx(train(images, labels)), HERE / "digits.onnx")
    save_cases("golden.npz", held_out, labels=held_labels)
    save_cases("calibration.npz", images[:CALIBRATION])


def save_cases(name: str, images: Array, **more: NDArray[np.int64]) -> None:
    """Write images [N, 8, 8, 1] as N cases of the model's input, and what else is known of them."""
    cases = np.ascontiguousarray(images.transpose(0, 3, 1, 2)[:, None])
    files = {"inputs/image": cases, **more}
    np.savez_compressed(HERE / name, allow_pickle=False, **files)


if __name__ == "__main__":
    main()
