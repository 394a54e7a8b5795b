"""Real and made models in every precision: built, and counted on real labels file by file.

    ORT_DISABLE_TELEMETRY=1 python -m tests.build.real [MODEL…]

prints the table and writes it to build/real-models.json.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import bundle
from bundle.builder import BuildResult, build_many
from bundle.error import BundleError
from tests.build.projects import project
from tests.devset import labels, models
from tests.devset.calibration import calibration_for
from tests.devset.golden import golden_for

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("arm64", "x86_64")
PRECISIONS = ("source", "fp16", "int8-dynamic", "int8-static")
NAMES = ("digits", *models.MODELS, *models.MADE)
KEPT = "kept"
# The gate sees so many of the labelled cases, evenly spread: as many as show one flip in a hundred. Where
# rounding to eight bits costs an answer here and there, it takes more to tell a few from too many.
_GATE_CASES = 100
_GATE_MORE = {"orientation": 200}


@dataclass(frozen=True)
class Row:
    """One file of a bundle, or a variant that was left out.

    Attributes:
        model: its name.
        target: what the bundle is for.
        variant: its precision.
        format: `onnx`, `ort`, or empty where the variant was left out.
        outcome: `kept`, or the reason why not.
        detail: a sentence about it, or empty.
        bytes: of the file.
        right: right answers to the labelled cases; None without labels.
        flips: answers to them that are not the source's.
        latency: time of a call as a share of that of source.onnx; None where it was not timed.
    """

    model: str
    target: str
    variant: str
    format: str
    outcome: str
    detail: str
    bytes: int | None = None
    right: int | None = None
    flips: int | None = None
    latency: float | None = None


def build_all(names: Sequence[str], folder: Path) -> dict[str, dict[str, BuildResult]]:
    """Build models in every precision for both targets; return the results by name and target."""
    projects = []
    for name in names:
        source = ROOT / "examples" / "digits" / "digits.onnx" if name == "digits" else models.fetch(name)
        sections: dict[str, dict[str, Any]] = {
            "model": {"name": name},
            "build": {
                "golden": str(gate_cases(name, folder)),
                "precisions": list(PRECISIONS),
                "calibration": str(calibration_for(name)),
            },
        }
        projects.append(project(source, folder / "built", *TARGETS, **sections))
    built = {}
    for name, results in zip(names, build_many(projects), strict=True):
        if isinstance(results, BundleError):
            raise results
        built[name] = {result.target: result for result in results}
    return built


def gate_cases(name: str, folder: Path) -> Path:
    """A golden file of labelled cases, evenly spread, or of the cases without labels where there are none."""
    if name not in labels.TASKS:
        return golden_for(name)
    data = labels.labelled(name)
    rows = np.linspace(0, len(data) - 1, _GATE_MORE.get(name, _GATE_CASES)).astype(np.int64)
    path = folder / f"{name}.npz"
    inputs = {f"inputs/{key}": values[rows] for key, values in data.inputs.items()}
    # The builder counts accuracy where an output decides among classes.
    known = {"labels": data.labels[rows]} if name != "voice" else {}
    np.savez(path, allow_pickle=False, **inputs, **known)
    return path


def rows_of(name: str, results: dict[str, BuildResult]) -> list[Row]:
    """Count every file of the bundles of a model, each distinct file once."""
    counted: dict[str, tuple[int, int]] = {}
    source = _source_answers(name)
    rows = []
    for target, result in results.items():
        report = result.report
        stages = {(row["variant"], row["stage"]): row for row in report["stages"]}
        for variant in PRECISIONS:
            files = [row for row in report["verify"] if row["variant"] == variant]
            if not files:
                why = stages[variant, "quantize"]
                rows.append(
                    Row(name, target, variant, "", why["reason"], why["detail"], None, None, None, None)
                )
            for file in files:
                right, flips = _counted(name, result, variant, file["format"], source, counted)
                rows.append(
                    Row(name, target, variant, file["format"], KEPT, "", file["bytes"], right, flips,
                        file["latency_ratio"])
                )  # fmt: skip
    return rows


def source_right(name: str) -> int | None:
    """Right answers of the source file in plain ONNX Runtime; None without labels."""
    answers = _source_answers(name)
    return None if answers is None else int((answers == labels.labelled(name).labels).sum())


def _source_answers(name: str) -> np.ndarray | None:
    if name not in labels.TASKS:
        return None
    data = labels.labelled(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(data.model, options, providers=["CPUExecutionProvider"])
    return labels.decided([session.run([data.output], case)[0] for case in data.cases()])


def _counted(
    name: str,
    result: BuildResult,
    variant: str,
    form: str,
    source: np.ndarray | None,
    known: dict[str, tuple[int, int]],
) -> tuple[int | None, int | None]:
    """Right answers of one file, and how many differ from the source's."""
    if source is None:
        return None, None
    path = result.path / "models" / f"{variant}.{form}"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest not in known:
        data = labels.labelled(name)
        with bundle.open(result.path, variant=variant, format=form, allow_foreign_target=True) as predictor:
            answers = labels.decided([predictor.predict(case)[data.output] for case in data.cases()])
        known[digest] = int((answers == data.labels).sum()), int((answers != source).sum())
    return known[digest]


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = ["| model | target | file | bytes | right | flips | latency |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        head = f"| {row.model} | {row.target} | {row.variant}"
        if row.outcome != KEPT:
            lines.append(f"{head} | {row.outcome}: {row.detail} | | | |")
            continue
        right = "" if row.right is None else f"{row.right}/{len(labels.labelled(row.model))}"
        flips = "" if row.flips is None else str(row.flips)
        latency = "" if row.latency is None else f"{row.latency:.2f}x"
        lines.append(f"{head}.{row.format} | {row.bytes:,} | {right} | {flips} | {latency} |")
    return "\n".join(lines)


def main(names: Sequence[str]) -> None:
    """Build, count, print and write."""
    with tempfile.TemporaryDirectory() as folder:
        built = build_all(names, Path(folder))
        rows = [row for name in names for row in rows_of(name, built[name])]
    print(table(rows))
    path = ROOT / "build" / "real-models.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or NAMES)
