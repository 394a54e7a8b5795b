"""A reader with a planted fault, for a process of its own: one manifest ends it."""

import os
from typing import Any

from tests.fuzz import mutation, readers, runner

SEED = 20_261_121


def deadly() -> int:
    """The number of the mutation that ends the process."""
    return next(number for number in range(100) if mutation.make(SEED, number).manifest)


def work(*arguments: Any) -> None:
    """What a process of the runner does."""
    right, end = readers.Python.ask, mutation.make(SEED, deadly()).manifest

    def ask(self: readers.Python, question: readers.Question) -> readers.Verdict:
        return os._exit(7) if question == end else right(self, question)

    readers.Python.ask = ask  # type: ignore[method-assign]
    runner._work(*arguments)
