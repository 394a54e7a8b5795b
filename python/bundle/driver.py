"""The program `bundle-predict`: the protocol of spec/DRIVER.md, one JSON object a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bundle.error import BundleError
from bundle.protocol import Driver, Reply, failure, opened, refuse
from bundle.spec import table

if TYPE_CHECKING:
    from bundle.predictor import Predictor

USAGE = """\
usage: bundle-predict                       answer requests from stdin, one JSON object a line
       bundle-predict --describe            say what this program is
       bundle-predict --self-test BUNDLE [--options JSON]
                                            replay the golden cases of a bundle
       bundle-predict BUNDLE --input FILE [--options JSON]
                                            predict once; FILE is .json, .npz or .safetensors
"""
# What a program that only predicts can meet; building and installing are not its business.
_STAGES = ("manifest", "open", "library", "predict")


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
    command, options = _split(words)
    if len(command) == 2 and command[0] == "--self-test":
        return _once(lambda: _self_test_once(command[1], options), passed="passed")
    if len(command) == 3 and command[1] == "--input":
        return _once(lambda: _predict_once(command[0], command[2], options))
    sys.stderr.write(
        f"error: usage_invalid: `{words[0]}`: expected one of these command lines, found another\n{USAGE}"
    )
    return 2


def _split(words: list[str]) -> tuple[list[str], str]:
    """Return the arguments without ``--options JSON`` at their end, and the JSON."""
    if len(words) >= 2 and words[-2] == "--options":
        return words[:-2], words[-1]
    return words, "{}"


def _once(answer: Callable[[], Reply], passed: str = "") -> int:
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


def _opened_for_a_person(path: str, text: str) -> Predictor:
    try:
        options = json.loads(text)
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        refuse("--options", "a JSON object", "other text")
    return opened(path, options)


def _self_test_once(path: str, options: str) -> Reply:
    with _opened_for_a_person(path, options) as predictor:
        return {"ok": True, **predictor.self_test().tree()}


def _predict_once(path: str, file: str, options: str) -> Reply:
    from bundle.cli import tensor_file

    with _opened_for_a_person(path, options) as predictor:
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
