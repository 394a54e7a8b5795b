"""The manifest: bytes to a checked, typed description of a bundle, without touching the disk."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import Any

from bundle import canonical, consistency, schema
from bundle.error import BundleError
from bundle.spec import table
from bundle.suggest import did_you_mean
from bundle.tolerance import Tolerance

#: The largest manifest that is read, in bytes (check M1).
MAX_BYTES = 1 << 20
#: How deep arrays and objects may nest (check M2).
MAX_DEPTH = 16
#: The format version that this package reads and writes.
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Input:
    """A tensor that every call must be given.

    Attributes:
        name: as the model has it.
        dtype: a word of ``bundle.dtype.DTYPES``.
        shape: one entry per axis: a fixed size, or the name of a symbol.
        finite: whether NaN and infinities are refused.
        meaning: free text.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    finite: bool
    meaning: str = ""


@dataclass(frozen=True)
class Output:
    """A tensor that every call gives; attributes as of ``Input``, and ``decision``: what it decides."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    decision: str
    meaning: str = ""


@dataclass(frozen=True)
class File:
    """A file of the bundle: its path inside, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class GoldenFile:
    """A golden case; ``synthetic``: made from the signature, so it proves repeatability, not accuracy."""

    name: str
    path: str
    synthetic: bool


@dataclass(frozen=True)
class Target:
    """What the bundle was built for, in words of spec/targets.json."""

    arch: str
    cpu_class: str
    os: str


@dataclass(frozen=True)
class Batch:
    """How calls are cut into pieces: the symbol of the batch axis, or the fixed size of axis 0."""

    symbol: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class State:
    """The output ``output`` of one call is the input ``input`` of the next."""

    input: str
    output: str


@dataclass(frozen=True)
class Task:
    """What an output means; ``labels`` by index, empty where the manifest has none."""

    kind: str
    output: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """One model in one precision.

    Attributes:
        name: ``source`` for the base variant, the others are named after their precision.
        precision: a word of the schema (``float32``, ``int8``, ...).
        files: format (``onnx``, ``ort``) -> path inside the bundle.
        bytes: the sum of the files' sizes.
        cpu_class: the class of the target that the ``.ort`` relies on.
        minimum_runtime: the oldest ONNX Runtime that may run it.
        writer: the version of ONNX Runtime that wrote the ``.ort``.
        rank: 0 is preferred.
        batch_invariant: whether a row's answer is free of its batch-mates.
        tolerances: one per output, in order.
        threads: how many it was measured best with.
        peak_memory: in bytes.
    """

    name: str
    precision: str
    files: dict[str, str]
    bytes: int
    cpu_class: str
    minimum_runtime: str
    writer: str
    rank: int
    batch_invariant: bool
    tolerances: tuple[Tolerance, ...]
    threads: int | None = None
    peak_memory: int | None = None


@dataclass(frozen=True)
class Manifest:
    """A checked manifest; FORMAT.md section 4 says what the fields mean.

    Attributes:
        tree: the whole manifest as dicts and lists; must not be changed.
        data: the bytes it was read from.
        digest: their SHA-256 in hex, the identity of the bundle.
    """

    tree: dict[str, Any] = field(repr=False)
    data: bytes = field(repr=False)
    digest: str
    name: str
    version: str
    license: str
    target: Target
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    variants: tuple[Variant, ...]
    default_variant: str
    files: tuple[File, ...] = field(repr=False)
    golden: tuple[GoldenFile, ...] = field(repr=False)
    batch: Batch | None
    session: dict[str, Any]
    states: tuple[State, ...]
    tasks: tuple[Task, ...] = field(repr=False)
    metadata: dict[str, str] = field(repr=False)
    recipe: dict[str, Any] = field(repr=False)
    runtime: dict[str, Any]
    model: dict[str, Any] = field(repr=False)

    @staticmethod
    def parse(data: bytes) -> Manifest:
        """Read the bytes of a ``bundle.json``.

        Raises:
            BundleError: a code of stage ``manifest``, by the checks M1 to M14 in their order; the subject
                is a JSON Pointer. No other error leaves this function, whatever the bytes are.
        """
        check_size(data)
        try:
            tree = canonical.parse(data, ascii_keys=True, max_depth=MAX_DEPTH)
        except canonical.Malformed as error:
            raise BundleError("manifest_malformed", "", "one JSON text in UTF-8", str(error)) from None
        except canonical.NotCanonical as error:
            raise BundleError("manifest_not_canonical", "", "canonical JSON", str(error)) from None
        _check_version(tree)
        schema.check(tree, table("bundle.schema"))
        consistency.check(tree)
        return _build(tree, bytes(data))

    @staticmethod
    def encode(tree: dict[str, Any]) -> bytes:
        """Return the bytes of ``bundle.json`` for a tree; only their spelling is seen to, parse checks them.

        Raises:
            ValueError: the tree holds something that canonical JSON has no word for.
        """
        return canonical.dumps(tree)

    def variant(self, name: str | None = None) -> Variant:
        """Return the variant of that name, or the default one.

        Raises:
            BundleError: ``variant_unknown``.
        """
        wanted = self.default_variant if name is None else name
        for variant in self.variants:
            if variant.name == wanted:
                return variant
        names = ", ".join(f"`{variant.name}`" for variant in self.variants)
        hint = did_you_mean(wanted, [entry.name for entry in self.variants])
        raise BundleError("variant_unknown", str(wanted), f"one of {names}", "no such variant", hint)

    def file(self, path: str) -> File:
        """Return the entry of a path inside the bundle; KeyError where the manifest lists none."""
        for entry in self.files:
            if entry.path == path:
                return entry
        raise KeyError(path)


