"""What `compare` says of inputs, outputs and variants, without any model."""

import pytest

from bundle.compare import structure
from bundle.compare.structure import Port


@pytest.mark.parametrize(
    ("one", "two", "same", "fits"),
    [
        (("batch", 3), ("batch", 3), True, True),
        ((None, 3), ("batch", 3), True, True),
        (("batch", 3), ("rows", 3), False, True),
        (("batch", 3), (1, 3), False, True),
        ((None, 3), (1, 3), False, True),
        ((2, 3), (1, 3), False, False),
        ((3,), (1, 3), False, False),
    ],
)
def test_shapes(one: structure.Shape, two: structure.Shape, same: bool, fits: bool) -> None:
    first, second = [Port("x", "float32", one)], [Port("x", "float32", two)]
    assert structure.ports(first, second).same == same
    assert (structure.obstacle(first, second) == "") == fits


def test_order_and_type_of_inputs() -> None:
    one, two = Port("a", "float32", (1,)), Port("b", "float32", (1,))
    found = structure.ports([one, two], [two, one])
    assert found.reordered and not found.same and not found.changed
    assert structure.obstacle([one, two], [two, one]) == ""
    assert "float32 and int8" in structure.obstacle([one], [Port("a", "int8", (1,))])


def test_entries_are_compared_field_by_field() -> None:
    found = structure.entries({"a": {"x": 1}, "b": {"x": 1}}, {"b": {"x": 1, "y": 2}, "c": {}})
    assert (found.removed, found.added, dict(found.changed)) == (["a"], ["c"], {"b": ["y"]})
    assert structure.entries({"a": {"x": 1}}, {"a": {"x": 1}}).same
