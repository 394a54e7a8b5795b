"""Calibration data: representative inputs, from a file, a folder of images or a function of the user's."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.lib import format as npy

from bundle.builder.advice import Advice
from bundle.builder.golden import Array, Case, goldens_of, load_npz
from bundle.builder.images import ImageReader, find_images
from bundle.builder.model import Port, Signature
from bundle.error import BundleError
from bundle.golden import TensorFileError, read_tensors
from bundle.inputs import InputSet
from bundle.manifest import Input
from bundle.user_module import imported

T = TypeVar("T")

#: More cases than these hardly move a range any more, and each one costs a run of the model.
LIMIT = 500
#: Bytes that a file of calibration data may hold, unpacked.
MAX_BYTES = 1 << 30

_FORMS = "an .npz or .safetensors file, a folder of images, or module:function"
_HINT_FEWER = "give fewer cases: a hundred that differ serve as well as thousands"
_FUNCTION = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")


def load_calibration(
    source: str | Iterable[Mapping[str, Array]],
    signature: Signature,
    resize: tuple[int, int] | None = None,
    normalize: str | None = None,
    limit: int = LIMIT,
    advice: list[Advice] | None = None,
) -> list[Case]:
    """Read representative inputs.

    Args:
        source: an ``.npz`` or ``.safetensors`` file with ``inputs/NAME`` or ``NAME`` for each input, whose
            first axis counts the cases; a folder of images; or ``module:function``, found from the current
            directory, which gives the inputs of one case after the other as a dict of arrays; or such
            dicts themselves.
        signature: of the model.
        resize: height and width that images get; None for the input's own.
        normalize: ``MEAN/STD`` for images, one number or one for each channel on each side, applied to
            pixel / 255; None leaves pixel / 255.
        limit: at most so many cases: spread over a file or folder, the first ones of a function.
        advice: gets a line where there were more.

    Returns:
        at least one case; arrays of the inputs' types, contiguous, finite.

    Raises:
        BundleError: ``calibration_invalid`` with the input, the file or the function; ``extra_missing`` for
            images without pillow.
    """
    subject = source if isinstance(source, str) else "calibration"
    given, total = _given(source, signature, resize, normalize, limit)
    # Checked one by one, as a function may give the same buffer again with other values.
    cases = _checked(islice(given, limit + 1), subject, signature)
    if not cases:
        raise _invalid(subject, "at least one case", "none")
    if max(total, len(cases)) > limit and advice is not None:
        text = f"calibration uses {limit} cases of `{subject}`, which has more"
        advice.append(Advice("calibration_cut", subject, text))
    return cases[:limit]


def _given(
    source: str | Iterable[Any],
    signature: Signature,
    resize: tuple[int, int] | None,
    normalize: str | None,
    limit: int,
) -> tuple[Iterable[Any], int]:
    """Return the cases of a source, and how many it has, 0 where only the end will tell.

    Of those whose number is known there are at most ``limit``, spread over all.
    """
    if not isinstance(source, str):
        return source, 0
    path = Path(source)
    if path.is_dir():
        # Before the images are looked for: a model that takes none is what is wrong then.
        reader = ImageReader.of(path, signature, resize, normalize)
        files = find_images(path)
        return map(reader.read, _spread(files, limit)), len(files)
    if resize is not None or normalize is not None:
        expected = "a folder of images, as --resize and --normalize are about images"
        raise _invalid(source, expected, _kind(path))
    if path.suffix.lower() in _READERS:
        held = _file_cases(path, signature)
        return _spread(held, limit), len(held)
    if _FUNCTION.fullmatch(source):
        return _function_cases(source), 0
    raise _invalid(source, _FORMS, _kind(path))


def _spread(items: Sequence[T], limit: int) -> list[T]:
    """Return at most ``limit`` items, spread evenly: labelled sets are often sorted by label."""
    count = min(len(items), limit)
    return [items[index * len(items) // count] for index in range(count)]


def _checked(cases: Iterable[Any], source: str, signature: Signature) -> list[Case]:
    """Return cases that a predictor would take: names, types, ranks, sizes, no NaN and no infinity."""
    inputs = InputSet(tuple(map(_finite_input, signature.inputs)))
    checked = []
    for number, case in enumerate(cases):
        if not isinstance(case, Mapping):
            raise _invalid(
                source, "a dict of arrays for each case", f"case {number} of {type(case).__name__}"
            )
        try:
            arrays, _ = inputs.check(dict(case))
        except BundleError as error:
            found = f"{error.found} in case {number}"
            raise _invalid(error.subject, error.expected, found, error.hint) from error
        checked.append({name: np.array(array, order="C") for name, array in arrays.items()})
    return checked


def _finite_input(port: Port) -> Input:
    """Return an input as a manifest would list it; an axis without a name gets one."""
    shape = tuple(f"axis {axis}" if size is None else size for axis, size in enumerate(port.shape))
    return Input(port.name, port.dtype, shape, True)


def _file_cases(path: Path, signature: Signature) -> list[Case]:
    """Return all cases of a file, with its errors under the code of calibration."""
    try:
        return _READERS[path.suffix.lower()](path, signature)
    except BundleError as error:
        raise _invalid(error.subject, error.expected, error.found, error.hint) from error
    except (OSError, TensorFileError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise _invalid(path.name, f"a readable {path.suffix} file", found) from error


def _npz_cases(path: Path, signature: Signature) -> list[Case]:
    _refuse_bomb(path)
    return load_npz(path, signature).cases


def _safetensors_cases(path: Path, signature: Signature) -> list[Case]:
    _refuse_large(path.name, path.stat().st_size)
    return goldens_of(read_tensors(path.read_bytes(), canonical=False), signature).cases


_READERS: dict[str, Callable[[Path, Signature], list[Case]]] = {
    ".npz": _npz_cases,
    ".safetensors": _safetensors_cases,
}


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that unpacks to too much, or whose arrays are larger than their bytes."""
    try:
        archive = zipfile.ZipFile(path)
    except Exception:  # whoever reads it says what it is instead
        return
    total = 0
    with archive:
        for member in archive.infolist():
            key = member.filename.removesuffix(".npy")
            total += member.file_size
            _refuse_large(key, total)
            declared = _declared_bytes(archive, member)
            if declared > member.file_size:
                found = f"{member.file_size} bytes of the {declared} that its shape needs"
                raise _invalid(key, "a whole array", found)


