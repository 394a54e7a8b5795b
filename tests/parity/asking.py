"""Ask a program for answers, and ask plain ONNX Runtime the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from bundle.align import aligned
from bundle.bundle import Bundle
from bundle.cli.tensor_json import exact
from bundle.golden import load_case
from bundle.manifest import Manifest
from bundle.parity.client import Client

Arrays = dict[str, np.ndarray]
#: Tensors of the protocol by name.
Answer = dict[str, Any]

SPEC = Path(__file__).resolve().parents[2] / "spec"
SESSION = json.loads((SPEC / "session.json").read_bytes())
#: Addresses above a multiple of 16 at which float32 data of other programs lies.
OFFSETS = (0, 4, 8, 12)
BATCHES = (1, 3, 8)
_HANDLE = "asked"
_LEVELS = {
    "disabled": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


@dataclass(frozen=True)
class Form:
    """A model file and how it is loaded; no variant is the bundle's default."""

    format: str
    mapped: bool = False
    threads: int = 1
    variant: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The options of `open` that ask for it."""
        options = {"format": self.format, "mapped": self.mapped, "intra_op_threads": self.threads}
        return options if self.variant is None else {**options, "variant": self.variant}


def forms(manifest: Manifest, variant: str | None = None) -> Iterator[Form]:
    """Every way to load a variant of a bundle; None is its default."""
    for threads in (1, 2):
        yield Form("onnx", threads=threads, variant=variant)
        if "ort" in manifest.variant(variant).files:
            yield Form("ort", threads=threads, variant=variant)
            yield Form("ort", mapped=True, threads=threads, variant=variant)


def plain_session(path: Path, form: Form) -> onnxruntime.InferenceSession:
    """A session with every option of spec/session.json, set here once more and not through the package."""
    values = {name: row["default"] for name, row in SESSION["options"].items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = form.threads
    options.inter_op_num_threads = values["inter_op_threads"]
    options.enable_cpu_mem_arena = values["cpu_arena"]
    options.enable_mem_pattern = values["memory_pattern"]
    options.graph_optimization_level = _LEVELS[values["graph_optimization_level"]]
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    switches = {"allow_spinning": values["allow_spinning"], "mapped": form.mapped}
    for name, on in switches.items():
        for key in SESSION["options"][name]["config_keys"]:
            options.add_session_config_entry(key, str(int(on)))
    for key, text in SESSION["fixed"]["config"].items():
        options.add_session_config_entry(key, text)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def plain_answer(session: onnxruntime.InferenceSession, inputs: Arrays) -> Answer:
    """What ONNX Runtime answers where all data is aligned, as tensors of the protocol."""
    feed = {name: array if array.dtype == object else aligned(array) for name, array in inputs.items()}
    names = [port.name for port in session.get_outputs()]
    answers = session.run(names, feed)
    return {name: exact(np.asarray(answer)) for name, answer in zip(names, answers, strict=True)}


def rows_of(bundle: Bundle, rows: int) -> Arrays | None:
    """Inputs of that many rows, of the bundle's golden cases in turns; None where it takes one row only."""
    manifest = bundle.manifest
    variant = manifest.default_variant
    cases = [load_case(bundle, file, variant).inputs for file in manifest.golden]
    symbol = manifest.batch.symbol if manifest.batch else None
    if symbol is None:
        return cases[0] if rows == 1 else None
    inputs = {}
    for port in manifest.inputs:
        parts = [cases[row % len(cases)][port.name] for row in range(rows)]
        inputs[port.name] = (
            np.concatenate(parts, port.shape.index(symbol)) if symbol in port.shape else parts[0]
        )
    return inputs


def tensors(inputs: Arrays, offset: int = 0) -> Answer:
    """Inputs for a request, each at that address."""
    return {name: {**exact(array), "offset": offset} for name, array in inputs.items()}


def opened(client: Client, bundle: Bundle, form: Form) -> str:
    """Open a bundle in a program, in place of the last one; return the handle."""
    request = {"op": "open", "bundle": str(bundle.path), "handle": _HANDLE, "options": form.options}
    reply = client.ask(request)
    assert reply["ok"], f"{client.name}: {reply}"
    assert reply["format"] == form.format
    return _HANDLE


def told(client: Client, op: str, handle: str, **fields: Any) -> Answer:
    """The outputs that a program answers with."""
    reply = client.ask({"op": op, "handle": handle, **fields})
    assert reply["ok"], f"{client.name}, {op}: {reply}"
    return reply["outputs"]


def difference(expected: Answer, found: Answer) -> str | None:
    """The first output of a program that is not the expected bytes; None where all are."""
    if expected.keys() != found.keys():
        return f"outputs {sorted(found)} instead of {sorted(expected)}"
    for name, tensor in expected.items():
        for part in ("dtype", "shape", "data"):
            if tensor[part] != found[name][part]:
                return f"{name}: {part} {str(found[name][part])[:80]} instead of {str(tensor[part])[:80]}"
    return None
