"""The tests of the Rust predictor, with every feature."""

import re
from collections.abc import Callable

import pytest

from tests.native.programs import passed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

FEWEST = 25


def test_the_tests_of_the_rust_predictor_pass(tell_count: Callable[[str, int], None]) -> None:
    printed = passed(["cargo", "test", "--release", "--locked", "--all-features"])
    results = re.findall(r"^test result: ok\. (\d+) passed; 0 failed; (\d+) ignored", printed, re.MULTILINE)
    count = sum(int(good) for good, _ in results)
    assert count >= FEWEST
    assert sum(int(ignored) for _, ignored in results) == 0, "nothing may be ignored"
    tell_count("rust", count)
