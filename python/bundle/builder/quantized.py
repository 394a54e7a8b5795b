"""What a quantized variant may cost against the source, and how far it may answer on another CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bundle.builder.gate import Budget, Reference
from bundle.spec import table
from bundle.tolerance import Array, Tolerance


def budget_of(precision: str, reference: Reference, usual: Sequence[Tolerance]) -> Budget:
    """Return the budget of a precision for a model with these answers.

    A decision that changes counts as a flip wherever the source's margin exceeds ``usual``, one tolerance
    per output: what rounding alone may change. The values themselves are judged in bulk.
    """
    rules = table("tolerances")["budgets"]["quantized"]
    share = rules["error_per_mille"][precision]
    bounds = tuple(
        _range([answer[name] for answer in reference.outputs]) * share / 1000
        for name, _, _ in reference.view.outputs
    )
    deciding = reference.deciding() if reference.labels is not None else None
    return replace(
        Budget.of_stage("quantize", len(usual)),
        tolerances=tuple(usual),
        bounds=bounds,
        outliers_per_mille=rules["outliers_per_mille"],
        labeled=deciding[0] if deciding else None,
    )


def tolerances_of(
    budget: Budget, steps: Mapping[str, float], reference: Reference, usual: Sequence[Tolerance]
) -> tuple[Tolerance, ...]:
    """Return how far each output of a variant may lie from its recording.

    Args:
        budget: the one that the variant was judged by.
        steps: by output, the scale of the DequantizeLinear that feeds it, where one does.
        reference: the source's answers.
        usual: what stays for outputs that hold no floats.
    """
    quanta = table("tolerances")["budgets"]["quantized"]["quanta"]
    tolerances = []
    for index, (name, kind, _) in enumerate(reference.view.outputs):
        bound = float(np.float32((budget.bounds or ())[index]))
        if name in steps:
            tolerances.append(Tolerance("quantized", quanta=quanta, step=steps[name]))
        elif "float" in kind or "double" in kind:
            tolerances.append(Tolerance("absolute", bound=bound))
        else:
            tolerances.append(usual[index])
    return tuple(tolerances)


def _range(answers: Sequence[Array]) -> float:
    """Return the largest less the smallest finite value; where all are equal, their magnitude."""
    if not answers or answers[0].dtype.kind != "f":
        return 0.0
    values = np.concatenate([answer[np.isfinite(answer)].ravel() for answer in answers]).astype(np.float64)
    if not values.size:
        return 0.0
    return float(values.max() - values.min()) or float(np.abs(values).max())
