"""What a build reports in ``attest/report.json``: a row per stage, a row per verified file, advice."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:
    from bundle.builder.assemble import Assembled
    from bundle.builder.verify import Proof

#: How JSON, which has no such number, spells the error of outputs that cannot be compared.
INFINITE = "infinity"
#: The file that the others' latency is compared with.
BASE_FILE = ("source", "onnx")


class StageRow(TypedDict):
    """One stage of one variant.

    ``outcome`` is ``kept`` or ``skipped``; ``reason`` one word of ``StageSkipped``, empty where kept;
    ``detail`` a sentence or empty; ``bytes`` the size after the stage; ``worst_error`` the largest absolute
    difference to the source's outputs; ``flips`` and ``near_ties`` changed decisions (spec/tolerances.json);
    ``accuracy`` the share of right labels, 0 to 1. None: not measured.
    """

    stage: str
    variant: str
    outcome: str
    reason: str
    detail: str
    bytes: int | None
    worst_error: float | None
    flips: int | None
    near_ties: int | None
    accuracy: float | None


class VerifyRow(TypedDict):
    """One file of the packed bundle, replayed on every golden case.

    ``ran_on`` is ``host``; ``host, not ARCH`` where that is not the target; ``target (RUNNER)``; or
    ``not run``. ``worst_error`` and ``flips`` are those against the recorded outputs. ``bytes`` is the size
    of the file and of its data file. ``latency_us`` is in microseconds per call, ``latency_ratio`` its share
    of the time of ``source.onnx``, both None where nothing was timed, and ``latency_on`` says where it was.
    """

    variant: str
    format: str
    ran_on: str
    worst_error: float | None
    flips: int | None
    accuracy: float | None
    passed: bool
    bytes: int
    latency_us: float | None
    latency_ratio: float | None
    latency_on: str


class Auto(TypedDict):
    """What precision ``auto`` chose, by which objective, and why in one sentence."""

    objective: str
    chosen: str
    why: str


class Report(TypedDict):
    """What one bundle's build found out; spec/report.schema.json is its structure as JSON.

    ``path`` tells the caller where the bundle lies and is not part of the file, as a bundle may be moved.
    ``skipped_precisions`` are those that were asked for and are not in the bundle.
    """

    name: str
    version: str
    target: str
    digest: str
    path: str
    stages: list[StageRow]
    verify: list[VerifyRow]
    advice: list[str]
    skipped_precisions: NotRequired[list[str]]
    auto: NotRequired[Auto]


def make(assembled: Assembled, digest: str, path: Path, proofs: Sequence[Proof]) -> Report:
    """Return the report of a bundle, given the proofs of its files."""
    from bundle.builder import latency
    from bundle.target import target_word

    content = assembled.content
    place = latency.place_of(content.project, content.target)
    report: Report = {
        "name": content.project.name,
        "version": content.project.version,
        "target": target_word(content.target),
        "digest": digest,
        "path": str(path),
        "stages": [outcome.figures() for outcome in assembled.rows],
        "verify": [_row(proof, assembled, place) for proof in proofs],
        "advice": list(assembled.advice),
    }
    if assembled.skipped:
        report["skipped_precisions"] = list(assembled.skipped)
    if assembled.auto is not None:
        report["auto"] = assembled.auto
    return report


def _row(proof: Proof, assembled: Assembled, place: str) -> VerifyRow:
    """Return the row of a verified file; it has a latency where it was timed where it was verified."""
    file = (proof.variant, proof.format)
    time = assembled.times.get(file) if proof.ran_on == place else None
    base = assembled.times.get(BASE_FILE)
    variant = next(each for each in assembled.content.variants if each.name == proof.variant)
    return {
        **proof._asdict(),  # type: ignore[typeddict-item]
        "accuracy": variant.accuracy[proof.format],
        "passed": True,
        "bytes": assembled.sizes[file],
        "latency_us": time,
        "latency_ratio": time / base if time is not None and base else None,
        "latency_on": "" if time is None else place,
    }


def plain(report: Report) -> dict[str, Any]:
    """Return the report as a tree that JSON can hold."""
    tree: dict[str, Any] = _without_infinities(dict(report))
    return tree


def encode(report: Report) -> bytes:
    """Return the bytes of ``attest/report.json``: UTF-8, for people and machines, ended by a newline."""
    tree = {key: value for key, value in plain(report).items() if key != "path"}
    text = json.dumps(tree, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def _without_infinities(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_infinities(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_without_infinities(value) for value in node]
    if isinstance(node, float) and math.isinf(node):
        return INFINITE
    return node
