"""The requests of spec/DRIVER.md and their replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.predictor import Predictor

Request = Mapping[str, Any]
Reply = dict[str, Any]


class Driver:
    """The open predictors by handle, and one method for each request."""

    def __init__(self, runtime: str = "python") -> None:
        """Args: the runtime that opens bundles in this process; manifests are parsed by Python's."""
        self._runtime = runtime
        self._predictors: dict[str, Predictor] = {}

    def answer(self, line: bytes) -> Reply:
        """Return the reply to one line; it never raises for what a line holds."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return _guarded(lambda: refuse(".", "a JSON object", "another line"))
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
            "rollback": _rollback,
            "self_test": self._self_test,
            "update": _update,
        }
        name = request.get("op")
        if not isinstance(name, str) or name not in operations:
            refuse(name if isinstance(name, str) else ".", f"op: {', '.join(operations)}", "no such op")
        return operations[name](request)

    def _open(self, request: Request) -> Reply:
        handle = _field(request, "handle", str)
        path = _field(request, "bundle", str)
        options = _field(request, "options", dict, {})
        if handle in self._predictors:
            self._predictors[handle].close()
        predictor = opened(path, options, self._runtime)
        self._predictors[handle] = predictor
        return {
            "variant": predictor.variant,
            "format": predictor.format,
            "reason": predictor.reason,
            "providers": list(predictor.providers),
            "session": dict(predictor.options),
            "inputs": [_port(port) for port in predictor.inputs],
            "outputs": [_port(port) for port in predictor.outputs],
        }

    def _parse(self, request: Request) -> Reply:
        from bundle.manifest import Manifest

        try:
            data = bytes.fromhex(_field(request, "manifest", str))
        except ValueError:
            refuse("parse", "`manifest`, bytes in hex", "other text")
        Manifest.parse(data)
        return {}

    def _predict(self, request: Request) -> Reply:
        return _outputs(self._handle(request).predict(_inputs(request)))

    def _predict_batch(self, request: Request) -> Reply:
        size = _field(request, "batch_size", int) if "batch_size" in request else None
        return _outputs(self._handle(request).predict_batch(_inputs(request), size))

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
            refuse(handle, "a handle that was opened", "an unknown one")
        return self._predictors[handle]


def opened(path: str, options: Mapping[str, Any], runtime: str = "python") -> Predictor:
    """Open with options as JSON has them, where null is no value."""
    from bundle.bundle import Bundle
    from bundle.predictor import Predictor

    opening = {name: options[name] for name in ("digest", "mode") if name in options}
    # In Python None says that there is no digest; text says what stands there, and is refused in its turn.
    opening = {name: "null" if value is None else value for name, value in opening.items()}
    others = {name: value for name, value in options.items() if name not in opening}
    if isinstance(others.get("providers"), dict):
        # In Python a mapping of names to options is a list of pairs; an object of JSON is none.
        others["providers"] = [others["providers"]]
    if runtime != "python":
        from bundle.runtimes import open_native

        return open_native(runtime, path, None, {**others, **opening})
    return Predictor(Bundle.open(path, **opening), options=others)


def updated(folder: str, archive: str, options: Mapping[str, Any]) -> Reply:
    """Update with options as JSON has them, where null is no value."""
    from bundle.device.change import update

    # In Python None says that there is no such option; a list is of none of their types.
    own: dict[str, Any] = {
        name: [] for name in ("digest", "max_bytes") if name in options and options[name] is None
    }
    return vars(update(folder, archive, **{**options, **own}))


def rolled_back(folder: str) -> Reply:
    """Roll back; the reply is that of an update."""
    from bundle.device.change import rollback

    return vars(rollback(folder))


def _update(request: Request) -> Reply:
    folder, archive = _field(request, "folder", str), _field(request, "archive", str)
    return updated(folder, archive, _field(request, "options", dict, {}))


def _rollback(request: Request) -> Reply:
    return rolled_back(_field(request, "folder", str))


def _guarded(answer: Callable[[], Reply]) -> Reply:
    """Return a reply, made of the error where there is one."""
    try:
        return {"ok": True, **answer()}
    except BundleError as error:
        return failure(error)


def failure(error: BundleError) -> Reply:
    """Return the reply for an error."""
    fields = {name: getattr(error, name) for name in ("code", "subject", "expected", "found")}
    return {"ok": False, "error": {**fields, "message": str(error)}}


def refuse(subject: str, expected: str, found: str) -> NoReturn:
    """Raise ``usage_invalid``."""
    raise BundleError("usage_invalid", subject, expected, found)


def _field(request: Request, name: str, kind: type, default: Any = None) -> Any:
    value = request.get(name, default)
    if type(value) is not kind:
        found = "none" if value is None else type(value).__name__
        refuse(request["op"], f"`{name}`, a {kind.__name__}", found)
    return value


def _inputs(request: Request) -> dict[str, Any]:
    from bundle.placement import decode

    return _tensors(request, "inputs", decode)


def _buffers(request: Request) -> dict[str, Any]:
    from bundle.placement import buffer

    return _tensors(request, "outputs", buffer)


def _tensors(request: Request, field: str, make: Callable[[Any], Any]) -> dict[str, Any]:
    arrays = {}
    for name, tensor in _field(request, field, dict).items():
        try:
            arrays[name] = make(tensor)
        except (ValueError, MemoryError) as error:
            refuse(request["op"], f"a tensor `{name}` in `{field}`", str(error))
    return arrays


def _outputs(arrays: Mapping[str, Any]) -> Reply:
    from bundle.cli.tensor_json import exact

    return {"outputs": {name: exact(array) for name, array in arrays.items()}}


def _port(port: Any) -> Reply:
    return {"name": port.name, "dtype": port.dtype, "shape": list(port.shape)}
