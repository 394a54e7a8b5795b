"""What a quantized variant may cost, and how far its answers may lie on another CPU."""

from dataclasses import replace

import numpy as np
import pytest

from bundle.builder.gate import Reference
from bundle.builder.quantized import budget_of, tolerances_of
from bundle.builder.session import View
from bundle.spec import table
from bundle.tolerance import Tolerance

RULES = table("tolerances")["budgets"]["quantized"]
USUAL = (Tolerance("close"), Tolerance("close"))


def reference(*answers: dict[str, np.ndarray]) -> Reference:
    outputs = (("scores", "tensor(float)", 2), ("label", "tensor(int64)", 1))
    return Reference(View((), outputs), [{} for _ in answers], answers, ("argmax", "equal"))


ANSWERS = reference(
    {"scores": np.array([[-1.0, 3.0]], np.float32), "label": np.array([1])},
    {"scores": np.array([[2.0, np.inf]], np.float32), "label": np.array([0])},
)


@pytest.mark.parametrize("precision", sorted(RULES["error_per_mille"]))
def test_the_bound_is_a_share_of_the_range_over_all_cases(precision: str) -> None:
    budget = budget_of(precision, ANSWERS, USUAL)
    assert budget.bounds == (4.0 * RULES["error_per_mille"][precision] / 1000, 0.0)
    assert budget.outliers_per_mille == RULES["outliers_per_mille"]
    # What rounding alone may change is a near tie; all else that changes a decision is a flip.
    assert budget.tolerances == USUAL


def test_only_labels_free_an_output_of_its_bound() -> None:
    assert budget_of("fp16", ANSWERS, USUAL).labeled is None
    labeled = replace(ANSWERS, labels=np.array([1, 0]))
    assert budget_of("fp16", labeled, USUAL).labeled == "scores"


def test_an_output_that_never_changes_is_bounded_by_its_magnitude() -> None:
    constant = reference({"scores": np.full((1, 2), -5.0, np.float32), "label": np.array([1])})
    assert budget_of("fp16", constant, USUAL).bounds == (5.0 * RULES["error_per_mille"]["fp16"] / 1000, 0.0)


def test_an_answer_without_finite_values_has_no_range() -> None:
    nothing = reference({"scores": np.full((1, 2), np.nan, np.float32), "label": np.array([1])})
    assert budget_of("fp16", nothing, USUAL).bounds == (0.0, 0.0)


def test_the_tolerance_is_in_quanta_where_a_dequantization_feeds_the_output() -> None:
    budget = budget_of("int8-static", ANSWERS, USUAL)
    scores, label = tolerances_of(budget, {"scores": 0.5}, ANSWERS, USUAL)
    assert scores == Tolerance("quantized", quanta=RULES["quanta"], step=0.5)
    assert label == USUAL[1]


def test_the_tolerance_is_the_gates_bound_elsewhere() -> None:
    budget = budget_of("int8-static", ANSWERS, USUAL)
    scores, label = tolerances_of(budget, {}, ANSWERS, USUAL)
    assert budget.bounds is not None
    assert scores == Tolerance("absolute", bound=float(np.float32(budget.bounds[0])))
    assert label == USUAL[1]
