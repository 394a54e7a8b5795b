"""Labels: the right decisions in a golden file, and what a project calls the entries of an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bundle.builder.advice import Advice
from bundle.builder.gate import Reference
from bundle.builder.model import Port
from bundle.error import BundleError
from bundle.tolerance import Array, decide

#: The words for what integers and text are, as numpy's kinds group them.
_KINDS = {"i": "integers", "u": "integers", "O": "text", "U": "text", "b": "booleans", "f": "floats"}


def check_labels(reference: Reference) -> list[Advice]:
    """Refuse labels that no decision of the model can meet.

    Returns:
        one advice where there are labels and no output that they could be compared with.

    Raises:
        BundleError: ``golden_invalid`` `labels` where their type, shape or range is not that of the
            decisions.
    """
    deciding = reference.deciding()
    labels = reference.labels
    if labels is None or not reference.outputs:
        return []
    if deciding is None:
        text = "the golden file's labels are not used: no output decides; --decision OUTPUT=argmax names one"
        return [Advice("labels_unused", "labels", text)]
    name, word = deciding
    answers = [answer[name] for answer in reference.outputs]
    made = [np.ravel(decide(answer, word)) for answer in answers]
    kinds = {_KINDS.get(labels.dtype.kind, labels.dtype.name)}
    wanted = {_KINDS[made[0].dtype.kind]}
    if kinds != wanted:
        raise _invalid(f"{wanted.pop()}, as `{name}` decides", kinds.pop())
    for number, (decisions, row) in enumerate(zip(made, labels, strict=True)):
        if np.size(row) != decisions.size:
            expected = f"{decisions.size} labels a case, one per decision of `{name}`"
            raise _invalid(expected, f"{np.size(row)} in case {number}")
    if word == "argmax":
        _check_range(labels, answers[0].shape[-1], name)
    return []


def check_names(ports: Sequence[Port], decisions: Sequence[str], names: Mapping[str, Sequence[str]]) -> None:
    """Refuse a list of names whose length is not that of the axis that they name.

    Args:
        ports: the model's outputs.
        decisions: what each output decides, in order.
        names: for an output, what its entries are called.

    Raises:
        BundleError: ``config_invalid`` with the output's name.
    """
    for port, decision in zip(ports, decisions, strict=True):
        size = port.shape[-1] if port.shape else None
        # Where the value itself is the index, the axis counts rows.
        if port.name not in names or decision == "equal" or not isinstance(size, int):
            continue
        found = len(names[port.name])
        # One probability may stand for two classes.
        if found != size and (size, found) != (1, 2):
            expected = f"{size} labels, one for each entry of the last axis"
            hint = f"give --label {port.name}=TEXT, or an entry under [labels], once for each"
            raise BundleError("config_invalid", port.name, expected, f"{found} labels", hint)


def _check_range(labels: Array, classes: int, name: str) -> None:
    bad = (labels < 0) | (labels >= classes)
    if bad.any():
        case = int(np.argwhere(bad)[0][0])
        found = f"{labels[bad].flat[0]} in case {case}"
        raise _invalid(f"0 to {classes - 1}, the classes of `{name}`", found)


def _invalid(expected: str, found: str) -> BundleError:
    return BundleError("golden_invalid", "labels", expected, found)
