"""The program `bundle-predict`: the protocol of spec/DRIVER.md, one JSON object a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from bundle.error import BundleError
from bundle.protocol import Driver, Reply, failure, opened, refuse, rolled_back, updated
from bundle.spec import table

USAGE = """\
usage: bundle-predict                       answer requests from stdin, one JSON object a line
       bundle-predict --describe            say what this program is
       bundle-predict --self-test BUNDLE [--options JSON]
                                            replay the golden cases of a bundle
       bundle-predict BUNDLE --input FILE [--options JSON]
                                            predict once; FILE is .json, .npz or .safetensors
       bundle-predict --update FOLDER ARCHIVE [--options JSON]
                                            let a device folder run the bundle of an archive
       bundle-predict --rollback FOLDER     let it run the bundle before again
"""
# What a program that predicts and updates can meet; building and installing are not its business.
_STAGES = ("manifest", "open", "library", "predict", "update")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        return serve()
    if words == ["--describe"]:
        _say(describe())
        return 0
    if words in (["--help"], ["-h"]):
        sys.stdout.write(USAGE)
        return 0
    if asked := _asked(words):
        return _once(*asked)
    sys.stderr.write(
        f"error: usage_invalid: `{words[0]}`: expected one of these command lines, found another\n{USAGE}"
    )
    return 2


def _asked(words: list[str]) -> tuple[Callable[[], Reply], str] | None:
    """Return what a command line asks for, and the field that decides the exit code, where one does."""
    command, options = _split(words)
    match command:
        case ["--self-test", path]:
            return (lambda: _self_test_once(path, options)), "passed"
        case [path, "--input", file]:
            return (lambda: _predict_once(path, file, options)), ""
        case ["--update", folder, archive]:
            return (lambda: {"ok": True, **updated(folder, archive, _object(options))}), ""
        case ["--rollback", folder] if command == words:
            return (lambda: {"ok": True, **rolled_back(folder)}), ""
    return None


def _split(words: list[str]) -> tuple[list[str], str]:
    """Return the arguments without ``--options JSON`` at their end, and the JSON."""
    if len(words) >= 2 and words[-2] == "--options":
        return words[:-2], words[-1]
    return words, "{}"


def _once(answer: Callable[[], Reply], passed: str) -> int:
    """Print an answer or an error, and return the exit code: 0 where `passed` is true in the answer."""
    try:
        reply = answer()
    except BundleError as error:
        _say(failure(error))
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return 1
    _say(reply)
    return 0 if not passed or reply[passed] else 1


def serve() -> int:
    """Answer requests from stdin until it ends."""
    driver = Driver()
    for line in sys.stdin.buffer:
        _say(driver.answer(line))
    return 0


def describe() -> Reply:
    """Return the reply of ``--describe``."""
    from bundle import __version__
    from bundle.library import version

    try:
        library: str | None = version()
    except BundleError:
        library = None
    return {
        "language": "python",
        "version": __version__,
        "format_versions": [1],
        "onnxruntime": library,
        "codes": codes(),
    }


def codes() -> list[str]:
    """Return every code that this program can give, sorted."""
    rows = table("errors")["errors"]
    # A row that names languages belongs to those alone: Python meets no code of another's library.
    mine = [row for row in rows if "python" in row.get("runtimes", ["python"])]
    return sorted(row["code"] for row in mine if row["stage"] in _STAGES or row["code"] == "usage_invalid")


def _object(text: str) -> dict[str, Any]:
    """Return the options that a person wrote."""
    options: Any = None
    with suppress(ValueError, RecursionError):
        options = json.loads(text)
    if not isinstance(options, dict):
        refuse("--options", "a JSON object", "other text")
    return options


def _self_test_once(path: str, options: str) -> Reply:
    with opened(path, _object(options)) as predictor:
        return {"ok": True, **predictor.self_test().tree()}


def _predict_once(path: str, file: str, options: str) -> Reply:
    from bundle.cli import tensor_file

    with opened(path, _object(options)) as predictor:
        try:
            given = tensor_file.read(file, predictor.inputs)
        except BundleError as error:
            # This program has one code for arguments that are wrong.
            refuse(error.subject, error.expected, error.found)
        return tensor_file.json_tree(predictor.predict(given.tensors), given.exact)


def _say(reply: Reply) -> None:
    # One write per reply, so that a reader on the other side of a pipe never sees half of one.
    sys.stdout.write(json.dumps(reply, allow_nan=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
