"""What is known about a bundle in the store: sizes by its manifest, and what its build measured."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle import attest, files
from bundle.error import BundleError
from bundle.manifest import Manifest

REPORT = f"{attest.FOLDER}/report.json"
# A report is a few kilobytes. Whatever is longer was not written by a build, and is not read.
_LONGEST = 16 << 20


@dataclass(frozen=True)
class Figures:
    """A model file of a bundle, and what its build measured. None: not measured.

    Attributes:
        variant: the variant's name.
        format: ``onnx`` or ``ort``.
        bytes: the file's size.
        accuracy: share of right labels, 0 to 1.
        latency_us: of one call, in microseconds.
        worst_error: largest absolute difference to the recorded outputs.
        flips: decisions that changed.
    """

    variant: str
    format: str
    bytes: int
    accuracy: float | None = None
    latency_us: float | None = None
    worst_error: float | None = None
    flips: int | None = None


def figures(folder: Path, manifest: Manifest) -> tuple[Figures, ...]:
    """Return a row per variant and format, in the manifest's order.

    The report is a statement, so whatever it is, nothing fails: what cannot be understood is not measured.
    """
    measured = _measured(folder, manifest.digest)
    sizes = {file.path: file.size for file in manifest.files}
    rows = []
    for variant in manifest.variants:
        for word, path in sorted(variant.files.items()):
            row = measured.get((variant.name, word), {})
            values = {name: _number(row.get(name)) for name in ("accuracy", "latency_us", "worst_error")}
            flips = row.get("flips")
            counted = flips if type(flips) is int and 0 <= flips < 1 << 53 else None
            rows.append(Figures(variant.name, word, sizes[path], **values, flips=counted))
    return tuple(rows)


def _measured(folder: Path, digest: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the report's rows by variant and format; what ran on the target outranks what ran elsewhere."""
    report = _report(folder)
    if not isinstance(report, dict) or report.get("digest") != digest:
        return {}
    rows = report.get("verify")
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows if isinstance(rows, list) else ():
        if (
            isinstance(row, dict)
            and isinstance(row.get("variant"), str)
            and isinstance(row.get("format"), str)
        ):
            key = row["variant"], row["format"]
            if key not in found or str(row.get("ran_on")).startswith("target"):
                found[key] = row
    return found


def _report(folder: Path) -> Any:
    try:
        with files.opened(str(folder / REPORT), REPORT) as file:
            data = files.head(file, _LONGEST + 1)
        return json.loads(data) if len(data) <= _LONGEST else None
    except (BundleError, ValueError, RecursionError):
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
