"""What a build reports in ``attest/report.json``: a row per stage, a row per verified file, advice."""

from __future__ import annotations

import json
import math
from typing import Any, NotRequired, TypedDict

#: How JSON, which has no such number, spells the error of outputs that cannot be compared.
INFINITE = "infinity"


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
    ``not run``. ``worst_error`` and ``flips`` are those against the recorded outputs.
    """

    variant: str
    format: str
    ran_on: str
    worst_error: float | None
    flips: int | None
    accuracy: float | None
    passed: bool


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
