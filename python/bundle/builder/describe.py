"""Describe: what the manifest says about inputs, outputs, batches and states, from signature and answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bundle.builder.golden import Case, nonfinite_inputs
from bundle.builder.labels import check_names
from bundle.builder.model import Port, Signature
from bundle.builder.project import Project
from bundle.error import BundleError
from bundle.suggest import did_you_mean

#: How a state's output is called, given its input's name: exporters know no other convention.
_STATE_OUTPUTS = ("{}N", "{}_n", "{}_out", "new_{}", "next_{}")


@dataclass(frozen=True)
class Description:
    """What a caller must know about a model, the same for all its variants.

    Attributes:
        signature: inputs and outputs; symbols of outputs hold on every golden case.
        finite: for each input, in order, whether NaN and infinities are refused.
        decisions: for each output, in order, what it decides (words of spec/tolerances.json).
        states: (input, output) pairs: the output of one call is the input of the next.
        batch: the symbol along which calls may be cut in pieces, or the fixed size of axis 0, or None.
    """

    signature: Signature
    finite: tuple[bool, ...]
    decisions: tuple[str, ...]
    states: tuple[tuple[str, str], ...]
    batch: str | int | None = field(default=None)

    def guessed(self, named: Collection[str]) -> dict[str, str]:
        """Return for each output that decides something, and is not among those named, what it decides."""
        pairs = zip(self.signature.outputs, self.decisions, strict=True)
        return {port.name: word for port, word in pairs if word != "none" and port.name not in named}

    def without_batch(self) -> Description:
        """Return the same model as one whose calls cannot be cut."""
        return replace(self, batch=None)


def describe(
    signature: Signature,
    cases: Sequence[Case],
    answers: Sequence[Case],
    project: Project,
) -> Description:
    """Describe a model whose ``answers`` to ``cases`` are known.

    Args:
        signature: as ONNX Runtime reports it.
        cases: golden inputs.
        answers: the outputs to each case.
        project: names decisions, labels, and inputs that may hold NaN and infinities, as cases may, too.

    Raises:
        BundleError: ``config_invalid`` where the project names an unknown input or output, or has more or
            fewer labels than an output has entries.
    """
    decided = project.decisions
    _refuse_unknown(signature, {*decided, *project.labels}, set(project.allow_nonfinite))
    nonfinite = nonfinite_inputs(cases) | set(project.allow_nonfinite)
    settled = Signature(signature.inputs, _settle_outputs(signature, cases, answers))
    states = _states(settled)
    decisions = tuple(decided.get(port.name) or _decision(port, answers) for port in settled.outputs)
    check_names(settled.outputs, decisions, project.labels)
    return Description(
        signature=settled,
        finite=tuple(
            port.dtype.startswith("float") and port.name not in nonfinite for port in settled.inputs
        ),
        decisions=decisions,
        states=states,
        batch=None if states else _batch(settled),
    )


def _refuse_unknown(signature: Signature, outputs: set[str], inputs: set[str]) -> None:
    for kind, names, ports in (
        ("output", outputs, signature.outputs),
        ("input", inputs, signature.inputs),
    ):
        known = [port.name for port in ports]
        for name in sorted(names - set(known)):
            expected = f"one of the model's {kind}s: {', '.join(f'`{each}`' for each in known)}"
            raise BundleError("config_invalid", name, expected, "an unknown name", did_you_mean(name, known))


def _settle_outputs(signature: Signature, cases: Sequence[Case], answers: Sequence[Case]) -> tuple[Port, ...]:
    """Return the outputs; a dimension that some answer contradicts becomes a symbol of its own."""
    taken = {dim for port in (*signature.inputs, *signature.outputs) for dim in port.shape}
    outputs = []
    for port in signature.outputs:
        shape = list(port.shape)
        for axis, dim in enumerate(port.shape):
            if all(
                _holds(dim, axis, port.name, case, answer, signature)
                for case, answer in zip(cases, answers, strict=True)
            ):
                continue
            name = f"{port.name}_dim_{axis}"
            while name in taken:
                name += "_"
            taken.add(name)
            shape[axis] = name
        outputs.append(Port(port.name, port.dtype, tuple(shape)))
    return tuple(outputs)


def _holds(
    dim: int | str | None, axis: int, output: str, case: Case, answer: Case, signature: Signature
) -> bool:
    """Tell whether an answer has the size that the signature promises on an axis."""
    size = answer[output].shape[axis]
    if not isinstance(dim, str):
        return bool(size == dim)
    bound = {
        symbol: extent
        for port in signature.inputs
        for symbol, extent in zip(port.shape, case[port.name].shape, strict=True)
    }
    return bool(size == bound.get(dim, size))


def _decision(port: Port, answers: Sequence[Case]) -> str:
    """Guess what an output decides: classes in rows, one probability a row, or labels."""
    rows = 2
    if port.dtype.startswith("float") and len(port.shape) == rows and port.shape[-1] != 1:
        return "argmax" if isinstance(port.shape[-1], int) else "none"
    if port.dtype.startswith("float") and len(port.shape) == rows:
        values = np.concatenate([answer[port.name].ravel() for answer in answers])
        return "threshold" if values.size and values.min() >= 0 and values.max() <= 1 else "none"
    if not port.dtype.startswith("float") and len(port.shape) <= 1:
        return "equal"
    return "none"


def _states(signature: Signature) -> tuple[tuple[str, str], ...]:
    """Find the pairs of an input and an output of the same kind, called alike."""
    outputs = {port.name: port for port in signature.outputs}
    found = []
    for port in signature.inputs:
        for pattern in _STATE_OUTPUTS:
            twin = outputs.get(pattern.format(port.name))
            if twin and (twin.dtype, len(twin.shape)) == (port.dtype, len(port.shape)):
                found.append((port.name, twin.name))
                break
    return tuple(found)


def _batch(signature: Signature) -> str | int | None:
    """Return the symbol or the fixed size along which calls can be cut, as far as shapes tell."""
    for port in signature.inputs:
        symbol = port.shape[0] if port.shape else None
        if isinstance(symbol, str) and _cuts(signature, symbol):
            return symbol
    sizes = {port.shape[0] if port.shape else None for port in (*signature.inputs, *signature.outputs)}
    size = sizes.pop() if len(sizes) == 1 else None
    return size if isinstance(size, int) and size > 0 else None


def _cuts(signature: Signature, symbol: str) -> bool:
    return all(port.shape.count(symbol) <= 1 for port in signature.inputs) and all(
        port.shape.count(symbol) == 1 for port in signature.outputs
    )
