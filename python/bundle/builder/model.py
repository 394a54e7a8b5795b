"""A model on its way through the build: a file, its signature, and the reason to leave a stage out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Port:
    """One input or output of a model.

    Attributes:
        name: the name as the model has it.
        dtype: a dtype word of the spec (``float32``, ``int64``, ``string``, ...).
        shape: one entry per axis: a size, or the name of a symbol; never None after ``check``.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class Signature:
    """The inputs that a caller must feed and the outputs that it gets, in the model's order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True)
class Model:
    """A model file that ONNX Runtime opens by path.

    Attributes:
        path: the file.
        format: ``onnx`` or ``ort``.
        data: files in the same folder that hold weights which are too large for the first one.
    """

    path: Path
    format: str
    data: tuple[Path, ...] = ()

    @property
    def size(self) -> int:
        """Size in bytes of the file and of its data files."""
        return sum(path.stat().st_size for path in (self.path, *self.data))


class StageSkipped(Exception):
    """A stage that is left out: the build goes on with the model as it was.

    Attributes:
        reason: one stable word, written to the manifest (``larger``, ``not_smaller``, ``over_budget``,
            ``load_failed``, ``signature_changed``, ``unchanged``, ``tool_failed``, ``not_applicable``,
            ``no_calibration``, ``host_specific``).
        detail: one sentence for the table and the report.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")

    def __reduce__(self) -> tuple[type[StageSkipped], tuple[str, str]]:
        """Keep both fields when the exception crosses a process boundary."""
        return type(self), (self.reason, self.detail)
