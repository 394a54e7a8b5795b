"""Replay a bundle's golden cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bundle.error import BundleError
from bundle.golden import load_case
from bundle.tolerance import Difference, compare

if TYPE_CHECKING:
    from bundle.manifest import GoldenFile
    from bundle.predictor import Predictor


@dataclass(frozen=True)
class OutputResult:
    """One output of one case.

    Attributes:
        name: the output.
        passed: whether it is within the variant's tolerance of what was recorded.
        difference: to what this variant answered when it was built.
        source: to what the source model answered; reported, never judged; None where the case has none.
    """

    name: str
    passed: bool
    difference: Difference
    source: Difference | None

    def tree(self) -> dict[str, Any]:
        """Return the result as DRIVER.md writes it."""
        difference = self.difference
        return {
            "name": self.name,
            "passed": self.passed,
            "flips": difference.flips,
            "near_ties": difference.near_ties,
            "worst": f"{difference.worst:.9g}",
        }


@dataclass(frozen=True)
class CaseResult:
    """One golden case; ``synthetic``: made from the signature, so it proves repeatability, not accuracy."""

    name: str
    synthetic: bool
    passed: bool
    outputs: tuple[OutputResult, ...]


@dataclass(frozen=True)
class SelfTest:
    """All golden cases of a bundle, through one predictor."""

    passed: bool
    cases: tuple[CaseResult, ...]

    def tree(self) -> dict[str, Any]:
        """Return the report as DRIVER.md writes it."""
        cases = [
            {"name": case.name, "passed": case.passed, "outputs": [one.tree() for one in case.outputs]}
            for case in self.cases
        ]
        return {"passed": self.passed, "cases": cases}

    def failure(self) -> BundleError | None:
        """Return ``self_test_failed`` about the first output that does not hold; None where all do."""
        for case in self.cases:
            for result in case.outputs:
                if not result.passed:
                    subject, found = f"{case.name}/{result.name}", result.difference.describe()
                    expected = "the recorded output within its tolerance"
                    return BundleError("self_test_failed", subject, expected, found)
        return None


def self_test(predictor: Predictor) -> SelfTest:
    """Predict every case in manifest order; see `Predictor.self_test`."""
    golden = predictor.manifest.golden
    if not golden:
        raise BundleError("golden_missing", ".", "at least one golden case", "none")
    cases = tuple(_replay(predictor, file) for file in golden)
    return SelfTest(all(case.passed for case in cases), cases)


def _replay(predictor: Predictor, file: GoldenFile) -> CaseResult:
    case = load_case(predictor.bundle, file, predictor.variant)
    actual = predictor.predict(case.inputs)
    results = []
    for output, tolerance in zip(predictor.outputs, predictor._variant.tolerances, strict=True):
        value = actual[output.name]
        difference = compare(value, case.recorded[output.name], tolerance, output.decision)
        origin = case.source.get(output.name)
        source = None if origin is None else compare(value, origin, tolerance, output.decision)
        results.append(OutputResult(output.name, difference.ok, difference, source))
    return CaseResult(file.name, file.synthetic, all(one.passed for one in results), tuple(results))
