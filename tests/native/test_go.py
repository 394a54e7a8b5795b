"""The tests of the Go predictor under the race detector."""

import json
from collections import Counter
from collections.abc import Callable

import pytest

from tests.native.programs import passed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

FEWEST = 800


def test_the_tests_of_the_go_predictor_pass(tell_count: Callable[[str, int], None]) -> None:
    # -count=1: a result of an earlier run, taken from the cache, proves nothing about this machine.
    printed = passed(["go", "test", "-race", "-count=1", "-json", "./go/...", "./spec/..."])
    events = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    ended = Counter(event["Action"] for event in events if "Test" in event)
    assert ended["pass"] >= FEWEST
    assert ended["skip"] == 0, "nothing may be skipped"
    tell_count("go", ended["pass"])
