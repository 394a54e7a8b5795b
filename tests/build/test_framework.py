"""Where a golden file's outputs stop being the model's."""

from collections.abc import Sequence

import numpy as np
import pytest

from bundle.builder.framework import compare_with_framework
from bundle.builder.gate import Reference
from bundle.builder.session import View
from bundle.error import BundleError
from bundle.spec import table

SHARE = table("tolerances")["budgets"]["rounding"]["most_per_mille"] / 1000
TRUTH = np.array([[1.0, 2.0]], np.float32)


def compared(answer: np.ndarray, expected: Sequence[np.ndarray], decision: str = "none") -> list[str]:
    view = View((), (("y", "tensor(float)", answer.ndim),))
    reference = Reference(view, [{}] * len(expected), ({"y": answer},) * len(expected), (decision,))
    return [advice.text for advice in compare_with_framework([{"y": each} for each in expected], reference)]


def refused(answer: np.ndarray, expected: Sequence[np.ndarray], decision: str = "none") -> BundleError:
    with pytest.raises(BundleError) as caught:
        compared(answer, expected, decision)
    assert (caught.value.code, caught.value.subject) == ("golden_mismatch", "outputs/y")
    return caught.value


def test_the_share_is_that_of_the_largest_value() -> None:
    assert compared(TRUTH, [TRUTH]) == []
    below, above = TRUTH + np.float32(0.9 * 2 * SHARE), TRUTH + np.float32(1.1 * 2 * SHARE)
    (text,) = compared(TRUTH, [TRUTH, below])
    assert text.startswith("`y` is not quite the golden file's: 1 of 2 cases differ; case 1: ")
    assert "of the largest value" in refused(TRUTH, [TRUTH, above]).expected


@pytest.mark.parametrize(
    "expected",
    [TRUTH[:, :1], np.array([[1.0, np.nan]], np.float32), np.array([[np.inf, 2.0]], np.float32)],
    ids=["shape", "nan", "infinity"],
)
def test_what_cannot_be_compared_is_refused(expected: np.ndarray) -> None:
    refused(TRUTH, [expected])


def test_values_that_are_no_floats_are_equal_or_not() -> None:
    assert compared(np.array([3]), [np.array([3])]) == []
    refused(np.array([3]), [np.array([4])])
    refused(np.array(["a"], object), [np.array(["b"], object)])


def test_a_flip_is_told_with_its_count() -> None:
    flipped = TRUTH[:, ::-1].copy()
    assert refused(TRUTH, [TRUTH, flipped], "argmax").found.startswith("1 of 1 flipped; 1 of 2 cases differ")
