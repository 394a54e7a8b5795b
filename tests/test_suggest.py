"""Misspelt names and what they were meant to be."""

import pytest

from bundle.suggest import did_you_mean


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("biuld", ["build", "verify"], "build"),
        ("selftest", ["self-test", "predict"], "self-test"),
        ("arm46", ["arm64", "x86_64"], "arm64"),
        ("cuda", ["CPUExecutionProvider", "CUDAExecutionProvider"], "CUDAExecutionProvider"),
        ("B", ["a", "b"], "b"),
        ("intra-op-threads", ["intra_op_threads"], "intra_op_threads"),
    ],
)
def test_the_nearest_name_is_found(name: str, known: list[str], meant: str) -> None:
    assert did_you_mean(name, known) == f"did you mean `{meant}`?"


@pytest.mark.parametrize(("name", "known"), [("xyz", ["build"]), ("", ["a"]), (None, ["a"]), ("a", [])])
def test_nothing_is_better_than_a_wild_guess(name: object, known: list[str]) -> None:
    assert did_you_mean(name, known) == ""
