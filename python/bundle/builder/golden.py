"""Golden cases: the inputs that a bundle is proven on, read from an ``.npz`` file or made up elsewhere."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bundle.builder.model import Port, Signature
from bundle.dtype import DTYPES, word_of
from bundle.error import BundleError
from bundle.spec import table
from bundle.suggest import did_you_mean
from bundle.tolerance import Tolerance, decide, limit

if TYPE_CHECKING:
    import onnxruntime as ort

Array = NDArray[Any]
#: Tensors by name: one question to a model, or its answer. Arrays are contiguous and own their bytes,
#: so that they start on a multiple of 16 (answers depend on the address otherwise).
Case = dict[str, Array]

#: A bundle ships at most so many cases, of at most so many bytes in all (but always one case).
SHIPPED_CASES = 8
SHIPPED_BYTES = 4 << 20

_INPUTS, _OUTPUTS, _LABELS = "inputs/", "outputs/", "labels"


@dataclass(frozen=True)
class Goldens:
    """The cases of one golden file.

    Attributes:
        cases: inputs, one dict per case, each array of the shape that the model's input has.
        labels: one label (a number, a text or an array) per case, or None.
        outputs: what the source framework answered, per case, perhaps not for every output; or None.
    """

    cases: list[Case]
    labels: Array | None
    outputs: list[Case] | None


def load_npz(path: Path, signature: Signature) -> Goldens:
    """Read ``inputs/NAME``, ``outputs/NAME`` and ``labels``; the leading axis of each counts the cases.

    Where no key has a prefix, plain names are taken for inputs and outputs.

    Errors: ``golden_invalid``; the subject is the key, or the file's name.
    """
    return goldens_of(_read(path), signature)


def goldens_of(arrays: dict[str, Array], signature: Signature) -> Goldens:
    """Turn the arrays of a golden file, by key, into cases, as ``load_npz`` does.

    Errors: ``golden_invalid``; the subject is the key.
    """
    arrays = _prefixed(arrays, signature)
    ports = {_INPUTS + port.name: port for port in signature.inputs}
    answers = {_OUTPUTS + port.name: port for port in signature.outputs}
    known = [*ports, *answers, _LABELS]
    for key in arrays:
        if key not in known:
            found, hint = (
                "an unknown key",
                did_you_mean(key, known) or did_you_mean(_INPUTS + key, known) or _HINT_KEYS,
            )
            raise _invalid(key, f"one of {', '.join(f'`{name}`' for name in known)}", found, hint)
    for key in ports:
        if key not in arrays:
            found = ", ".join(f"`{name}`" for name in arrays) or "an empty file"
            raise _invalid(key, "an array for every input of the model", f"only {found}", _HINT_KEYS)
    symbols: dict[str, int] = {}
    for key, port in ports.items():
        arrays[key] = _checked(key, arrays[key], port, symbols)
    for key in answers.keys() & arrays.keys():
        arrays[key] = _checked(key, arrays[key], answers[key], None)
    count = _count(arrays)
    recorded = [key for key in answers if key in arrays]
    return Goldens(
        cases=[_case(arrays, list(ports), _INPUTS, index) for index in range(count)],
        labels=arrays.get(_LABELS),
        outputs=[_case(arrays, recorded, _OUTPUTS, i) for i in range(count)] if recorded else None,
    )


def run_case(session: ort.InferenceSession, case: Case) -> Case:
    """Ask a session of ONNX Runtime for every output of one case."""
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(names, case), strict=True))


def nonfinite_inputs(cases: Sequence[Case]) -> set[str]:
    """Return the inputs that hold a NaN or an infinity in any case: the bundle must accept it there."""
    return {
        name
        for case in cases
        for name, array in case.items()
        if array.dtype.kind == "f" and not np.isfinite(array).all()
    }


def choose_shipped(cases: Sequence[Case], recorded_bytes: Sequence[int]) -> list[int]:
    """Return the indices of the cases that the bundle carries, spread evenly over all of them.

    Spread, because labelled sets are often sorted by label. ``recorded_bytes`` is what a case's
    recorded outputs add.
    """
    sizes = [_size(case) + extra for case, extra in zip(cases, recorded_bytes, strict=True)]
    for count in range(min(SHIPPED_CASES, len(cases)), 1, -1):
        chosen = [index * len(cases) // count for index in range(count)]
        if sum(sizes[index] for index in chosen) <= SHIPPED_BYTES:
            return chosen
    return [0]


def informative(
    outputs: Sequence[Case], decisions: Mapping[str, str], tolerances: Mapping[str, Tolerance]
) -> bool:
    """Tell whether answers differ enough for a wrong file to be caught; else say ``golden_uninformative``.

    Args:
        outputs: the source model's answer to each case.
        decisions: what an output decides (a word of spec/tolerances.json); ``none`` where not named.
        tolerances: by output, what it is compared with later.
    """
    return any(
        _decides(outputs, name, decisions.get(name, "none")) or _spreads(outputs, name, tolerance)
        for name, tolerance in tolerances.items()
    )


def _decides(outputs: Sequence[Case], name: str, decision: str) -> bool:
    """Tell whether an output takes at least two different decisions."""
    if decision == "none":
        return False
    # Nothing can be decided by an answer without values.
    answers = [case[name] for case in outputs if case[name].size]
    values = [value for answer in answers for value in decide(answer, decision).ravel().tolist()]
    return len(set(values)) > 1


def _spreads(outputs: Sequence[Case], name: str, tolerance: Tolerance) -> bool:
    """Tell whether some element varies over the cases by far more than its tolerance."""
    arrays = [case[name] for case in outputs]
    if any(array.shape != arrays[0].shape for array in arrays):
        return True
    if arrays[0].dtype.kind not in "fiu":
        return any(array.tolist() != arrays[0].tolist() for array in arrays)
    stack = np.stack(arrays).astype(np.float64)
    # What is not finite in one case says nothing about the spread.
    stack = np.where(np.isfinite(stack).all(axis=0), stack, 0.0)
    spread = float((stack.max(axis=0) - stack.min(axis=0)).max(initial=0.0))
    bound = max(limit(array, tolerance) for array in arrays)
    return spread > int(table("tolerances")["budgets"]["informative_spread"]) * bound


#: What a golden file holds, for those who see it for the first time.
_HINT_KEYS = (
    "write it with np.savez: `inputs/NAME` for each input, and where they are known `outputs/NAME` and "
    "`labels`; the first axis counts the cases"
)


def _prefixed(arrays: dict[str, Array], signature: Signature) -> dict[str, Array]:
    """Return the arrays under their full keys; a plain name is an input's before it is an output's."""
    if any(key.startswith((_INPUTS, _OUTPUTS)) for key in arrays):
        return arrays
    full = {port.name: _OUTPUTS + port.name for port in signature.outputs if port.name != _LABELS}
    full |= {port.name: _INPUTS + port.name for port in signature.inputs}
    return {full.get(key, key): array for key, array in arrays.items()}


def _open(path: Path) -> zipfile.ZipFile:
    """Open a golden file, or say what it is instead."""
    if path.is_dir():
        raise _invalid(str(path), "an .npz file", "a folder", _HINT_KEYS)
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        found = f"a file ending in {path.suffix}" if path.suffix not in ("", ".npz") else "no .npz archive"
        raise _invalid(path.name, "an .npz file", found, _HINT_KEYS) from error
    except Exception as error:
        found = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        found = "no such file" if isinstance(error, FileNotFoundError) else found
        raise _invalid(path.name, "an .npz file", found) from error


def _read(path: Path) -> dict[str, Array]:
    """Return the arrays of an archive by key, in its order; zipfile, zlib and numpy fail in a dozen ways."""
    archive = _open(path)
    arrays: dict[str, Array] = {}
    with archive:
        for member in archive.namelist():
            key = member.removesuffix(".npy")
            if key == member or key in arrays:
                found = "a second array of that name" if key in arrays else "a file of another kind"
                raise _invalid(key, "one array for each key", found)
            try:
                with archive.open(member) as file:
                    arrays[key] = np.lib.format.read_array(file, allow_pickle=False)
            except Exception as error:
                found = " ".join(str(error).split())[:200]
                raise _invalid(key, "an array of numbers, bools or text", found) from error
    return arrays


def _checked(key: str, array: Array, port: Port, symbols: dict[str, int] | None) -> Array:
    """Return the array in native byte order, after checking its type, rank and sizes.

    ``symbols`` holds the sizes bound so far; None where they are free, as those of outputs are.
    """
    word = word_of(array)
    if word != port.dtype:
        hint = f"`.astype(np.{port.dtype})`" if port.dtype in DTYPES and port.dtype != "string" else ""
        raise _invalid(key, port.dtype, word or str(array.dtype), hint)
    if array.ndim != 1 + len(port.shape):
        found = f"shape {list(array.shape)}"
        expected = f"{1 + len(port.shape)} axes: the cases, then {_shape(port)}"
        raise _invalid(key, expected, found, _axis_hint(array, port))
    for size, wanted in zip(array.shape[1:], port.shape, strict=True):
        fixed = wanted
        if isinstance(wanted, str):
            if symbols is None:
                continue
            fixed = symbols.setdefault(wanted, size)
            if size < 1:
                raise _invalid(key, f"`{wanted}` of at least 1", "0")
        if size != fixed:
            expected = f"`{wanted}` = {fixed}" if isinstance(wanted, str) else f"shape {_shape(port)}"
            raise _invalid(key, expected, f"shape {list(array.shape[1:])}")
    return array.astype(DTYPES[port.dtype].numpy, copy=False)


def _axis_hint(array: Array, port: Port) -> str:
    """Return how rows become cases, where the array has rows that the model takes one at a time."""
    rest = zip(array.shape[1:], port.shape[1:], strict=True) if array.ndim == len(port.shape) else ()
    if array.ndim != len(port.shape) or any(isinstance(want, int) and size != want for size, want in rest):
        return ""
    if port.shape and port.shape[0] not in (1,) and not isinstance(port.shape[0], str):
        return "add an axis for the cases: `array[None]` is one case of the whole batch"
    return "add an axis for the batch of each case: `array[:, None]` makes every row a case"


def _shape(port: Port) -> str:
    return "[" + ", ".join(str(size) for size in port.shape) + "]"


def _count(arrays: dict[str, Array]) -> int:
    """Return how many cases there are, the same for every array."""
    count = -1
    for key, array in arrays.items():
        if not array.ndim or not len(array):
            raise _invalid(key, "at least one case", f"shape {list(array.shape)}")
        count = len(array) if count < 0 else count
        if len(array) != count:
            raise _invalid(key, f"{count} cases, as in `{next(iter(arrays))}`", f"{len(array)} cases")
    return max(count, 0)


def _case(arrays: dict[str, Array], keys: Sequence[str], prefix: str, index: int) -> Case:
    # A row of a larger array starts anywhere; its copy starts on a multiple of 16 bytes.
    return {key.removeprefix(prefix): np.array(arrays[key][index], order="C") for key in keys}


def _size(case: Case) -> int:
    total = 0
    for array in case.values():
        texts = array.ravel().tolist() if array.dtype == object else []
        total += sum(len(text.encode()) + 8 for text in texts) if texts else array.nbytes
    return total


def _invalid(key: str, expected: str, found: str, hint: str = "") -> BundleError:
    return BundleError("golden_invalid", key, expected, found, hint)