def check_size(data: bytes) -> None:
    """Check M1.

    Raises:
        BundleError: ``manifest_too_large``.
    """
    if len(data) > MAX_BYTES:
        raise BundleError("manifest_too_large", "", f"at most {MAX_BYTES} bytes", "more")


def _check_version(tree: Any) -> None:
    """Check M4."""
    if not isinstance(tree, dict):
        raise BundleError("manifest_field_type", "", "an object", type(tree).__name__)
    if "format_version" not in tree:
        raise BundleError("manifest_field_missing", "/format_version", "the key", "nothing")
    version = tree["format_version"]
    if isinstance(version, bool) or not isinstance(version, int):
        raise BundleError("manifest_field_type", "/format_version", "integer", type(version).__name__)
    if version != FORMAT_VERSION:
        raise BundleError("format_version_unsupported", "/format_version", str(FORMAT_VERSION), str(version))


def _build(tree: dict[str, Any], data: bytes) -> Manifest:
    """Turn a checked tree into dataclasses; the schema's field names are theirs."""
    model, batch = tree["model"], tree.get("batch")
    return Manifest(
        tree=tree,
        data=data,
        digest=hashlib.sha256(data).hexdigest(),
        name=model["name"],
        version=model["version"],
        license=model["license"],
        target=Target(**tree["target"]),
        inputs=tuple(Input(**{**entry, "shape": tuple(entry["shape"])}) for entry in tree["inputs"]),
        outputs=tuple(Output(**{**entry, "shape": tuple(entry["shape"])}) for entry in tree["outputs"]),
        variants=tuple(_variant(entry) for entry in tree["variants"]),
        default_variant=tree["default_variant"],
        files=tuple(File(**entry) for entry in tree["files"]),
        golden=tuple(GoldenFile(**entry) for entry in tree["golden"]),
        batch=None if batch is None else Batch(**batch),
        session=tree.get("session", {}),
        states=tuple(State(**entry) for entry in tree.get("states", [])),
        tasks=tuple(_task(entry) for entry in tree.get("tasks", [])),
        metadata=tree.get("metadata", {}),
        recipe=tree["recipe"],
        runtime=tree["runtime"],
        model=model,
    )


def _task(entry: dict[str, Any]) -> Task:
    return Task(**{**entry, "labels": tuple(entry.get("labels", []))})


def _variant(entry: dict[str, Any]) -> Variant:
    return Variant(**{**entry, "tolerances": tuple(_tolerance(item) for item in entry["tolerances"])})


def _tolerance(entry: dict[str, Any]) -> Tolerance:
    floats = {name: float32_of(entry[name]) for name in ("bound", "step") if name in entry}
    return Tolerance(entry["word"], quanta=entry.get("quanta"), **floats)


def float32_of(bits: str) -> float:
    """Return the float32 of a bit pattern in hex, most significant digit first: ``3f000000`` is 0.5."""
    return float(struct.unpack(">f", bytes.fromhex(bits))[0])


def bits_of(value: float) -> str:
    """Return the bit pattern of a value rounded to float32, as the manifest holds bounds."""
    return struct.pack(">f", value).hex()
