"""From nanoseconds to figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from bundle.bench.measure import Samples

#: The statistics of a call, in the order in which they are shown.
STATISTICS = ("mean", "std", "min", "p50", "p90", "p95", "p99", "max")

_PERCENTS = (50, 90, 95, 99)
_QUARTILES = (25, 50, 75)


def figures(samples: Samples, rows: int) -> dict[str, Any]:
    """Return microseconds per call by `STATISTICS`, rows per second, and microseconds of the processor."""
    micros = np.concatenate(samples.rounds) / 1e3
    statistics = {"mean": micros.mean(), "std": micros.std(), "min": micros.min(), "max": micros.max()}
    for percent, value in zip(_PERCENTS, np.percentile(micros, _PERCENTS), strict=True):
        statistics[f"p{percent}"] = value
    return {
        "calls": len(micros),
        "us": {name: float(statistics[name]) for name in STATISTICS},
        "rows_per_second": float(rows * 1e6 / micros.mean()),
        "cpu_us": samples.cpu / 1e3 / len(micros),
    }


def ratio(samples: Samples, rival: Samples) -> dict[str, float]:
    """Return how many times as long as the rival's a call takes: the median and quartiles of the rounds.

    In a round the medians of both are divided: neighbours in time, whatever the machine did then.
    """
    pairs = zip(samples.rounds, rival.rounds, strict=True)
    # A clock that does not move at all would give a division by zero.
    ratios = [np.median(own) / max(float(np.median(other)), 1.0) for own, other in pairs]
    q1, median, q3 = np.percentile(ratios, _QUARTILES)
    return {"median": float(median), "q1": float(q1), "q3": float(q3)}