def _declared_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Return the bytes that an array's header promises; 0 where it has none that can be read."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        with archive.open(member) as file:
            shape, _, dtype = readers[npy.read_magic(file)](file)
    except Exception:  # whoever reads the array says what is wrong with it
        return 0
    return 0 if dtype.hasobject else prod(shape) * dtype.itemsize


def _refuse_large(subject: str, size: int) -> None:
    if size > MAX_BYTES:
        raise _invalid(
            subject, f"at most {MAX_BYTES} bytes of calibration data", f"{size} bytes", _HINT_FEWER
        )


def _function_cases(source: str) -> Iterator[Any]:
    """Yield what the user's function gives; whatever it raises becomes one error, and prints go to stderr."""
    module, _, name = source.partition(":")
    with redirect_stdout(sys.stderr):
        try:
            given = getattr(imported(module), name)()
            yield from given
        except (Exception, SystemExit) as error:
            lines = str(error).strip().splitlines() or ["no message"]
            found = f"{type(error).__name__}: {lines[0]}"
            raise _invalid(source, "a function that gives one dict after the other", found) from error


def _kind(path: Path) -> str:
    return "a file of another kind" if path.exists() else "no such file or folder"


def _invalid(subject: str, expected: str, found: str, hint: str = "") -> BundleError:
    return BundleError("calibration_invalid", subject, expected, found, hint)
