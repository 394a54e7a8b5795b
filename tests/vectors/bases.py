"""Known-good bundles that several vectors share."""

import numpy as np

from tests.vectors.kit import Bundle, answer, build, given, grid, variant
from tests.vectors.model import node
from tests.vectors.tensor import Tensors, strings


def _scale(inputs: Tensors) -> Tensors:
    return {"y": inputs["x"] * np.float32(2) + np.float32(1)}


def scale_without_cases() -> Bundle:
    """`y = 2 x + 1` over rows of three."""
    made = build(
        [given("x", "float32", ["batch", 3])],
        [answer("y", "float32", ["batch", 3], "argmax")],
        [node("Mul", "x two", "twice"), node("Add", "twice one", "y")],
        _scale,
        {"two": np.array(2, np.float32), "one": np.array(1, np.float32)},
    )
    made.tree["batch"] = {"symbol": "batch"}
    return made


def scale() -> Bundle:
    """The same with one golden case, sealed."""
    made = scale_without_cases()
    made.golden_case("first", {"x": grid(2, 3)})
    return made.seal()


def with_fake_ort(writer: str = "999.0.0", *, onnx: bool = True) -> Bundle:
    """`scale` for x86_64 with an .ort file that no library ever sees, since its writer is too new."""
    made = scale()
    made.tree["target"] = {"arch": "x86_64", "cpu_class": "generic", "os": "linux"}
    files = {"onnx": "models/source.onnx", "ort": "models/source.ort"}
    made.files["models/source.ort"] = b"an .ort file from the future"
    if not onnx:
        del files["onnx"], made.files["models/source.onnx"]
    made.tree["variants"] = [variant("source", files, 1, writer=writer)]
    return made.seal()


def _mixed(inputs: Tensors) -> Tensors:
    rows = inputs["rows"] + inputs["other"]
    table = np.array([10, 20, 30, 40], np.float32)
    return {
        "sum": rows,
        "not": ~inputs["flags"],
        "same": inputs["words"],
        "picked": table[inputs["index"]],
    }


def mixed() -> Bundle:
    """Several inputs of several dtypes that share the symbol `batch`, and a Gather that can fail."""
    made = build(
        [
            given("rows", "float32", ["batch", 3]),
            given("other", "float32", ["batch", 3], finite=False),
            given("flags", "bool", ["batch"]),
            given("words", "string", ["n"]),
            given("index", "int64", ["batch"]),
        ],
        [
            answer("sum", "float32", ["batch", 3]),
            answer("not", "bool", ["batch"], "equal"),
            answer("same", "string", ["n"], "equal"),
            answer("picked", "float32", ["batch"]),
        ],
        [
            node("Add", "rows other", "sum"),
            node("Not", "flags", "not"),
            node("Identity", "words", "same"),
            node("Gather", "table index", "picked"),
        ],
        _mixed,
        {"table": np.array([10, 20, 30, 40], np.float32)},
    )
    made.golden_case("first", mixed_inputs())
    return made.seal()


def mixed_inputs() -> Tensors:
    """Good inputs for `mixed`."""
    return {
        "rows": grid(2, 3),
        "other": grid(2, 3, start=5),
        "flags": np.array([True, False]),
        "words": strings("edge", "", "Größe €"),
        "index": np.array([3, 0]),
    }


def _fixed(inputs: Tensors) -> Tensors:
    return {"y": np.maximum(inputs["x"], 0)}


def fixed_batch() -> Bundle:
    """A Relu over exactly two rows."""
    made = build(
        [given("x", "float32", [2, 3])],
        [answer("y", "float32", [2, 3])],
        [node("Relu", "x", "y")],
        _fixed,
    )
    made.tree["batch"] = {"size": 2}
    made.golden_case("first", {"x": grid(2, 3)})
    return made.seal()


def not_invariant() -> Bundle:
    """Rows minus the largest of the whole batch: a row's answer depends on its batch-mates."""
    made = build(
        [given("x", "float32", ["batch", 3])],
        [answer("y", "float32", ["batch", 3])],
        [node("ReduceMax", "x", "top", keepdims=0), node("Sub", "x top", "y")],
        lambda inputs: {"y": inputs["x"] - inputs["x"].max()},
    )
    made.tree["batch"] = {"symbol": "batch"}
    made.tree["variants"][0]["batch_invariant"] = False
    made.golden_case("first", {"x": grid(2, 3)})
    return made.seal()
