"""The program `bundle-predict`: the protocol of spec/DRIVER.md, one JSON object a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bundle.error import BundleError
from bundle.spec import table

if TYPE_CHECKING:
    from bundle.predictor import Predictor

USAGE = """\
usage: bundle-predict                       answer requests from stdin, one JSON object a line
       bundle-predict --describe            say what this program is
       bundle-predict --self-test BUNDLE    replay the golden cases of a bundle
       bundle-predict BUNDLE --input FILE   predict once; FILE is .json, .npz or .safetensors
"""
# What a program that only predicts can meet; building and installing are not its business.
_STAGES = ("manifest", "open", "library", "predict")

Request = Mapping[str, Any]
Reply = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        return serve()
    if words == ["--describe"]:
        _say(describe())
        return 0
    if len(words) == 2 and words[0] == "--self-test":
        reply = _guarded(lambda: _self_test_once(words[1]))
        _say(reply)
        return 0 if reply.get("passed") else 1
    if len(words) == 3 and words[1] == "--input":
        reply = _guarded(lambda: _predict_once(words[0], words[2]))
        _say(reply)
        return 0 if reply["ok"] else 1
    if words in (["--help"], ["-h"]):
        sys.stdout.write(USAGE)
        return 0
    sys.stderr.write(USAGE)
    return 2


def serve() -> int:
    """Answer requests from stdin until it ends."""
    driver = Driver()
    for line in sys.stdin.buffer:
        _say(driver.answer(line))
    return 0


class Driver:
    """The open predictors by handle, and one method for each request."""

    def __init__(self) -> None:
        self._predictors: dict[str, Predictor] = {}

    def answer(self, line: bytes) -> Reply:
        """Return the reply to one line; it never raises for what a line holds."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return _guarded(lambda: _usage(".", "a JSON object", "another line"))
        reply = _guarded(lambda: self._dispatch(request))
        return {"id": request["id"], **reply} if "id" in request else reply

    def _dispatch(self, request: Request) -> Reply:
        operations: dict[str, Callable[[Request], Reply]] = {
            "bind": self._bind,
            "close": self._close,
            "open": self._open,
            "parse": self._parse,
            "predict": self._predict,
            "predict_batch": self._predict_batch,
            "predict_into": self._predict_into,
            "self_test": self._self_test,
        }
        name = request.get("op")
        if not isinstance(name, str) or name not in operations:
            return _usage(
                name if isinstance(name, str) else ".", f"op: {', '.join(operations)}", "no such op"
            )
        return operations[name](request)

    def _open(self, request: Request) -> Reply:
        from bundle.predictor import Predictor

        handle = _field(request, "handle", str)
        path = _field(request, "bundle", str)
        options = dict(_field(request, "options", dict, {}))
        if handle in self._predictors:
            self._predictors[handle].close()
        predictor = Predictor.open(path, options.pop("variant", None), **options)
        self._predictors[handle] = predictor
        return {
            "variant": predictor.variant,
            "format": predictor.format,
            "reason": predictor.reason,
            "providers": list(predictor.providers),
            "inputs": [_port(port) for port in predictor.inputs],
            "outputs": [_port(port) for port in predictor.outputs],
        }

    def _parse(self, request: Request) -> Reply:
        from bundle.manifest import Manifest

        try:
            data = bytes.fromhex(_field(request, "manifest", str))
        except ValueError:
            return _usage("manifest", "bytes in hex", "other text")
        Manifest.parse(data)
        return {}

    def _predict(self, request: Request) -> Reply:
        return _outputs(self._handle(request).predict(_inputs(request)))

    def _predict_batch(self, request: Request) -> Reply:
        return _outputs(self._handle(request).predict_batch(_inputs(request), request.get("batch_size")))

    def _predict_into(self, request: Request) -> Reply:
        predictor, buffers = self._handle(request), _buffers(request)
        predictor.predict_into(_inputs(request), buffers)
        return _outputs(buffers)

    def _bind(self, request: Request) -> Reply:
        predictor, buffers = self._handle(request), _buffers(request)
        call = predictor.bind(_inputs(request), buffers)
        for _ in range(_field(request, "runs", int, 1)):
            call.run()
        return _outputs(buffers)

    def _self_test(self, request: Request) -> Reply:
        return self._handle(request).self_test().tree()

    def _close(self, request: Request) -> Reply:
        self._handle(request).close()
        return {}

    def _handle(self, request: Request) -> Predictor:
        handle = _field(request, "handle", str)
        if handle not in self._predictors:
            _usage(handle, "a handle that was opened", "an unknown one")
        return self._predictors[handle]


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


def _guarded(answer: Callable[[], Reply]) -> Reply:
    """Return a reply, made of the error where there is one."""
    try:
        return {"ok": True, **answer()}
    except BundleError as error:
        fields = {name: getattr(error, name) for name in ("code", "subject", "expected", "found")}
        return {"ok": False, "error": {**fields, "message": str(error)}}


def _usage(subject: str, expected: str, found: str) -> Reply:
    raise BundleError("usage_invalid", subject, expected, found)


def _field(request: Request, name: str, kind: type, default: Any = None) -> Any:
    value = request.get(name, default)
    if type(value) is not kind:
        _usage(name, f"a field of type {kind.__name__}", "none" if value is None else type(value).__name__)
    return value


def _inputs(request: Request) -> dict[str, Any]:
    from bundle.placement import decode

    return {name: decode(name, tensor) for name, tensor in _field(request, "inputs", dict).items()}


def _buffers(request: Request) -> dict[str, Any]:
    from bundle.placement import buffer

    return {name: buffer(name, tensor) for name, tensor in _field(request, "outputs", dict).items()}


def _outputs(arrays: Mapping[str, Any]) -> Reply:
    from bundle.cli.tensor_json import exact

    return {"outputs": {name: exact(array) for name, array in arrays.items()}}


def _port(port: Any) -> Reply:
    return {"name": port.name, "dtype": port.dtype, "shape": list(port.shape)}


def _self_test_once(path: str) -> Reply:
    from bundle.predictor import Predictor

    with Predictor.open(path) as predictor:
        return predictor.self_test().tree()


def _predict_once(path: str, file: str) -> Reply:
    from bundle.cli import tensor_file
    from bundle.predictor import Predictor

    with Predictor.open(path) as predictor:
        try:
            given = tensor_file.read(file, predictor.inputs)
        except BundleError as error:
            # This program has one code for arguments that are wrong.
            return _usage(error.subject, error.expected, error.found)
        return {"outputs": tensor_file.json_tree(predictor.predict(given.tensors), given.exact)}


def _say(reply: Reply) -> None:
    # One write per reply, so that a reader on the other side of a pipe never sees half of one.
    sys.stdout.write(json.dumps(reply, allow_nan=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
