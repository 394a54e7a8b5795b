"""Verify: replay every file of every variant on every packed golden case, in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bundle.build.report import VerifyRow
from bundle.build.seal import Content
from bundle.error import BundleError
from bundle.library import host_arch
from bundle.manifest import Target

#: Seconds for the whole replay of one bundle: a driver that hangs must not hang the build.
_TIMEOUT = 1800


def verify(folder: Path, content: Content) -> list[VerifyRow]:
    """Open each file of a packed bundle by its format and run the self-test.

    The driver protocol (spec/DRIVER.md) is spoken with a process that has nothing of the build in it.

    Raises:
        BundleError: ``verify_failed``, with the first file and output that differ.
    """
    rows = []
    files = [(variant.name, form) for variant in content.variants for form in variant.files]
    accuracy = {
        (variant.name, form): figure
        for variant in content.variants
        for form, figure in variant.accuracy.items()
    }
    for (variant, form), test in zip(files, _replay(folder, files), strict=True):
        for case in test["cases"]:
            for output in case["outputs"]:
                if not output["passed"]:
                    found = f"`{output['name']}` of {case['name']} differs by {output['worst']}"
                    raise _failed(f"models/{variant}.{form}", found)
        figures = _figures(test)
        rows.append(
            VerifyRow(
                variant=variant,
                format=form,
                ran_on=_place(content.target),
                worst_error=figures[0],
                flips=figures[1],
                accuracy=accuracy[variant, form],
                passed=True,
            )
        )
    return rows


def _figures(test: dict[str, Any]) -> tuple[float, int]:
    """Return the largest difference and the number of flips over all cases and outputs."""
    outputs = [output for case in test["cases"] for output in case["outputs"]]
    return max((float(each["worst"]) for each in outputs), default=0.0), sum(
        each["flips"] for each in outputs
    )


def _place(target: Target) -> str:
    """Say where the files ran; one that never ran on its target says so."""
    return "host" if target.arch in (host_arch(), "any") else f"host, not {target.arch}"


def _replay(folder: Path, files: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    requests: list[dict[str, Any]] = []
    for variant, form in files:
        options = {"variant": variant, "format": form, "allow_foreign_target": True}
        requests.append({"op": "open", "bundle": str(folder), "handle": "h", "options": options})
        requests.append({"op": "self_test", "handle": "h"})
    replies = _ask(requests)
    for (variant, form), opened, tested in zip(files, replies[::2], replies[1::2], strict=True):
        for reply in (opened, tested):
            if not reply["ok"]:
                raise _failed(f"models/{variant}.{form}", reply["error"]["message"])
        yield tested


def _ask(requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    text = "".join(f"{json.dumps(request)}\n" for request in requests)
    command = [sys.executable, "-P", "-m", "bundle.driver"]
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
    except subprocess.TimeoutExpired as error:
        raise _failed(".", f"no answer within {_TIMEOUT} s") from error
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or len(replies) != len(requests):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise _failed(".", f"the replaying process ended with {done.returncode}: {last}")
    return replies


def _failed(subject: str, found: str) -> BundleError:
    return BundleError("verify_failed", subject, "the recorded outputs, from the packed file", found)
