"""The build's side of estimators: it asks the worker, and never unpickles anything itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from bundle.builder.advice import Advice
from bundle.builder.estimator.answer import answer
from bundle.builder.estimator.convert import convert
from bundle.builder.estimator.values import make_cases
from bundle.builder.framework import compare_with_framework
from bundle.builder.gate import Reference
from bundle.builder.golden import Case
from bundle.builder.kinds import looks_like
from bundle.builder.model import Model
from bundle.builder.signature import read_signature
from bundle.builder.worker import Worker, WorkerError
from bundle.error import BundleError
from bundle.tolerance import Array

P = ParamSpec("P")
T = TypeVar("T")

#: What `model.source.format` of a manifest says of an estimator.
FORMAT = "scikit-learn"
_SUFFIXES = (".joblib", ".pickle", ".pkl")
_LIBRARIES = {"sklearn": "scikit-learn", "skl2onnx": "skl2onnx", "joblib": "joblib"}

_HINT_MISMATCH = (
    "skl2onnx makes another model of this estimator; another kind of estimator, or another version of "
    "skl2onnx, may do"
)


@dataclass(frozen=True)
class Converted:
    """What became of an estimator.

    Attributes:
        path: an ONNX file in the work folder: what the build goes on with.
        advice: sentences for the user.
        decisions: for each output, what it decides (words of spec/tolerances.json).
        labels: for the output that has one column for each class, what the classes are called.
    """

    path: Path
    advice: list[Advice]
    decisions: dict[str, str]
    labels: dict[str, tuple[str, ...]]


def is_estimator(path: Path) -> bool:
    """Tell by its ending whether a file is to be taken for a saved estimator; the file is not opened."""
    return path.suffix.lower() in _SUFFIXES


def convert_estimator(source: Path, work: Path, worker: Worker, trust: bool = False) -> Converted:
    """Convert a saved estimator into an ONNX file in the folder ``work``; its bytes repeat.

    Args:
        source: a ``.joblib``, ``.pkl`` or ``.pickle`` file.
        work: where the ONNX file goes.
        worker: unpickles and converts.
        trust: whether the user said that the file may run code.

    Raises:
        BundleError: ``model_unreadable`` where the file is no pickle or cannot be unpickled,
            ``pickle_untrusted`` without ``trust``, ``extra_missing``, ``estimator_unsupported``.
    """
    refuse(source, trust)
    _require()
    path = work / "estimator.onnx"
    told = _ask(worker, source, convert, source, path)
    advice = [Advice(code, source.name, text) for code, text in told.notes]
    return Converted(path, advice, told.decisions, told.labels)


def refuse(source: Path, trust: bool = False) -> None:
    """Refuse a file that by its bytes is no pickle, and a pickle that the user has not said to trust.

    Errors: ``model_unreadable``, ``pickle_untrusted``.
    """
    kind = looks_like(source)
    if kind.found and not kind.pickle:
        expected = "a saved scikit-learn estimator"
        raise BundleError("model_unreadable", source.name, expected, kind.found, kind.hint)
    if not trust:
        expected, found = "a file that is trusted to run code", "a pickle, which can run any code"
        raise BundleError("pickle_untrusted", source.name, expected, found)


def framework_answers(
    source: Path, model: Model, cases: Sequence[Mapping[str, Array]], worker: Worker
) -> tuple[Case, ...] | None:
    """Return what the estimator itself answers to each case, as the outputs of the model made of it.

    Args:
        source: the user's file, trusted when it was converted; None is returned where it is no estimator.
        model: the converted model, perhaps checked and slimmed: says names, types and ranks of outputs.
        cases: inputs by name; float32 goes to the estimator as the float64 of the same shortest decimals.
        worker: unpickles and computes.

    Raises:
        BundleError: ``source_failed`` where the estimator refuses a case; ``model_unreadable``.
    """
    if not is_estimator(source):
        return None
    signature = _ask(worker, source, read_signature, model)
    ports = [(port.name, port.dtype, port.shape) for port in signature.outputs]
    return tuple(_ask(worker, source, answer, source, ports, list(cases)))


def compare_with_estimator(source: Path, model: Model, reference: Reference, worker: Worker) -> list[Advice]:
    """Compare the converted model's answers with those of the estimator itself, on every golden case.

    Returns:
        one advice per output that is off by more than rounding, and less than a fault; none where
        ``source`` is no estimator.

    Raises:
        BundleError: ``golden_mismatch`` where the conversion made another model of it; ``source_failed``.
    """
    answers = framework_answers(source, model, reference.cases, worker)
    try:
        found = compare_with_framework(answers or (), reference)
    except BundleError as error:
        expected = "what the estimator itself answers"
        raise BundleError(error.code, error.subject, expected, error.found, _HINT_MISMATCH) from error
    text = "`{}` is not quite what the estimator itself answers: {}"
    return [Advice(each.code, each.subject, text.format(each.subject, _detail(each))) for each in found]


def _detail(advice: Advice) -> str:
    """Return what differs, without whose answers it is compared with."""
    return advice.text.partition(": ")[2]


def estimator_cases(source: Path, worker: Worker, seed: int = 0, count: int = 8) -> list[Case] | None:
    """Make up ``count`` cases of one row in the range of what the estimator has learned from.

    Thresholds, means, centers, categories and words of the estimator tell that range; where it knows
    none, values are those of a normal distribution. None where ``source`` is no estimator.

    Raises:
        BundleError: ``model_unreadable``.
    """
    if not is_estimator(source):
        return None
    return _ask(worker, source, make_cases, source, seed, count)


def _require() -> None:
    for module, name in _LIBRARIES.items():
        if importlib.util.find_spec(module) is None:
            expected, found = "the libraries for saved estimators", "an installation without it"
            hint = "pip install 'edgebundle[build,sklearn]'"
            raise BundleError("extra_missing", name, expected, found, hint)


def _ask(worker: Worker, source: Path, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a job in the worker; an end that nobody foresaw is a fault of the file."""
    try:
        return worker.call(job, *args, **kwargs)
    except WorkerError as error:
        raise error.as_error("model_unreadable", source.name, "a saved scikit-learn estimator") from error
