"""Reads one case of `spec/cases` and plays it to a driver, as spec/cases/README.md says."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from bundle.parity.client import Client


def prepared(folder: Path, case: dict[str, Any], work: Path) -> Path:
    """The bundle that the steps are about: in place, or a changed copy under `work`."""
    bundle = folder / case.get("bundle", "none")
    if "prepare" not in case:
        return bundle.resolve()
    copy = work / "bundle"
    shutil.copytree(bundle, copy)
    for entry in case["prepare"]:
        _apply(entry, copy / entry["path"])
    return copy


def _apply(entry: dict[str, Any], path: Path) -> None:
    match entry["op"]:
        case "delete":
            path.rmdir() if path.is_dir() else path.unlink()
        case "fifo":
            os.mkfifo(path)
        case "mkdir":
            path.mkdir()
        case "symlink":
            path.symlink_to(entry["target"])
        case "write" | "append":
            with path.open("wb" if entry["op"] == "write" else "ab") as file:
                file.write(bytes.fromhex(entry["hex"]) * entry.get("times", 1))
        case other:
            raise ValueError(f"unknown op {other}")


def difference(expected: Any, found: Any, at: str = "") -> str | None:
    """The first place where a reply is not what is expected; objects may hold more, but `outputs` may not."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if at.endswith("/outputs") and expected.keys() != found.keys():
            return f"{at}: expected {sorted(expected)}, found {sorted(found)}"
        inside = ((f"{at}/{key}", value, found.get(key)) for key, value in expected.items())
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        inside = ((f"{at}/{i}", *pair) for i, pair in enumerate(zip(expected, found, strict=True)))
    elif type(expected) is type(found) and expected == found:
        return None
    else:
        return f"{at}: expected {expected!r}, found {found!r}"
    return next(filter(None, (difference(value, there, place) for place, value, there in inside)), None)


def play(driver: Client, folder: Path, work: Path) -> str | None:
    """Play a case; return None where every reply was right, else a sentence.

    Raises:
        BundleError: ``runtime_crashed``: the driver ended or did not answer.
    """
    case = json.loads((folder / "case.json").read_bytes())
    bundle = prepared(folder, case, work)
    try:
        for number, step in enumerate(case["steps"]):
            reply = driver.ask(_request(step, bundle, folder))
            wrong = difference(step["expect"], reply)
            if wrong:
                return f"step {number} ({step['op']}){wrong}; reply {json.dumps(reply)[:600]}"
    finally:
        for handle in sorted({step["handle"] for step in case["steps"] if "handle" in step}):
            driver.ask({"op": "close", "handle": handle})
    return None


def _request(step: dict[str, Any], bundle: Path, folder: Path) -> dict[str, Any]:
    request = {key: value for key, value in step.items() if key != "expect"}
    if "bundle" in request:
        request["bundle"] = request["bundle"].replace("$BUNDLE", str(bundle), 1)
    if "manifest" in request:
        request["manifest"] = (folder / "manifest.json").read_bytes().hex()
    return request
