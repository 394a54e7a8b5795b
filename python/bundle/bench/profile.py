"""ONNX Runtime's own profile, folded into its most expensive nodes and operators."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.bench.plan import Inputs, SessionPlan
from bundle.session import profiled_session

Event = dict[str, Any]

_MOST = 10
# Beyond a million entries ONNX Runtime drops what comes; so many calls of any model stay below.
_MOST_RUNS = 200
_SUFFIX = "_kernel_time"


@dataclass(frozen=True)
class Cost:
    """What a node, or all nodes of an operator, took.

    Attributes:
        name: of the node; of the operator where they are added up.
        operator: its type.
        us: microseconds of all calls together, without those of nodes inside it.
        share: of the time of all nodes, 0 to 1.
        calls: how often it ran, in all calls of the model.
    """

    name: str
    operator: str
    us: int
    share: float
    calls: int


@dataclass(frozen=True)
class Profile:
    """A profile.

    Attributes:
        runs: calls of the model that it tells of.
        us: microseconds of one of them, with what the profiling itself takes.
        nodes: the most expensive ones, dearest first.
        operators: the same.
    """

    runs: int
    us: float
    nodes: list[Cost]
    operators: list[Cost]


def take_profile(session: SessionPlan, inputs: Inputs, runs: int, warmup: int) -> Profile:
    """Run a model with ONNX Runtime's profile switched on.

    Args:
        session: of the predictor; the profile is of another one that is made the same.
        inputs: of the call.
        runs: calls, of which not more than 200 are made.
        warmup: calls before them, as many at most, which the profile leaves out.
    """
    warmup = min(warmup, _MOST_RUNS)
    with tempfile.TemporaryDirectory() as folder:
        prefix = str(Path(folder) / "profile")
        made = profiled_session(session.path, session.settings, session.config, session.wanted, prefix)
        for _ in range(warmup + min(runs, _MOST_RUNS)):
            made.run(None, inputs)
        events = json.loads(Path(made.end_profiling()).read_bytes())
    return fold(events, warmup)


def fold(events: Iterable[Event], warmup: int) -> Profile:
    """Return a profile from ONNX Runtime's events, without the first ``warmup`` calls of the model."""
    complete = sorted((each for each in events if each.get("ph") == "X"), key=_place)
    runs = [each for each in complete if each["name"] == "model_run"][warmup:]
    begun = runs[0]["ts"]
    kernels = [
        each
        for each in complete
        if each["cat"] == "Node" and each["name"].endswith(_SUFFIX) and each["ts"] >= begun
    ]
    costs = list(zip(kernels, _own_times(kernels), strict=True))
    names = [(each["name"].removesuffix(_SUFFIX), each["args"]["op_name"], us) for each, us in costs]
    return Profile(
        runs=len(runs),
        us=sum(each["dur"] for each in runs) / len(runs),
        nodes=_dearest(names),
        operators=_dearest([(operator, operator, us) for _, operator, us in names]),
    )


def _place(event: Event) -> tuple[int, int]:
    """Order events by time, those that hold others first."""
    return event["ts"], -event["dur"]


def _own_times(kernels: Sequence[Event]) -> list[int]:
    """Return each event's time without that of the events inside it: a Loop's body is listed beside it."""
    own = [int(each["dur"]) for each in kernels]
    open_in: dict[int, list[int]] = defaultdict(list)
    for index, each in enumerate(kernels):
        around = open_in[each["tid"]]
        while around and kernels[around[-1]]["ts"] + kernels[around[-1]]["dur"] <= each["ts"]:
            around.pop()
        if around:
            own[around[-1]] -= each["dur"]
        around.append(index)
    # Times are cut off to whole microseconds, each by itself.
    return [max(us, 0) for us in own]


def _dearest(entries: Iterable[tuple[str, str, int]]) -> list[Cost]:
    sums: dict[tuple[str, str], list[int]] = defaultdict(list)
    for name, operator, us in entries:
        sums[name, operator].append(us)
    whole = max(sum(map(sum, sums.values())), 1)
    costs = [Cost(*key, sum(times), sum(times) / whole, len(times)) for key, times in sums.items()]
    return sorted(costs, key=lambda cost: (-cost.us, cost.name))[:_MOST]
