"""What became of each stage: its decision, for the manifest, and its figures, for the report."""

from __future__ import annotations

from dataclasses import dataclass

from bundle.builder.gate import Measurement
from bundle.builder.model import StageSkipped
from bundle.builder.report import StageRow


@dataclass(frozen=True)
class StageOutcome:
    """One stage of one variant.

    Attributes:
        stage: ``check``, ``opset``, ``slim`` or ``convert``.
        variant: which variant.
        outcome: ``kept`` or ``skipped``.
        reason: one stable word where it was skipped; empty otherwise.
        detail: one sentence; empty where there is nothing to say.
        measured: what the gate measured; None where it was skipped.
    """

    stage: str
    variant: str
    outcome: str
    reason: str = ""
    detail: str = ""
    measured: Measurement | None = None

    @classmethod
    def kept(cls, variant: str, measured: Measurement, detail: str = "") -> StageOutcome:
        """Return the row of a stage that passed its gate."""
        return cls(measured.stage, variant, "kept", detail=detail, measured=measured)

    @classmethod
    def skipped(cls, stage: str, variant: str, why: StageSkipped) -> StageOutcome:
        """Return the row of a stage that was left out."""
        return cls(stage, variant, "skipped", why.reason, why.detail)

    def decision(self) -> dict[str, str]:
        """Return what the manifest says: the decision without its figures."""
        row = {"outcome": self.outcome, "stage": self.stage, "variant": self.variant}
        return row | ({"reason": self.reason} if self.reason else {})

    def figures(self) -> StageRow:
        """Return what the report says."""
        measured = self.measured
        return {
            "stage": self.stage,
            "variant": self.variant,
            "outcome": self.outcome,
            "reason": self.reason,
            "detail": self.detail,
            "bytes": measured.size if measured else None,
            "worst_error": measured.worst_error if measured else None,
            "flips": measured.flips if measured else None,
            "near_ties": measured.near_ties if measured else None,
            "accuracy": measured.accuracy if measured else None,
        }
