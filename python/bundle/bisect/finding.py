"""What a bisection found, for people and as a tree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bundle.tolerance import Difference


@dataclass(frozen=True)
class Finding:
    """Where two ways part, and why.

    Attributes:
        cause: ``operator``, ``fusion``, ``precision``, ``layout``, ``input``, ``output`` or ``none``.
        detail: why, in one sentence without a final period.
        tolerance: the word that answers were compared by.
        cases: how many cases were asked.
        case: the first one whose answers differ.
        output: the output that differs there.
        answers: how it differs.
        node: the first node whose output differs.
        operator: what kind of node.
        tensor: its output that differs.
        difference: how it differs.
        compared: how many inner tensors were looked at.
        graph: ``written`` or ``optimized``: in which graph the node stands; empty where in none.
        nodes_a: the first way's nodes in the files written.
        nodes_b: the second way's.
        suspect: of a quantized model, the quantizer that suits its tensor least, in one sentence.
        files: what was written, by role: ``model`` or ``a`` and ``b``, ``inputs``.
        reproduced: whether these files show the difference by themselves.
        reproduce: the command that shows it.
    """

    cause: str
    detail: str
    tolerance: str
    cases: int
    case: str = ""
    output: str = ""
    answers: Difference | None = None
    node: str = ""
    operator: str = ""
    tensor: str = ""
    difference: Difference | None = None
    compared: int = 0
    graph: str = ""
    nodes_a: Sequence[str] = ()
    nodes_b: Sequence[str] = ()
    suspect: str = ""
    files: dict[str, str] = field(default_factory=dict)
    reproduced: bool = False
    reproduce: str = ""

    @property
    def differs(self) -> bool:
        """Whether the ways answer differently."""
        return bool(self.case)

    def tree(self) -> dict[str, Any]:
        """Return the finding as a tree for JSON."""
        plain = {name: value for name, value in vars(self).items() if not isinstance(value, Difference)}
        for name in ("nodes_a", "nodes_b"):
            plain[name] = list(plain[name])
        return {
            "differs": self.differs,
            **plain,
            "answers": _difference(self.answers),
            "difference": _difference(self.difference),
        }


def _difference(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "worst": f"{found.worst:.9g}" if math.isfinite(found.worst) else "infinite",
        "index": None if found.index is None else list(found.index),
        "found": str(found.actual),
        "expected": str(found.reference),
        "ulp": found.max_ulp,
        "mismatch": found.mismatch,
    }
