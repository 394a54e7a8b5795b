"""What one runtime in this process says about a bundle: bytes where it answers, a code where it refuses."""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

import bundle
from bundle.align import aligned_empty
from bundle.bundle import Bundle
from bundle.error import BundleError
from bundle.golden import load_case
from bundle.predictor import Predictor

Arrays = dict[str, np.ndarray]
#: Answers by question: a digest of the outputs, or a code and its subject.
Said = dict[str, str]

OPENED = "opened"
REFUSED = "refused: "


@lru_cache(maxsize=1)
def _cases(path: Path, form: str) -> list[tuple[Arrays, Arrays]]:
    """The inputs of every golden case of a bundle's default variant, and buffers for its numbers."""
    opened = Bundle.open(path)
    variant = opened.manifest.default_variant
    assert form in opened.manifest.variant(variant).files
    found = [load_case(opened, file, variant) for file in opened.manifest.golden]
    return [
        (case.inputs, {name: array for name, array in case.recorded.items() if array.dtype != object})
        for case in found
    ]


def said(path: Path, form: str, runtime: str) -> Said:
    """Open a bundle with a runtime and ask it: every case in two ways, and what it has to refuse."""
    given = _cases(path, form)
    answers: Said = {}
    try:
        predictor = bundle.open(path, runtime=runtime, format=form)
    except BundleError as error:
        return {"open": _refusal(error)}
    answers["open"] = OPENED
    with predictor:
        for number, (inputs, shapes) in enumerate(given):
            answers[f"case {number}"] = _answer(partial(predictor.predict, inputs))
            answers[f"case {number} into buffers"] = _answer(partial(_into, predictor, inputs, shapes))
        for about, inputs in wrong(given[0][0]):
            answers[about] = _answer(partial(predictor.predict, inputs))
    return answers


def wrong(inputs: Arrays) -> Iterator[tuple[str, Arrays]]:
    """Inputs that nothing may answer."""
    yield "an unknown input", {**inputs, "no input of this model": np.zeros(1, np.float32)}
    for name, array in inputs.items():
        other = np.dtype(np.uint8 if array.dtype == np.int8 else np.int8)
        yield f"without {name}", {other: value for other, value in inputs.items() if other != name}
        yield f"{name} with an axis too many", {**inputs, name: array[None]}
        yield f"{name} of another dtype", {**inputs, name: np.zeros(array.shape, other)}


def _into(predictor: Predictor, inputs: Arrays, shapes: Arrays) -> Arrays:
    buffers = {name: aligned_empty(array.shape, array.dtype) for name, array in shapes.items()}
    predictor.predict_into(inputs, buffers)
    return buffers


def _answer(work: Callable[[], Arrays]) -> str:
    try:
        return digest(work())
    except BundleError as error:
        return _refusal(error)


def digest(arrays: Arrays) -> str:
    """A digest of the names, types, shapes and bytes of arrays."""
    total = sha256()
    for name in sorted(arrays):
        array = arrays[name]
        assert isinstance(array, np.ndarray)
        data: Any = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
        total.update(repr((name, array.dtype.str, array.shape, len(data))).encode() + data)
    return total.hexdigest()


def _refusal(error: BundleError) -> str:
    return f"{REFUSED}{error.code} {error.subject}"
