"""Networks in the shape of those that people deploy, with random weights, as their exporters write them.

What a network learns is its last layer, which `made` fits; the layers before it are drawn and stay. Each
function returns a graph under construction whose last value is a row of features per case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

_OPSET, _IR = 17, 8
Array = NDArray[np.generic]


class Network:
    """A graph that grows node by node.

    Attributes:
        inputs: what it is fed with.
        nodes: the operators so far, in order.
        weights: the initializers by name.
    """

    def __init__(self, *inputs: ValueInfoProto, seed: int) -> None:
        self.inputs = inputs
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, Array] = {}
        self._random = np.random.Generator(np.random.PCG64(seed))

    def op(self, kind: str, *inputs: str | Array, count: int = 1, **attributes: object) -> str:
        """Append an operator; an array among its inputs becomes a weight. Returns its first output."""
        number = len(self.nodes)
        names = []
        for index, each in enumerate(inputs):
            name = each if isinstance(each, str) else f"{kind}_{number}_{index}"
            if not isinstance(each, str):
                self.weights[name] = each
            names.append(name)
        outputs = [f"{kind}_{number}_out{index or ''}" for index in range(count)]
        self.nodes.append(helper.make_node(kind, names, outputs, name=f"{kind}_{number}", **attributes))
        return outputs[0]

    def drawn(self, *shape: int, fan_in: int) -> NDArray[np.float32]:
        """Normally distributed weights that keep the size of what they are multiplied with."""
        return self._random.standard_normal(shape, dtype=np.float32) * np.float32(fan_in**-0.5)

    def model(self, *outputs: ValueInfoProto) -> ModelProto:
        """The graph so far as a model."""
        tensors = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, "network", self.inputs, outputs, tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = _IR
        return model


def tensor(name: str, shape: Sequence[int | str] | None, dtype: int = TensorProto.FLOAT) -> ValueInfoProto:
    """An input or an output."""
    return helper.make_tensor_value_info(name, dtype, shape)


def resnet() -> tuple[Network, str]:
    """ResNet-18 at half its width: image [batch, 3, 64, 64] -> features [batch, 256].

    Batch normalization stands beside the convolutions, as at the end of training; its statistics are those
    of drawn weights until `made` measures them.
    """
    net = Network(tensor("image", ["batch", 3, 64, 64]), seed=1)
    x = net.op("Relu", _convolution(net, "image", 3, 32, size=7, stride=2))
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    width = 32
    for stage in range(4):
        for block in range(2):
            wide = 32 << stage
            x = _residual(net, x, width, wide, stride=2 if stage and not block else 1)
            width = wide
    return net, net.op("Flatten", net.op("GlobalAveragePool", x))


def _residual(net: Network, x: str, width: int, wide: int, stride: int) -> str:
    inner = net.op("Relu", _convolution(net, x, width, wide, size=3, stride=stride))
    inner = _convolution(net, inner, wide, wide, size=3, stride=1)
    around = x if stride == 1 and width == wide else _convolution(net, x, width, wide, size=1, stride=stride)
    return net.op("Relu", net.op("Add", inner, around))


def _convolution(net: Network, x: str, width: int, wide: int, size: int, stride: int) -> str:
    kernel = net.drawn(wide, width, size, size, fan_in=width * size * size)
    x = net.op("Conv", x, kernel, kernel_shape=[size] * 2, strides=[stride] * 2, pads=[size // 2] * 4)
    one, zero = np.ones(wide, np.float32), np.zeros(wide, np.float32)
    return net.op("BatchNormalization", x, one, zero, zero.copy(), one.copy())


def minilm(layers: int = 4, width: int = 192, vocabulary: int = 1000) -> tuple[Network, str]:
    """A MiniLM-shaped encoder: input_ids, attention_mask int64 [batch, sequence] -> means [batch, width].

    Layer normalization, GELU and the shapes of the attention's heads are spelled out in small operators, as
    exporters do.

    Args:
        layers: how many layers of attention and feed-forward.
        width: of a token's vector; a multiple of 32, which is the width of a head.
        vocabulary: how many words there are.
    """
    shape = ["batch", "sequence"]
    ids = tensor("input_ids", shape, TensorProto.INT64)
    net = Network(ids, tensor("attention_mask", shape, TensorProto.INT64), seed=2)
    x = net.op("Gather", net.drawn(vocabulary, width, fan_in=1), "input_ids")
    length = net.op("Gather", net.op("Shape", "input_ids"), np.array(1, np.int64), axis=0)
    end = net.op("Unsqueeze", length, np.array([0], np.int64))
    positions = net.op(
        "Slice", net.drawn(1, 128, width, fan_in=16), np.array([0], np.int64), end, np.array([1], np.int64)
    )
    x = _normalized(net, net.op("Add", x, positions), width)
    mask = net.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    hidden = net.op("Sub", _scalar(1), net.op("Unsqueeze", mask, np.array([1, 2], np.int64)))
    hidden = net.op("Mul", hidden, _scalar(-10000))
    for _ in range(layers):
        x = _normalized(net, net.op("Add", _attention(net, x, hidden, width), x), width)
        inner = _gelu(net, _dense(net, x, width, 4 * width))
        x = _normalized(net, net.op("Add", _dense(net, inner, 4 * width, width), x), width)
    weight = net.op("Unsqueeze", mask, np.array([2], np.int64))
    total = net.op("ReduceSum", net.op("Mul", x, weight), np.array([1], np.int64), keepdims=0)
    count = net.op("ReduceSum", weight, np.array([1], np.int64), keepdims=0)
    return net, net.op("Div", total, net.op("Clip", count, _scalar(1e-9)))


def _attention(net: Network, x: str, hidden: str, width: int) -> str:
    heads = width // 32
    query, key, content = (_split(net, _dense(net, x, width, width), heads) for _ in range(3))
    scores = net.op("MatMul", query, net.op("Transpose", key, perm=[0, 1, 3, 2]))
    scores = net.op("Add", net.op("Div", scores, _scalar(32**0.5)), hidden)
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), content)
    mixed = net.op("Transpose", mixed, perm=[0, 2, 1, 3])
    return _dense(net, net.op("Reshape", mixed, np.array([0, 0, width], np.int64)), width, width)


def _split(net: Network, x: str, heads: int) -> str:
    """Cut the vectors in heads by the sizes that the input has, as traced code does."""
    shape = net.op("Shape", x)
    sizes = [
        net.op("Unsqueeze", net.op("Gather", shape, np.array(axis, np.int64)), np.array([0], np.int64))
        for axis in range(2)
    ]
    wanted = net.op("Concat", *sizes, np.array([heads], np.int64), np.array([32], np.int64), axis=0)
    return net.op("Transpose", net.op("Reshape", x, wanted), perm=[0, 2, 1, 3])


def _dense(net: Network, x: str, width: int, wide: int) -> str:
    product = net.op("MatMul", x, net.drawn(width, wide, fan_in=width))
    return net.op("Add", net.drawn(wide, fan_in=100), product)


def _normalized(net: Network, x: str, width: int) -> str:
    centered = net.op("Sub", x, net.op("ReduceMean", x, axes=[-1]))
    spread = net.op("ReduceMean", net.op("Pow", centered, _scalar(2)), axes=[-1])
    x = net.op("Div", centered, net.op("Sqrt", net.op("Add", spread, _scalar(1e-12))))
    return net.op("Add", net.op("Mul", x, np.ones(width, np.float32)), np.zeros(width, np.float32))


def _gelu(net: Network, x: str) -> str:
    inner = net.op("Add", net.op("Erf", net.op("Div", x, _scalar(2**0.5))), _scalar(1))
    return net.op("Mul", net.op("Mul", x, inner), _scalar(0.5))


def lstm(width: int = 128, channels: int = 6) -> tuple[Network, str]:
    """Two recurrent layers: signal [batch, steps, channels] -> the last hidden row [batch, width]."""
    net = Network(tensor("signal", ["batch", "steps", channels]), seed=3)
    x = net.op("Transpose", "signal", perm=[1, 0, 2])
    for layer, size in enumerate((channels, width)):
        weights = [net.drawn(1, 4 * width, fan, fan_in=fan) for fan in (size, width)]
        x = net.op("LSTM", x, *weights, count=2, hidden_size=width)
        if not layer:
            x = net.op("Squeeze", x, np.array([1], np.int64))
    return net, net.op("Squeeze", x.replace("out", "out1"), np.array([0], np.int64))


def _scalar(number: float) -> NDArray[np.float32]:
    return np.array(number, np.float32)
