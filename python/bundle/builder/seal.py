"""Seal: the manifest and the files of a bundle, from what the stages made and measured."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bundle import golden
from bundle.builder import host, optimizers, runtime
from bundle.builder.describe import Description
from bundle.builder.golden import Case
from bundle.builder.model import Model, Port
from bundle.builder.pack import MANIFEST
from bundle.builder.project import AUTO, Project
from bundle.builder.rows import StageOutcome
from bundle.library import host_arch
from bundle.manifest import FORMAT_VERSION, Manifest, Target, bits_of
from bundle.spec import table
from bundle.tolerance import Tolerance

CONFIG = "config/required_operators_and_types.config"
_TOOLS = ("edgebundle", "numpy", "onnx", "onnxruntime")
#: The newest operator set that the oldest supported runtime opens.
_OPSET_OF_MINIMUM = 24


@dataclass(frozen=True)
class Variant:
    """One variant, ready to be sealed.

    Attributes:
        name: ``source``, or the precision's name.
        precision: a word of the schema.
        files: format -> model file.
        opset: of the ``.onnx`` file.
        recorded: its answers to the shipped cases.
        batch_invariant: whether rows are free of their batch-mates.
        tolerances: one per output, in order.
        accuracy: format -> share of the labels met over all golden cases; None without labels.
        rank: 0 is preferred.
    """

    name: str
    precision: str
    files: Mapping[str, Model]
    opset: int
    recorded: Sequence[Case]
    batch_invariant: bool
    tolerances: tuple[Tolerance, ...]
    accuracy: Mapping[str, float | None]
    rank: int = 0


@dataclass(frozen=True)
class Shipped:
    """The golden cases that travel with the bundle, with the source model's answers.

    ``indices`` tells which of all golden cases they are.
    """

    cases: Sequence[Case]
    source: Sequence[Case]
    synthetic: bool
    indices: Sequence[int] = ()


@dataclass(frozen=True)
class Content:
    """Everything that one bundle says.

    Attributes:
        project: what the user asked for.
        target: what it is built for.
        source_sha256: digest of the user's model.
        source_format: what kind of file that is.
        description: inputs, outputs, batch and states.
        variants: at least one.
        shipped: the golden cases.
        stages: what became of each stage.
        operators: text of the operator config; None where no file is frozen.
        library: the target's ONNX Runtime, by path in the bundle; empty where it does not travel along.
    """

    project: Project
    target: Target
    source_sha256: str
    source_format: str
    description: Description
    variants: Sequence[Variant]
    shipped: Shipped
    stages: Sequence[StageOutcome]
    operators: str | None
    library: Mapping[str, Path] = field(default_factory=dict)


def seal(content: Content) -> dict[str, bytes | Path]:
    """Return every file of the bundle, by path inside it: bytes, or the file to copy."""
    files: dict[str, bytes | Path] = {}
    for variant in content.variants:
        for form, model in variant.files.items():
            files[_model_path(variant, form)] = model.path
            # The graph names its data file, which therefore keeps its name.
            files |= {f"models/{data.name}": data for data in model.data}
    for index, data in enumerate(_golden_files(content.variants, content.shipped)):
        files[_golden_path(index)] = data
    if content.operators is not None:
        files[CONFIG] = content.operators.encode()
    files |= content.library
    tree = _tree(content) | {"files": [_entry(path, files[path]) for path in sorted(files)]}
    data = Manifest.encode(tree)
    # The reader's own judgement: nothing leaves the builder that it would refuse.
    Manifest.parse(data)
    return {**files, MANIFEST: data}


def _golden_files(variants: Sequence[Variant], shipped: Shipped) -> list[bytes]:
    files = []
    for index, case in enumerate(shipped.cases):
        tensors = {f"inputs/{name}": value for name, value in case.items()}
        tensors |= {f"source/{name}": value for name, value in shipped.source[index].items()}
        for variant in variants:
            answers = variant.recorded[index].items()
            tensors |= {f"recorded/{variant.name}/{name}": value for name, value in answers}
        files.append(golden.write_tensors(tensors))
    return files


def _tree(content: Content) -> dict[str, Any]:
    """Return the manifest without its list of files."""
    project, description, variants = content.project, content.description, content.variants
    signature = description.signature
    tree: dict[str, Any] = {
        "default_variant": min(variants, key=lambda variant: variant.rank).name,
        "format_version": FORMAT_VERSION,
        "golden": [
            {"name": _case_name(index), "path": _golden_path(index), "synthetic": content.shipped.synthetic}
            for index in range(len(content.shipped.cases))
        ],
        "inputs": [
            {**_port(port), "finite": finite}
            for port, finite in zip(signature.inputs, description.finite, strict=True)
        ],
        "model": _model(content),
        "outputs": [
            {**_port(port), "decision": decision}
            for port, decision in zip(signature.outputs, description.decisions, strict=True)
        ],
        "recipe": _recipe(content),
        "runtime": runtime.section(content.target, _minimum(variants), _frozen(variants), content.library),
        "target": asdict(content.target),
        "variants": [_variant(variant, content.target) for variant in variants],
    }
    return tree | {key: value for key, value in _optional(project, description).items() if value}


def _frozen(variants: Sequence[Variant]) -> list[Path]:
    return [model.path for variant in variants for form, model in variant.files.items() if form == "ort"]


def _model(content: Content) -> dict[str, Any]:
    project = content.project
    model = {
        "license": project.license,
        "name": project.name,
        "source": {"format": content.source_format, "sha256": content.source_sha256},
        "version": project.version,
    }
    return model | ({"description": project.description} if project.description else {})


def _optional(project: Project, description: Description) -> dict[str, Any]:
    return {
        "batch": _batch(description.batch),
        "metadata": project.metadata,
        "session": project.session,
        "states": [{"input": given, "output": made} for given, made in description.states],
        "tasks": [
            {"kind": "classification", "labels": list(labels), "output": name}
            for name, labels in project.labels.items()
        ],
    }


def _recipe(content: Content) -> dict[str, Any]:
    project = content.project
    options = {
        "formats": ",".join(project.formats),
        "opset": "" if project.opset is None else str(project.opset),
        "optimizer": project.optimizer,
        "optimizer_options": optimizers.canonical(project.optimizer_options),
        "objective": project.objective if AUTO in project.precisions else "",
        "precisions": ",".join(project.precisions),
        "seed": str(project.seed),
    }
    return {
        "host": {"arch": host_arch(), "cpu_class": host.cpu_class()},
        "options": {key: value for key, value in options.items() if value},
        "stages": [row.decision() for row in content.stages],
        "tools": {name: version(name) for name in sorted(_tools(content))},
    }


def _tools(content: Content) -> set[str]:
    """Return the libraries that had a hand in the bundle."""
    optimizer = optimizers.OPTIMIZERS.get(content.project.optimizer)
    converters = ("scikit-learn", "skl2onnx") if content.source_format == "scikit-learn" else ()
    return {*_TOOLS, *converters, *([optimizer.library] if optimizer else [])}


def _variant(variant: Variant, target: Target) -> dict[str, Any]:
    return {
        "batch_invariant": variant.batch_invariant,
        "bytes": sum(model.path.stat().st_size for model in variant.files.values()),
        "cpu_class": target.cpu_class,
        "files": {form: _model_path(variant, form) for form in variant.files},
        "minimum_runtime": _minimum([variant]),
        "name": variant.name,
        "precision": variant.precision,
        "rank": variant.rank,
        "tolerances": [_tolerance(tolerance) for tolerance in variant.tolerances],
        "writer": version("onnxruntime"),
    }


def _minimum(variants: Sequence[Variant]) -> str:
    """Return the oldest runtime that opens the variants' ``.onnx`` files."""
    if max(variant.opset for variant in variants) > _OPSET_OF_MINIMUM:
        return version("onnxruntime")
    return str(table("session")["minimum_runtime"])


def _tolerance(tolerance: Tolerance) -> dict[str, Any]:
    tree: dict[str, Any] = {"word": tolerance.word}
    if tolerance.quanta is not None:
        tree["quanta"] = tolerance.quanta
    for key in ("bound", "step"):
        value = getattr(tolerance, key)
        if value is not None:
            tree[key] = bits_of(value)
    return tree


def _batch(batch: str | int | None) -> dict[str, Any] | None:
    if batch is None:
        return None
    return {"symbol": batch} if isinstance(batch, str) else {"size": batch}


def _port(port: Port) -> dict[str, Any]:
    return {"dtype": port.dtype, "name": port.name, "shape": list(port.shape)}


def _entry(path: str, content: bytes | Path) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    with open(content, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": path, "sha256": digest, "size": content.stat().st_size}


def _model_path(variant: Variant, form: str) -> str:
    return f"models/{variant.name}.{form}"


def _case_name(index: int) -> str:
    return f"case-{index}"


def _golden_path(index: int) -> str:
    return f"golden/{_case_name(index)}.safetensors"
