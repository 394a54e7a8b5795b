"""Reports as builds write them, and as none ever should."""

import copy
import math
from typing import Any

DIGEST = "6dd9511f88182bee1174d5ab933a12382e0486b4e3b936ac49862b6c34ed9fa1"
#: What ends a text, an attribute, a tag and a page wherever it is put in as it is.
HOSTILE = """</h1><script>alert("1")</script>'"><img src=x onerror=alert(1)> & @0@ $name `x`"""


def stage(name: str, variant: str = "source", **said: Any) -> dict[str, Any]:
    row = {"stage": name, "variant": variant, "outcome": "kept", "reason": "", "detail": "", "bytes": 605_980}
    figures = {"worst_error": 0.0, "flips": 0, "near_ties": 0, "accuracy": 0.99}
    return {**row, **figures, **said}


def skipped(name: str, variant: str, reason: str, detail: str = "") -> dict[str, Any]:
    nothing = dict.fromkeys(("bytes", "worst_error", "flips", "near_ties", "accuracy"))
    return stage(name, variant, outcome="skipped", reason=reason, detail=detail, **nothing)


def file(variant: str = "source", format: str = "onnx", **said: Any) -> dict[str, Any]:
    row = {"variant": variant, "format": format, "ran_on": "host", "passed": True, "bytes": 605_980}
    figures = {"worst_error": 0.0, "flips": 0, "accuracy": 0.99}
    latency = {"latency_us": 4120.5, "latency_ratio": 1.0, "latency_on": "host"}
    return {**row, **figures, **latency, **said}


def report(**said: Any) -> dict[str, Any]:
    """A report with a bit of everything, as ``json.loads`` gives it."""
    whole = {
        "name": "page-orientation",
        "version": "2.1.0",
        "target": "arm64-dotprod",
        "digest": DIGEST,
        "advice": ["The batch of `image` is fixed to 1: several rows run one by one."],
        "skipped_precisions": ["int8-dynamic"],
        "auto": {"objective": "latency", "chosen": "int8-static", "why": "0.32 of the source's time."},
        "stages": [
            stage("check", bytes=6_800_000),
            skipped("opset", "source", "not_needed"),
            stage("slim", bytes=6_400_000, worst_error=3e-7, detail="112 of 341 nodes removed"),
            stage("quantize", "fp16", bytes=3_300_000, worst_error=2.1e-3, near_ties=2),
            skipped("quantize", "int8-dynamic", "worse_decisions", "14 decisions of 400 flipped"),
            stage("quantize", "int8-static", bytes=1_750_000, worst_error=0.042, flips=1, accuracy=0.9877),
        ],
        "verify": [
            file(bytes=6_400_000),
            file(format="ort", bytes=6_450_000, worst_error=1.2e-7, latency_us=4002.0, latency_ratio=0.97),
            file("fp16", bytes=3_300_000, worst_error=2e-6, latency_us=4800.0, latency_ratio=1.16),
            file("int8-static", bytes=1_750_000, worst_error=0.031, flips=1, latency_us=1312.0),
            file("int8-static", "ort", bytes=1_800_000, latency_us=1290.0, latency_ratio=0.31),
        ],
    }
    return copy.deepcopy({**whole, **said})


def failed() -> dict[str, Any]:
    """A report of a file whose outputs cannot be compared, one that did not run, and one without figures."""
    broken = file("fp16", worst_error=math.inf, flips=None, accuracy=None, passed=False)
    idle = file("int8-static", ran_on="not run", worst_error=None, flips=None, passed=False, latency_us=None)
    nothing = dict.fromkeys(("bytes", "worst_error", "flips", "accuracy", "latency_us", "latency_ratio"))
    stages = [*report()["stages"], stage("check", "odd", worst_error=math.inf)]
    files = [file(), broken, idle, file("odd", ran_on="host, not arm64", **nothing)]
    return report(verify=files, stages=stages)


def large() -> dict[str, Any]:
    """A report of ten variants with long names and figures of every size."""
    rows = [
        file(
            f"variant-{index}-{'x' * (12 * index)}",
            format,
            bytes=10 ** (index + 1),
            latency_us=3.0 * 10 ** (index - 2),
        )
        for index in range(10)
        for format in ("onnx", "ort")
    ]
    stages = [
        stage("quantize", row["variant"], worst_error=10.0 ** (-20 * index)) for index, row in enumerate(rows)
    ]
    return report(name="n" * 200, verify=rows, stages=stages)


def empty() -> dict[str, Any]:
    """A report that says as little as one may, as a builder before figures of latency wrote it."""
    return {"name": "a", "version": "0.0.1", "target": "any", "digest": DIGEST, "advice": []} | {
        "stages": [],
        "verify": [],
    }


def hostile() -> dict[str, Any]:
    """A report whose every text tries to become part of the page."""

    def spoiled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: spoiled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [spoiled(value) for value in node]
        return node + HOSTILE if isinstance(node, str) and node not in ("kept", "skipped") else node

    tree: dict[str, Any] = spoiled(report())
    return tree
