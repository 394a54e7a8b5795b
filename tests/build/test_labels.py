"""Labels that fit the model, and those that do not."""

import numpy as np
import pytest

from bundle.builder.gate import Reference
from bundle.builder.labels import check_labels, check_names
from bundle.builder.model import Port
from bundle.builder.session import View
from bundle.error import BundleError

ROW = np.array([[1.0, 2.0]], np.float32)


def reference(labels: np.ndarray, answer: np.ndarray = ROW, decision: str = "argmax") -> Reference:
    view = View((), (("y", "tensor(float)", answer.ndim),))
    return Reference(view, [{}] * 3, ({"y": answer},) * 3, (decision,), labels)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (np.array([0, 9, 1]), "9 in case 1"),
        (np.array([0, 1, -1]), "-1 in case 2"),
        (np.array([0.5, 0, 1]), "floats"),
        (np.array([0, 1, 1], bool), "booleans"),
        (np.array(["a", "b", "c"]), "text"),
        (np.zeros((3, 2), np.int64), "2 in case 0"),
    ],
)
def test_labels_that_no_decision_can_meet(labels: np.ndarray, found: str) -> None:
    with pytest.raises(BundleError) as caught:
        check_labels(reference(labels))
    assert (caught.value.code, caught.value.subject, caught.value.found) == (
        "golden_invalid",
        "labels",
        found,
    )


def test_labels_that_fit() -> None:
    assert check_labels(reference(np.array([0, 1, 1]))) == []
    assert check_labels(reference(np.array([[0], [1], [1]], np.uint8))) == []
    assert check_labels(reference(np.array(["a", "b", "a"], object), np.array(["a"], object), "equal")) == []
    assert check_labels(reference(np.array([3, 99, 4]), np.array([3]), "equal")) == []


def test_labels_that_nothing_is_compared_with() -> None:
    (advice,) = check_labels(reference(np.array([0, 1, 1]), decision="none"))
    assert advice.code == "labels_unused"


@pytest.mark.parametrize(
    ("size", "decision", "count", "fits"),
    [
        (2, "argmax", 2, True),
        (2, "argmax", 3, False),
        (2, "none", 1, False),
        (1, "threshold", 2, True),
        (1, "threshold", 3, False),
        ("classes", "argmax", 3, True),
        (1, "equal", 3, True),
    ],
)
def test_as_many_names_as_entries(size: int | str, decision: str, count: int, fits: bool) -> None:
    arguments = [Port("y", "float32", ("n", size))], [decision], {"y": ["label"] * count}
    if fits:
        check_names(*arguments)
        return
    with pytest.raises(BundleError) as caught:
        check_names(*arguments)
    assert (caught.value.code, caught.value.subject) == ("config_invalid", "y")
    assert caught.value.found == f"{count} labels"
