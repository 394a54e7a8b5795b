"""Ask several runtimes the same questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bundle.bundle import Bundle
from bundle.cli.tensor_json import exact
from bundle.parity import programs
from bundle.parity.cases import Case
from bundle.parity.client import Client, Reply
from bundle.parity.matrix import Row, Rules, matrix

_HANDLE = "parity"
#: Told each runtime before it is asked.
Progress = Callable[[str], object]


@dataclass(frozen=True)
class Plan:
    """Who is asked, and how.

    Attributes:
        runtimes: of `bundle.parity.LANGUAGES`.
        options: of opening, for all; those of FORMAT.md section 5.
        native_options: further options for runtimes other than Python, such as ``library``.
        programs: programs by language that go before those that are found.
        runner: a command before each native program: an emulator, or a way to another machine. Its
            answers are compared with Python's on this one by the variant's tolerance.
    """

    runtimes: Sequence[str]
    options: Mapping[str, Any]
    native_options: Mapping[str, Any]
    programs: Mapping[str, str]
    runner: str = ""


def parity(
    bundle: Bundle, variant: str, cases: Sequence[Case], plan: Plan, progress: Progress | None = None
) -> list[Row]:
    """Run every case through every runtime and compare.

    Raises:
        BundleError: ``runtime_missing`` before any runs, ``runtime_crashed``.
    """
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(programs.client(name, plan.programs, plan.runner))
            for name in plan.runtimes
        }
        replies = {}
        for name, client in clients.items():
            if progress is not None:
                progress(f"asking {name}")
            replies[name] = _ask(client, bundle, cases, _options(name, plan))
    manifest = bundle.manifest
    away = plan.runner and "python" in plan.runtimes and len(plan.runtimes) > 1
    rules = Rules(manifest.outputs, manifest.variant(variant).tolerances, "python" if away else None)
    return matrix([case.name for case in cases], replies, rules)


def _options(name: str, plan: Plan) -> dict[str, Any]:
    if name != "python":
        return {**plan.options, **plan.native_options}
    # A file that is frozen for the machine behind the runner is opened here only to compare.
    foreign = plan.runner and plan.options.get("format") == "ort"
    return {**plan.options, **({"allow_foreign_target": True} if foreign else {})}


def _ask(client: Client, bundle: Bundle, cases: Sequence[Case], options: Mapping[str, Any]) -> list[Reply]:
    """Return the reply to `open`, then one for each case."""
    request = {"op": "open", "bundle": str(bundle.path), "handle": _HANDLE, "options": dict(options)}
    replies = [client.ask(request)]
    for case in cases:
        inputs = {name: exact(array) for name, array in case.inputs.items()}
        replies.append(client.ask({"op": "predict", "handle": _HANDLE, "inputs": inputs}))
    client.ask({"op": "close", "handle": _HANDLE})
    return replies
