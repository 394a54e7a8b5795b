"""Small ONNX models with the same bytes on every machine."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 10
ELEMENT = {
    "bool": TensorProto.BOOL,
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "int8": TensorProto.INT8,
    "string": TensorProto.STRING,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "uint8": TensorProto.UINT8,
}


def node(operator: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    """One node; `inputs` and `outputs` are names with blanks between them."""
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def wide_node(operator: str, inputs: list[str], outputs: list[str]) -> onnx.NodeProto:
    """One node whose names may hold blanks."""
    return helper.make_node(operator, inputs, outputs)


def model(
    inputs: list[dict],
    outputs: list[dict],
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray] | None = None,
) -> onnx.ModelProto:
    """A model over tensors that are described as in a manifest: `name`, `dtype`, `shape`."""
    infos = [
        [helper.make_tensor_value_info(one["name"], ELEMENT[one["dtype"]], one["shape"]) for one in side]
        for side in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "vector", infos[0], infos[1], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    made.producer_name = "vectors"
    return made


def encode(made: onnx.ModelProto) -> bytes:
    """The bytes of a model."""
    return made.SerializeToString(deterministic=True)
