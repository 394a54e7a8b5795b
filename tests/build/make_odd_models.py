"""Small ONNX models with one oddity each that ``check`` has to mend, refuse or mention."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, helper

from tests.build.make_models import FLOAT, OPSET, mlp, model_of, random_normal, value


def contradiction() -> ModelProto:
    """The ``mlp`` with a recorded shape inside that is wrong; the runtime does not mind."""
    model = mlp()
    model.graph.value_info.append(value("h", ["batch", 99]))
    return model


def random_seeded() -> ModelProto:
    """x [batch, 3] plus noise with a fixed seed: the first call repeats, the second call differs."""
    model = random_normal()
    model.graph.node[0].attribute.append(helper.make_attribute("seed", 5.0))
    return model


def duplicate_opset() -> ModelProto:
    """The ``mlp`` with its operator set listed three times, once under its long name."""
    model = mlp()
    model.opset_import.extend([helper.make_opsetid("ai.onnx", 13), helper.make_opsetid("", OPSET)])
    return model


def layer_norm() -> ModelProto:
    """x [batch, 4] -> y, by an operator that came with opset 17."""
    node = helper.make_node("LayerNormalization", ["x", "scale"], ["y"])
    scale = {"scale": np.ones(4, np.float32)}
    return model_of([node], [value("x", ["batch", 4])], [value("y", ["batch", 4])], scale)


def old_opset() -> ModelProto:
    """x [batch, 3] -> Relu at opset 5, for which the runtime has no kernel."""
    node = helper.make_node("Relu", ["x"], ["y"])
    return model_of([node], [value("x", ["batch", 3])], [value("y", ["batch", 3])], opsets={"": 5}, ir=4)


def new_ir(opset: int = OPSET) -> ModelProto:
    """The ``mlp`` as a newer exporter would stamp it: IR 14."""
    model = mlp()
    model.ir_version = 14
    model.opset_import[0].version = opset
    return model


def unnamed_dims() -> ModelProto:
    """x [?, 3, ?] -> y [?, 3, ?], nothing named."""
    node = helper.make_node("Relu", ["x"], ["y"])
    return model_of([node], [value("x", [None, 3, None])], [value("y", [None, 3, None])])


def custom_domain(inside_if: bool = False) -> ModelProto:
    """An operator of a domain that no runtime knows, in the main graph or in a branch."""
    custom = helper.make_node("Polish", ["x"], ["y"], domain="com.example")
    nodes, initializers = [custom], {}
    if inside_if:
        custom.output[0] = "inner"
        branch = helper.make_graph([custom], "branch", [], [value("inner", ["batch", 3])])
        nodes = [helper.make_node("If", ["always"], ["y"], then_branch=branch, else_branch=branch)]
        initializers = {"always": np.array(True)}
    return model_of(
        nodes,
        [value("x", ["batch", 3])],
        [value("y", ["batch", 3])],
        initializers,
        opsets={"com.example": 1},
    )


def local_function() -> ModelProto:
    """x [batch, 3] -> y through a function that the model brings along, in a domain of its own."""
    model = custom_domain()
    body = [helper.make_node("Relu", ["a"], ["b"])]
    imports = [helper.make_opsetid("", OPSET)]
    model.functions.append(helper.make_function("com.example", "Polish", ["a"], ["b"], body, imports))
    return model


def duplicate_output_name() -> ModelProto:
    """The ``mlp`` with its one output listed twice."""
    model = mlp()
    model.graph.output.append(model.graph.output[0])
    return model


def sequence_output() -> ModelProto:
    """x [batch, 4] -> parts, a sequence of tensors."""
    node = helper.make_node("SplitToSequence", ["x"], ["parts"], axis=1)
    parts = helper.make_tensor_sequence_value_info("parts", FLOAT, None)
    return model_of([node], [value("x", ["batch", 4])], [parts])


def with_traces() -> ModelProto:
    """The ``mlp`` as PyTorch exports it: stack traces with the exporter's paths, and metadata to keep."""
    model = mlp()
    node = model.graph.node[0]
    node.doc_string = "line 3"
    node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value='File "/nowhere/someone/net.py", line 3')
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['net', 'fc1']")
    onnx.helper.set_model_props(model, {"license": "MIT"})
    return model
