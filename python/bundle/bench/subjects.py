"""What is timed: the ways in which a predictor, ONNX Runtime or a function is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bundle.align import aligned_empty
from bundle.bench.plan import PLAIN, Inputs, SessionPlan
from bundle.error import BundleError
from bundle.options import resolve_options
from bundle.predictor import Predictor
from bundle.session import CPU, load_session
from bundle.user_module import imported

#: What is timed, by how it is called: ``predict``, ``bound``.
Calls = dict[str, Callable[[], Any]]
Outputs = Mapping[str, Any]


def predictor_calls(predictor: Predictor, inputs: Inputs) -> Calls:
    """Return both ways of calling a predictor; text as an output, which nobody can bind, leaves `predict`."""
    calls: Calls = {"predict": partial(predictor.predict, inputs)}
    outputs = predictor.predict(inputs)
    if not _has_text(outputs):
        calls["bound"] = predictor.bind(inputs, _buffers(outputs)).run
    return calls


def rival_calls(against: str, session: SessionPlan, inputs: Inputs) -> Calls:
    """Return the ways of calling what the predictors are compared with.

    Args:
        against: ``onnxruntime``, or ``module:function``.
        session: that ``onnxruntime`` is.
        inputs: of the call.

    Raises:
        BundleError: ``usage_invalid`` about ``--against``; those of loading a session.
    """
    if against != PLAIN:
        return {"predict": partial(function(against), inputs)}
    loaded = load_session(
        session.path, session.model, session.settings, session.config, session.wanted, "strict"
    )
    return _session_calls(loaded.session, inputs)


def session_of(predictor: Predictor, options: Mapping[str, Any]) -> SessionPlan:
    """Return the session that a predictor of any language has, where it was opened with these options."""
    manifest = predictor.manifest
    chosen = resolve_options(_of_the_model(options), manifest)
    given = dict(chosen.providers or ((CPU, {}),))
    model = manifest.variant(predictor.variant).files[predictor.format]
    return SessionPlan(
        path=predictor.bundle.file_path(model),
        model=model,
        settings=dict(predictor.options),
        config=chosen.config,
        wanted=[(name, given.get(name, {})) for name in predictor.providers],
    )


def function(against: str) -> Callable[[Inputs], Any]:
    """Return the function that ``module:function`` names, of the current directory or installed.

    Raises:
        BundleError: ``usage_invalid``.
    """
    module, colon, name = against.partition(":")
    if not (module and colon and name):
        raise _refused(f"`{PLAIN}` or module:function", f"`{against}`")
    try:
        found = getattr(imported(module), name)
    except (Exception, SystemExit) as error:
        raise _refused("a function that can be imported", _said(error)) from error
    if not callable(found):
        raise _refused("a function", f"`{against}`, which cannot be called")
    return found  # type: ignore[no-any-return]


def failed(error: BaseException) -> BundleError:
    """Return the refusal of a function that raised."""
    return _refused("a function that answers the inputs", _said(error))


def _session_calls(session: Any, inputs: Inputs) -> Calls:
    """Return `run`, and `run_with_iobinding` where nothing is text, which Python cannot bind."""
    names = [output.name for output in session.get_outputs()]
    calls: Calls = {"predict": partial(session.run, names, inputs)}
    outputs = dict(zip(names, session.run(names, inputs), strict=True))
    if not _has_text(inputs) and not _has_text(outputs):
        calls["bound"] = _Bound(session, inputs, _buffers(outputs)).run
    return calls


def _has_text(arrays: Outputs) -> bool:
    return any(array.dtype.hasobject for array in arrays.values())


class _Bound:
    """A session whose inputs and outputs are bound; keeps the arrays that it borrows."""

    def __init__(self, session: Any, inputs: Inputs, outputs: Outputs) -> None:
        self._session = session
        self._arrays = inputs, outputs
        self._binding = session.io_binding()
        for name, array in inputs.items():
            self._binding.bind_input(name, "cpu", 0, *_memory(array))
        for name, array in outputs.items():
            self._binding.bind_output(name, "cpu", 0, *_memory(array))

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)


def _memory(array: Any) -> tuple[Any, ...]:
    return array.dtype.type, array.shape, array.ctypes.data


def _buffers(outputs: Outputs) -> Inputs:
    """Return memory for outputs of these dtypes and shapes."""
    return {name: aligned_empty(value.shape, value.dtype) for name, value in outputs.items()}


def _of_the_model(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without those of opening a bundle, and without what only natives know."""
    return {
        name: value for name, value in options.items() if name not in ("digest", "mode", "library", "runtime")
    }


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}"


def _refused(expected: str, found: str) -> BundleError:
    return BundleError("usage_invalid", "--against", expected, found)
