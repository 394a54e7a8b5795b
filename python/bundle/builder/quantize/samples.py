"""Calibration cases on their way to the worker: a file, read one case at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bundle.builder.golden import Case

#: How many cases a calibrator may have in hand before it must take stock of them.
STRIDE = 32


def save_samples(cases: Sequence[Case], path: Path) -> Path:
    """Write cases to a file that ``Samples`` reads; text becomes numpy's own type."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, case in enumerate(cases):
            # Numbers, since a tensor's name may be no path in an archive.
            for place, name in enumerate(case):
                array = case[name]
                plain = array.astype(np.str_) if array.dtype.kind == "O" else array
                with archive.open(f"{number}/{place}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, plain, allow_pickle=False)
        names = np.array(list(cases[0]), dtype=np.str_)
        with archive.open("names.npy", "w") as member:
            np.lib.format.write_array(member, names, allow_pickle=False)
    return path


class Samples:
    """Cases for ONNX Runtime's calibrators, read when they are asked for.

    The calibrators keep what they measured of each case until they take stock, which they do after
    ``STRIDE`` cases; ``len`` is rounded up, as they take whole strides only.
    """

    def __init__(self, path: Path) -> None:
        self._archive = np.load(path, allow_pickle=False)
        self._names = self._archive["names"].tolist()
        self._count = (len(self._archive.files) - 1) // len(self._names)
        self._next, self._end = 0, self._count

    def __len__(self) -> int:
        """Return the number of cases, rounded up to whole strides."""
        return -(-self._count // STRIDE) * STRIDE

    def set_range(self, start_index: int, end_index: int) -> None:
        """Make ``get_next`` give the cases from ``start_index`` to before ``end_index``."""
        self._next, self._end = start_index, min(end_index, self._count)

    def get_next(self) -> Case | None:
        """Return the next case, or None after the last."""
        if self._next >= self._end:
            return None
        number, self._next = self._next, self._next + 1
        case = {name: self._archive[f"{number}/{i}"] for i, name in enumerate(self._names)}
        return {
            name: array.astype(object) if array.dtype.kind == "U" else array for name, array in case.items()
        }
