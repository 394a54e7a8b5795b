"""Run a benchmark."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from dataclasses import asdict, dataclass, field
from typing import Any

import bundle
from bundle.bench.figures import figures, ratio
from bundle.bench.measure import measure, round_count
from bundle.bench.memory import peak_memory
from bundle.bench.plan import PLAIN, Job, Plan
from bundle.bench.profile import take_profile
from bundle.bench.rows import cases, row_count, with_rows
from bundle.bench.subjects import Calls, failed, predictor_calls, rival_calls, session_of
from bundle.error import BundleError
from bundle.parity import LANGUAGES
from bundle.predictor import Predictor

#: Called with (steps done, steps in all).
Show = Callable[[int, int], None]


@dataclass
class Result:
    """What a benchmark found; all values are of JSON.

    Attributes:
        facts: which file ran, and how often.
        left_out: languages without a binding, where all that are there were asked.
        rows: one for each way of calling, thread count and batch size.
        profiles: one for each thread count and batch size, where they were asked for.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    profiles: list[dict[str, Any]] = field(default_factory=list)


def bench(plan: Plan, show: Show | None) -> Result:
    """Time every runtime, thread count and batch size, against the same baseline.

    Raises:
        BundleError: ``runtime_missing`` for a language that was named; ``batch_unsupported``,
            ``usage_invalid``, ``runtime_crashed``; those of opening the bundle, of its golden cases or the
            file of inputs, and of predicting.
    """
    result = Result()
    progress = _Progress(plan, show)
    # Whatever a user's function prints is no part of the result.
    with redirect_stdout(sys.stderr):
        for threads in plan.threads:
            with ExitStack() as stack:
                _with_threads(plan, threads, stack, result, progress)
    return result


class _Progress:
    def __init__(self, plan: Plan, show: Show | None) -> None:
        self._show = show
        self._done = 0
        settings = len(plan.threads) * len(plan.batches)
        # The rounds, and a process for each who opens the model.
        who = len(LANGUAGES if plan.runtimes is None else plan.runtimes) + 1
        self._all = settings * (round_count(plan.runs) + who)

    def step(self) -> None:
        self._done += 1
        if self._show is not None:
            self._show(self._done, self._all)


def _with_threads(
    plan: Plan, threads: int | None, stack: ExitStack, result: Result, progress: _Progress
) -> None:
    options = dict(plan.options) if threads is None else {**plan.options, "intra_op_threads": threads}
    predictors = _opened(plan, options, stack, result)
    first = next(iter(predictors.values()))
    result.facts = _facts(plan, first)
    known = cases(first.bundle, first.variant, plan.input)
    session = session_of(first, options)
    for batch in plan.batches:
        inputs = with_rows(first.manifest, known, batch)
        setting = {
            "threads": first.options["intra_op_threads"],
            "threads_asked": threads,
            "rows": row_count(first.manifest, inputs),
            "batch_asked": batch,
        }
        calls = {name: predictor_calls(predictor, inputs) for name, predictor in predictors.items()}
        calls[plan.against] = rival_calls(plan.against, session, inputs)
        jobs = {name: Job(plan.path, options, name, session, inputs) for name in calls}
        result.rows += _rows(plan, calls, jobs, setting, progress)
        if plan.profile:
            profile = take_profile(session, inputs, plan.runs, plan.warmup)
            result.profiles.append({**setting, **asdict(profile)})


def _opened(plan: Plan, options: dict[str, Any], stack: ExitStack, result: Result) -> dict[str, Predictor]:
    predictors: dict[str, Predictor] = {}
    for name in LANGUAGES if plan.runtimes is None else plan.runtimes:
        if name in result.left_out:
            continue
        try:
            predictors[name] = stack.enter_context(bundle.open(plan.path, runtime=name, **options))
        except BundleError as error:
            if plan.runtimes is not None or error.code != "runtime_missing":
                raise
            result.left_out.append(name)
    return predictors


def _facts(plan: Plan, predictor: Predictor) -> dict[str, Any]:
    model = predictor.manifest
    return {
        "bundle": f"{model.name} {model.version}",
        "digest": model.digest,
        "variant": predictor.variant,
        "format": predictor.format,
        "reason": predictor.reason,
        "against": plan.against,
        "runs": plan.runs,
        "warmup": plan.warmup,
        "rounds": round_count(plan.runs),
    }


def _rows(
    plan: Plan, calls: dict[str, Calls], jobs: dict[str, Job], setting: dict[str, Any], progress: _Progress
) -> list[dict[str, Any]]:
    flat = {(name, call): run for name, ways in calls.items() for call, run in ways.items()}
    try:
        samples = measure(flat, plan.runs, plan.warmup, progress.step)
    except (Exception, SystemExit) as error:
        # A predictor raises nothing but its own errors.
        if isinstance(error, BundleError) or plan.against == PLAIN:
            raise
        raise failed(error) from error
    memory = {}
    for name, job in jobs.items():
        memory[name] = peak_memory(job)
        progress.step()
    rows = []
    for (name, call), own in samples.items():
        # A function has one way of being called, which both of a predictor are compared with.
        rival = samples.get((plan.against, call), samples[plan.against, "predict"])
        rows.append(
            {
                "runtime": name,
                "call": call,
                **setting,
                **figures(own, setting["rows"]),
                "peak_memory_bytes": memory[name],
                "ratio": None if name == plan.against else ratio(own, rival),
            }
        )
    return rows
