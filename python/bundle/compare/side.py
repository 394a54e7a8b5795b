"""One of the two that are compared: what is known of it without running it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle import library
from bundle.compare.structure import Port
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.bundle import Bundle
    from bundle.manifest import Manifest, Variant

#: A fact's value: what a table shows.
Fact = str | int


@dataclass(frozen=True)
class Wanted:
    """A model to compare.

    Attributes:
        path: a bundle's folder, an .onnx or an .ort file.
        variant: of a bundle; None for its default one.
        format: of a bundle, ``onnx`` or ``ort``; None for the one that opening it here takes.
    """

    path: Path
    variant: str | None = None
    format: str | None = None


@dataclass(frozen=True)
class Side:
    """A model, and what is known of it.

    Attributes:
        path: as it was named.
        model: the model file.
        facts: what can be told in a word or a number; those that both sides have are compared.
        inputs: what it takes, in order.
        outputs: what it gives, in order.
        operators: how many nodes of each; None where that cannot be told here.
        unknown: why not.
        decisions: what each output decides, where a bundle says it.
        variants: of a bundle, by name.
        bundle: the open bundle; None for a plain file.
        variant: the name of the variant.
    """

    path: Path
    model: Path
    facts: Mapping[str, Fact]
    inputs: Sequence[Port]
    outputs: Sequence[Port]
    operators: Mapping[str, int] | None
    unknown: str = ""
    decisions: Mapping[str, str] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bundle: Bundle | None = None
    variant: str = ""

    @property
    def format(self) -> str:
        """``onnx`` or ``ort``."""
        return self.model.suffix[1:].lower()

    def tree(self) -> dict[str, Any]:
        """Return what is known as a tree for JSON."""
        return {
            "path": str(self.path),
            "kind": "file" if self.bundle is None else "bundle",
            "facts": dict(self.facts),
            "inputs": [port.tree() for port in self.inputs],
            "outputs": [port.tree() for port in self.outputs],
            "operators": None if self.operators is None else dict(self.operators),
            "unknown": self.unknown,
        }


def open_side(wanted: Wanted) -> Side:
    """Look at a bundle or a model file.

    Raises:
        BundleError: for a bundle those of opening it; for a file ``model_unreadable``, ``model_rejected``,
            ``input_file_unreadable``, those of external data, and ``usage_invalid`` for a variant or format.
    """
    if wanted.path.is_dir() or wanted.path.suffix.lower() not in (".onnx", ".ort"):
        return _of_bundle(wanted)
    for name in (wanted.variant, wanted.format):
        if name is not None:
            found = "a variant or format beside a plain file"
            raise BundleError("usage_invalid", str(wanted.path), "a bundle, which has variants", found)
    described, unknown = _described(wanted.path)
    inputs, outputs = _ports(wanted.path, described)
    return Side(
        path=wanted.path,
        model=wanted.path,
        facts=_model_facts(wanted.path, described),
        inputs=inputs,
        outputs=outputs,
        operators=described.get("operators"),
        unknown=unknown,
    )


def _of_bundle(wanted: Wanted) -> Side:
    from bundle.bundle import Bundle

    bundle = Bundle.open(wanted.path)
    manifest = bundle.manifest
    variant = manifest.variant(wanted.variant)
    model = bundle.file_path(variant.files[_format(manifest, variant, wanted.format)])
    described, unknown = _described(model)
    return Side(
        path=wanted.path,
        model=model,
        facts={**_bundle_facts(bundle, variant), **_model_facts(model, described)},
        inputs=[Port(port.name, port.dtype, port.shape) for port in manifest.inputs],
        outputs=[Port(port.name, port.dtype, port.shape) for port in manifest.outputs],
        operators=described.get("operators"),
        unknown=unknown,
        decisions={port.name: port.decision for port in manifest.outputs},
        variants={row["name"]: row for row in manifest.tree["variants"]},
        bundle=bundle,
        variant=variant.name,
    )


def _format(manifest: Manifest, variant: Variant, wanted: str | None) -> str:
    from bundle.fit import choose

    try:
        return choose(manifest, variant, library.version(), wanted).format
    except BundleError as error:
        if error.code == "format_unavailable":
            raise
        # It does not run here, which is told beside the answers; what it consists of can be told.
        return wanted or min(variant.files)


def _bundle_facts(bundle: Bundle, variant: Variant) -> dict[str, Fact]:
    manifest = bundle.manifest
    target = manifest.target
    return {
        "model": f"{manifest.name} {manifest.version}",
        "identity": bundle.digest,
        "target": target.arch if target.arch == "any" else f"{target.arch} ({target.cpu_class})",
        "minimum_runtime": _newest(manifest.runtime["minimum"], variant.minimum_runtime),
        "bundle_bytes": sum(file.size for file in manifest.files),
        "variant": variant.name,
        "precision": variant.precision,
    }


def _newest(*versions: str) -> str:
    from bundle.version import parse_version

    return max(versions, key=parse_version)


def _described(path: Path) -> tuple[dict[str, Any], str]:
    """Return what the file says about itself, or nothing and why it cannot be told here."""
    from bundle.cli.inspect import describe_file

    try:
        return describe_file(path), ""
    except BundleError as error:
        if error.code not in ("extra_missing", "library_not_found", "library_too_old"):
            raise
        return {}, str(error)


def _model_facts(path: Path, described: Mapping[str, Any]) -> dict[str, Fact]:
    files = [path, *_data_files(path, described)]
    hasher = hashlib.sha256()
    for each in files:
        with each.open("rb") as file:
            while block := file.read(1 << 20):
                hasher.update(block)
    facts: dict[str, Fact] = {
        "format": path.suffix[1:].lower(),
        "model_bytes": sum(each.stat().st_size for each in files),
        "model_digest": hasher.hexdigest(),
    }
    if described:
        opsets = ", ".join(f"{domain} {version}" for domain, version in sorted(described["opsets"].items()))
        facts |= {"ir": described["ir"], "opset": opsets, "nodes": described["nodes"]}
    return facts


def _data_files(path: Path, described: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the files that hold a model's weights beside it; they are a part of what it is."""
    if not described or path.suffix.lower() != ".onnx":
        return ()
    from bundle.builder.external import onnx_model

    return onnx_model(path).data


def _ports(path: Path, described: Mapping[str, Any]) -> tuple[list[Port], list[Port]]:
    if described:
        inputs, outputs = described["inputs"], described["outputs"]
        return [Port.of_tree(port) for port in inputs], [Port.of_tree(port) for port in outputs]
    from bundle.dtype import BY_ORT
    from bundle.session import bare_session, sentence

    try:
        session = bare_session(path)
    except BundleError:
        raise
    except Exception as error:  # one class per status code, all of them in a private module
        found = sentence(error)
        raise BundleError("model_rejected", path.name, "a file that ONNX Runtime opens", found) from error

    def port(value: Any) -> Port:
        word = BY_ORT[value.type].word if value.type in BY_ORT else value.type
        return Port(value.name, word, tuple(value.shape))

    return [port(value) for value in session.get_inputs()], [port(value) for value in session.get_outputs()]
