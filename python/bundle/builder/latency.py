"""Latency: time every file of a target's variants, in the worker here or by the target's own program."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.builder import session
from bundle.builder.golden import Case
from bundle.builder.project import Project
from bundle.builder.seal import Content, Variant, seal
from bundle.builder.verify import host_place, target_command, target_place
from bundle.builder.worker import Worker
from bundle.cli.tensor_json import exact
from bundle.error import BundleError
from bundle.library import host_arch, host_features
from bundle.manifest import Target
from bundle.parity.client import Client
from bundle.spec import table

#: A file of a bundle: (variant, format).
File = tuple[str, str]

#: Seconds that one request may take: a large model under an emulator is slow.
_TIMEOUT = 600.0
#: Seconds for which one timing should last, so that the clock and the scheduler matter little.
_SECONDS = 0.03
#: And how many times as long as one request.
_TIMES = 5
_ROUNDS = 4
_MOST_RUNS = 1 << 16


def place_of(project: Project, target: Target) -> str:
    """Say where the files run; a place that is not the target says so."""
    return target_place(project) if project.driver is not None else host_place(target)


def on_target(project: Project, target: Target) -> bool:
    """Tell whether what is measured says anything about the target."""
    if project.driver is not None:
        return True
    needed = table("targets")["targets"][target.arch]["cpu_classes"][target.cpu_class]["features"]
    return target.arch == host_arch() and set(needed) <= host_features()


def time_files(content: Content, work: Path, worker: Worker) -> dict[File, float]:
    """Time each file of a bundle: on the target where the project has a program for it, else here.

    One thread and the first shipped case. A call's cost comes from the difference between many calls and
    one, so that what asking for them takes cancels; the files take turns, and the least of several rounds
    counts: everything above that is the machine's doing.

    Args:
        content: of the bundle; for a target's program it is written out for the time of the trial.
        work: a folder for that.
        worker: times what is timed here.

    Returns:
        microseconds per call, by file.

    Raises:
        BundleError: ``runtime_crashed``, or what the target's program answers.
        WorkerError: the model failed here.
    """
    case = content.shipped.cases[0]
    files = {(each.name, form): model for each in content.variants for form, model in each.files.items()}
    if content.project.driver is None:
        try:
            return _rounds({file: _here(worker, model.path, case) for file, model in files.items()})
        finally:
            worker.call(session.end_timing)
    command = target_command(content.project)
    with tempfile.TemporaryDirectory(dir=work) as folder, Client("target", command, _TIMEOUT) as client:
        _write(seal(content), Path(folder))
        return _rounds({file: _there(client, Path(folder), file, case) for file in files})


def _here(worker: Worker, path: Path, case: Case) -> Callable[[int], float]:
    """Return a function that makes some calls in the worker and returns the seconds they took."""

    def run(runs: int) -> float:
        return worker.call(session.time_runs, path, case, runs)

    return run


def _write(files: Mapping[str, bytes | Path], folder: Path) -> None:
    for relative, content in files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            # The same bytes need no second place on the disk.
            os.link(content, path)


def _there(client: Client, folder: Path, file: File, case: Case) -> Callable[[int], float]:
    """Open a file and return a function that makes some calls and returns the seconds they took."""
    handle = "/".join(file)
    # Quickly, as its files were written a moment ago.
    options = {"variant": file[0], "format": file[1], "allow_foreign_target": True, "mode": "quick"}
    _ask(client, {"op": "open", "bundle": str(folder), "handle": handle, "options": options})
    inputs = {name: exact(array) for name, array in case.items()}

    def run(runs: int) -> float:
        begun = time.perf_counter()
        _ask(client, {"op": "bind", "handle": handle, "inputs": inputs, "outputs": {}, "runs": runs})
        return time.perf_counter() - begun

    return run


def _ask(client: Client, request: Mapping[str, Any]) -> None:
    reply = client.ask(request)
    if not reply["ok"]:
        raise BundleError(**{key: reply["error"][key] for key in ("code", "subject", "expected", "found")})


def _rounds(timers: Mapping[File, Callable[[int], float]]) -> dict[File, float]:
    runs = {file: _enough(timer) for file, timer in timers.items()}
    one = {file: math.inf for file in timers}
    many = {file: math.inf for file in timers}
    for _ in range(_ROUNDS):
        for file, timer in timers.items():
            one[file] = min(one[file], timer(1))
            many[file] = min(many[file], timer(1 + runs[file]))
    return {file: max(many[file] - one[file], 0.0) / runs[file] * 1e6 for file in timers}


def _enough(timer: Callable[[int], float]) -> int:
    """Return a number of calls beside which one request's own cost is small; finding it warms the file up."""
    timer(1)
    first, runs = timer(1), 1
    while runs < _MOST_RUNS and timer(1 + runs) < _SECONDS + _TIMES * first:
        runs *= 2
    return runs


def by_variant(times: Mapping[File, float], variants: Sequence[Variant]) -> dict[str, float]:
    """Return the time of the file that each variant is opened by: the frozen one where it has one."""
    found = {}
    for variant in variants:
        form = "ort" if "ort" in variant.files else "onnx"
        if (variant.name, form) in times:
            found[variant.name] = times[variant.name, form]
    return found
