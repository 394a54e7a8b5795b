"""A known-good bundle in memory; each vector breaks one thing of it."""

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx

from tests.vectors.model import encode, model
from tests.vectors.tensor import Tensors, canonical, golden

Compute = Callable[[Tensors], Tensors]
MODEL = "models/source.onnx"
GOLDEN = "golden/first.safetensors"
RUNTIME = {"minimum": "1.29.0", "version": "1.31.1"}


def sha256(data: bytes) -> str:
    """Lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def bits(value: float) -> str:
    """A float32 as the manifest spells bounds."""
    return np.array(value, ">f4").tobytes().hex()


def given(name: str, dtype: str, shape: list, *, finite: bool | None = None) -> dict:
    """An input of a manifest."""
    finite = dtype.startswith("float") if finite is None else finite
    return {"dtype": dtype, "finite": finite, "name": name, "shape": shape}


def answer(name: str, dtype: str, shape: list, decision: str = "none") -> dict:
    """An output of a manifest."""
    return {"decision": decision, "dtype": dtype, "name": name, "shape": shape}


def variant(name: str, files: dict[str, str], outputs: int, **more: object) -> dict:
    """A variant of a manifest; `bytes` is filled in when the bundle is sealed."""
    tree = {
        "batch_invariant": True,
        "bytes": 0,
        "cpu_class": "generic",
        "files": files,
        "minimum_runtime": "1.29.0",
        "name": name,
        "precision": "float32",
        "rank": 0,
        "tolerances": [{"word": "exact"}] * outputs,
        "writer": "1.31.1",
    }
    return tree | more


@dataclass
class Bundle:
    """A bundle: the manifest's tree, the listed files, and what the model computes.

    Attributes:
        tree: the manifest; right after `seal`.
        files: the listed files, by path.
        compute: from inputs to outputs with numpy.
        stray: files that the manifest does not list.
    """

    tree: dict
    files: dict[str, bytes]
    compute: Compute
    stray: dict[str, bytes] = field(default_factory=dict)
    written: bytes | None = None

    def seal(self) -> "Bundle":
        """Describe the files again in the manifest."""
        self.tree["files"] = [
            {"path": path, "sha256": sha256(data), "size": len(data)}
            for path, data in sorted(self.files.items())
        ]
        for one in self.tree["variants"]:
            one["bytes"] = sum(len(self.files[path]) for path in one["files"].values())
        return self

    def manifest(self) -> bytes:
        """The bytes of bundle.json."""
        return canonical(self.tree) if self.written is None else self.written

    def on_disk(self) -> dict[str, bytes]:
        """Every file of the folder."""
        return {"bundle.json": self.manifest(), **self.files, **self.stray}

    def golden_case(self, name: str, inputs: Tensors, *, synthetic: bool = False, **changed: Tensors) -> None:
        """Add a case; `changed` replaces what a variant is said to have recorded."""
        right = self.compute(inputs)
        names = [one["name"] for one in self.tree["variants"]]
        recorded = {one: right | changed.get(one, {}) for one in names}
        path = f"golden/{name}.safetensors"
        self.files[path] = golden(inputs, right, recorded)
        self.tree["golden"].append({"name": name, "path": path, "synthetic": synthetic})

    def input(self, name: str) -> dict:
        """An input of the manifest, to be changed."""
        return next(one for one in self.tree["inputs"] if one["name"] == name)


def build(
    inputs: list[dict],
    outputs: list[dict],
    nodes: list[onnx.NodeProto],
    compute: Compute,
    constants: Tensors | None = None,
) -> Bundle:
    """A bundle for any target with one variant and no golden case; `seal` it in the end."""
    source = encode(model(inputs, outputs, nodes, constants))
    tree = {
        "default_variant": "source",
        "files": [],
        "format_version": 1,
        "golden": [],
        "inputs": copy.deepcopy(inputs),
        "model": {
            "license": "Apache-2.0",
            "name": "vector",
            "source": {"format": "onnx", "sha256": sha256(source)},
            "version": "1.0.0",
        },
        "outputs": copy.deepcopy(outputs),
        "recipe": {
            "host": {"arch": "x86_64", "cpu_class": "generic"},
            "options": {},
            "stages": [],
            "tools": {},
        },
        "runtime": dict(RUNTIME),
        "target": {"arch": "any", "cpu_class": "generic", "os": "any"},
        "variants": [variant("source", {"onnx": MODEL}, len(outputs))],
    }
    return Bundle(tree, {MODEL: source}, compute)


def grid(*shape: int, dtype: str = "float32", start: int = -2) -> np.ndarray:
    """Small whole numbers in a row, exact in every dtype with a sign."""
    count = int(np.prod(shape, dtype=np.int64))
    return (np.arange(count) + start).reshape(shape).astype(dtype)
