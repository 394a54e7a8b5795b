"""Verify: replay every file of every variant on every packed golden case, in a fresh process."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from bundle.builder.project import Project
from bundle.builder.seal import Content
from bundle.error import BundleError
from bundle.library import host_arch
from bundle.manifest import Target

#: Seconds for the whole replay: a driver that hangs must not hang the build.
_TIMEOUT = 1800
#: -P: a folder of the user's that is called like a library must not shadow it.
_COMMAND = [sys.executable, "-P", "-m", "bundle.driver"]


class Proof(NamedTuple):
    """One file of a packed bundle that gave its recorded outputs.

    Attributes:
        variant: whose file.
        format: ``onnx`` or ``ort``.
        ran_on: where, as ``host_place`` or ``target_place`` says.
        worst_error: the largest difference to the recording; None without a case.
        flips: decisions that differ from the recording; None without a case.
    """

    variant: str
    format: str
    ran_on: str
    worst_error: float | None
    flips: int | None


def host_place(target: Target) -> str:
    """Say where files run that run here; one that does not run on its target says so."""
    return "host" if target.arch in (host_arch(), "any") else f"host, not {target.arch}"


def target_place(project: Project) -> str:
    """Say where files run that the project's program for the target runs."""
    assert project.driver is not None
    return f"target ({project.runner or project.driver.name})"


def target_command(project: Project) -> list[str]:
    """Return how the project's program for the target is started."""
    assert project.driver is not None
    return [*shlex.split(project.runner), str(project.driver)]


def verify_on_target(folder: Path, content: Content) -> list[Proof]:
    """Run the self-test of each file of a packed bundle with the project's program for the target.

    Raises:
        BundleError: ``verify_failed``.
    """
    project = content.project
    replies, ending = _ask(_requests(folder, content, foreign=False), target_command(project))
    files = _files(content)
    if len(replies) < 2 * len(files):
        raise _failed(_subject(files[len(replies) // 2]), ending)
    return _rows(content, replies, target_place(project))


def verify_many(packed: Sequence[tuple[Path, Content]]) -> list[list[Proof] | BundleError]:
    """Open each file of packed bundles by its format and run the self-test, all in one process.

    The driver protocol (spec/DRIVER.md) is spoken with a process that has nothing of the build in it.
    Where a file ends that process, its bundle has failed and the rest goes on in a fresh one.

    Args:
        packed: the folder of each bundle, and what is in it.

    Returns:
        for each bundle one row per file, or ``verify_failed`` with the first file and output that differ.
    """
    results: list[list[Proof] | BundleError] = []
    while len(results) < len(packed):
        left = packed[len(results) :]
        requests = [_requests(folder, content) for folder, content in left]
        replies, ending = _ask([request for each in requests for request in each], _COMMAND)
        answers = iter(replies)
        for (_, content), asked in zip(left, requests, strict=True):
            given = list(islice(answers, len(asked)))
            if len(given) < len(asked):
                results.append(_failed(_subject(_files(content)[len(given) // 2]), ending))
                break
            try:
                results.append(_rows(content, given, host_place(content.target)))
            except BundleError as error:
                results.append(error)
    return results


def _rows(content: Content, replies: Sequence[dict[str, Any]], place: str) -> list[Proof]:
    rows = []
    for file, opened, tested in zip(_files(content), replies[::2], replies[1::2], strict=True):
        for reply in (opened, tested):
            if not reply["ok"]:
                raise _failed(_subject(file), reply["error"]["message"])
        for case in tested.get("cases", []):
            for output in case["outputs"]:
                if not output["passed"]:
                    found = f"`{output['name']}` of {case['name']} differs by {output['worst']}"
                    raise _failed(_subject(file), found)
        worst_error, flips = _figures(tested)
        rows.append(Proof(*file, place, worst_error, flips))
    return rows


def _files(content: Content) -> list[tuple[str, str]]:
    """Return variant and format of each model file."""
    return [(variant.name, form) for variant in content.variants for form in variant.files]


def _subject(file: tuple[str, str]) -> str:
    return f"models/{file[0]}.{file[1]}"


def _figures(test: dict[str, Any]) -> tuple[float | None, int | None]:
    """Return the largest difference and the number of flips over all cases; None without a case."""
    outputs = [output for case in test.get("cases", []) for output in case["outputs"]]
    if not outputs:
        return None, None
    return max(float(each["worst"]) for each in outputs), sum(each["flips"] for each in outputs)


def _requests(folder: Path, content: Content, foreign: bool = True) -> list[dict[str, Any]]:
    """Return two requests per file; the second file takes the handle of the first, which closes it."""
    requests: list[dict[str, Any]] = []
    for variant, form in _files(content):
        options = {"variant": variant, "format": form, "allow_foreign_target": foreign}
        requests.append({"op": "open", "bundle": str(folder), "handle": "h", "options": options})
        # Without a case, opening the file is all that can be proven.
        requests.append({"op": "self_test" if content.shipped.cases else "close", "handle": "h"})
    return requests


def _ask(requests: Sequence[dict[str, Any]], command: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """Return the replies of a fresh process, as many as it gave, and how it ended where some are missing."""
    text = "".join(f"{json.dumps(request)}\n" for request in requests)
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            env=environment,
            check=False,
        )
    except OSError as error:
        return [], error.strerror or str(error)
    except subprocess.TimeoutExpired as error:
        return _replies(error.stdout), f"no answer within {_TIMEOUT} s"
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return _replies(done.stdout), f"the replaying process ended with {done.returncode}: {last}"


def _replies(output: str | bytes | None) -> list[dict[str, Any]]:
    """Return the whole lines of an output that may end in the middle of one."""
    text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _failed(subject: str, found: str) -> BundleError:
    return BundleError("verify_failed", subject, "the recorded outputs, from the packed file", found)
