"""Whether tensors reach a program, and come back, as they were: a model that only hands them on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

from bundle.bisect.execute import Runs, Tensors
from bundle.bisect.graph import typed
from bundle.bisect.layout import reordered
from bundle.bisect.rules import EXACT, Rule
from bundle.bisect.views import AS_IT_STANDS
from bundle.tolerance import Array, Difference

INPUT, OUTPUT, LAYOUT = "input", "output", "layout"

_CONSTANT, _ECHO, _FLAT = "bisect/constant", "bisect/echo/", "bisect/flat/"
_SHAPE = "bisect/shape"
# An operator set that every runtime since the oldest one knows, with all that is used here.
_OPSET, _IR = 17, 8
_CORNERS = (2, 3)


@dataclass(frozen=True)
class Fault:
    """What a way did to a tensor that it should have handed on.

    Attributes:
        cause: ``input``, ``output`` or ``layout``.
        tensor: the input; empty where it is about answers.
        detail: a sentence without a final period.
        model: a model of one node that shows it.
        inputs: its inputs.
        output: its output.
        difference: how the answer differs from what it should be.
        values: what it should be, and what it was.
    """

    cause: str
    tensor: str
    detail: str
    model: ModelProto
    inputs: Tensors
    output: str
    difference: Difference
    values: tuple[Array, Array]


def probe(runs: Runs, inputs: Mapping[str, Array]) -> Fault | None:
    """Let a way hand on each input and a constant; return the first fault, None where there is none.

    A tensor that is answered in one axis has no layout, so that it tells how an input arrived.

    Raises:
        BundleError: as the way refuses.
    """
    constant = np.arange(np.prod(_CORNERS), dtype=np.float32).reshape(_CORNERS) + 1
    expected: Tensors = {_CONSTANT: constant}
    expected |= {f"{_FLAT}{name}": array.reshape(-1) for name, array in inputs.items()}
    expected |= {f"{_ECHO}{name}": array for name, array in inputs.items()}
    answers = runs.tensors(_model(inputs, list(expected)), inputs, list(expected), AS_IT_STANDS)
    for output, wanted in expected.items():
        found = answers.get(output)
        difference = None if found is None else Rule(EXACT).differ(found, wanted)
        if found is not None and difference is not None:
            return _fault(runs.way.word, output, (wanted, found), difference, inputs)
    return None


def _fault(
    word: str, output: str, values: tuple[Array, Array], difference: Difference, inputs: Mapping[str, Array]
) -> Fault:
    wanted, found = values
    flat = output.startswith(_FLAT)
    name = output.removeprefix(_FLAT).removeprefix(_ECHO) if output != _CONSTANT else ""
    shaped = inputs[name] if flat else wanted
    order = reordered(found, shaped)
    if order is not None:
        what = f"reads the input `{name}`" if flat else "answers"
        cause, detail = LAYOUT, f"`{word}` {what} in another order of axes, {list(order)}"
    elif flat:
        cause, detail = INPUT, f"the input `{name}` does not reach the model of `{word}` as it was given"
    else:
        cause, detail = OUTPUT, f"`{word}` does not answer what its model computed"
    model = _model(inputs, [output])
    return Fault(cause, name, detail, model, dict(inputs), output, difference, values)


def _model(inputs: Mapping[str, Array], outputs: list[str]) -> ModelProto:
    """Return a model that hands on what the names of its outputs say."""
    constant = np.arange(np.prod(_CORNERS), dtype=np.float32).reshape(_CORNERS) + 1
    weights = [
        numpy_helper.from_array(constant, f"{_CONSTANT}/value"),
        numpy_helper.from_array(np.array([-1], np.int64), _SHAPE),
    ]
    nodes = [_node(name) for name in outputs]
    used = {name for node in nodes for name in node.input}
    ports = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = onnx.helper.make_graph(
        nodes,
        "probe",
        [typed(name, array) for name, array in inputs.items()],
        ports,
        [tensor for tensor in weights if tensor.name in used],
    )
    return onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="edgebundle",
    )


def _node(output: str) -> NodeProto:
    if output == _CONSTANT:
        return onnx.helper.make_node("Identity", [f"{_CONSTANT}/value"], [output], name="constant")
    if output.startswith(_FLAT):
        source = output.removeprefix(_FLAT)
        return onnx.helper.make_node("Reshape", [source, _SHAPE], [output], name=f"flat {source}")
    source = output.removeprefix(_ECHO)
    return onnx.helper.make_node("Identity", [source], [output], name=f"echo {source}")
