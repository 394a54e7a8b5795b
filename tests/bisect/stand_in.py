"""A program that speaks the protocol through Python's predictor, with a fault of another machine in it.

The argument is the fault:
``none``; ``input``: the first number of each input arrives changed; ``order``: answers are written in
Fortran's order; ``order_of_inputs``: inputs are read in it; ``kernel``: LeakyRelu has another slope;
``answer``: the last bit of each answer is flipped; ``refuse``: predictions fail.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from bundle import session
from bundle.cli.tensor_json import exact, from_exact
from bundle.protocol import Driver
from bundle.tolerance import Array


def in_fortran_order(array: Array) -> Array:
    return array.ravel("F").reshape(array.shape)


def first_changed(array: Array) -> Array:
    changed = array.copy()
    changed.reshape(-1)[:1] += 1
    return changed


def last_bit_flipped(array: Array) -> Array:
    data = bytearray(array.tobytes())
    data[0] ^= 1
    return np.frombuffer(bytes(data), array.dtype).reshape(array.shape)


ON_INPUTS = {"input": first_changed, "order_of_inputs": in_fortran_order}
ON_OUTPUTS = {"order": in_fortran_order, "answer": last_bit_flipped}


def each(tensors: dict[str, Any], change: Any) -> dict[str, Any]:
    return {name: exact(change(from_exact(tensor))) for name, tensor in tensors.items()}


def plant_kernel() -> None:
    """Let every session that starts from now on compute LeakyRelu with another slope."""
    start = session._start

    def changed(path: Path, *arguments: Any) -> Any:
        model = onnx.load(path)
        for node in model.graph.node:
            for attribute in node.attribute if node.op_type == "LeakyRelu" else ():
                attribute.f *= 2
        other = path.with_suffix(".changed.onnx")
        onnx.save(model, other)
        try:
            return start(other, *arguments)
        finally:
            other.unlink()

    session._start = changed


def answer(driver: Driver, line: bytes, fault: str) -> dict[str, Any]:
    request = json.loads(line)
    if fault in ON_INPUTS and "inputs" in request:
        request["inputs"] = each(request["inputs"], ON_INPUTS[fault])
    reply = driver.answer(json.dumps(request).encode())
    if fault in ON_OUTPUTS and isinstance(reply.get("outputs"), dict) and request["op"] == "predict":
        reply = {**reply, "outputs": each(reply["outputs"], ON_OUTPUTS[fault])}
    if fault == "refuse" and request["op"] == "predict":
        error = {
            "code": "runtime_failure",
            "subject": ".",
            "expected": "a run",
            "found": "none",
            "message": "",
        }
        return {"id": reply["id"], "ok": False, "error": error}
    return reply


def serve(fault: str) -> None:
    if fault == "kernel":
        plant_kernel()
    driver = Driver()
    for line in sys.stdin.buffer:
        print(json.dumps(answer(driver, line, fault)), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
