"""The tests of the C++ predictor, built with the sanitizers of addresses, undefined behavior and threads."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.native.programs import ROOT, environment, passed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

FEWEST = 30
FEWEST_CALLS = 10
SETTINGS = ["-DEDGEBUNDLE_WERROR=ON", "-DEDGEBUNDLE_TESTS=ON"]


def test_the_tests_of_the_cpp_predictor_pass(tell_count: Callable[[str, int], None], tmp_path: Path) -> None:
    folder = ROOT / "build" / "cpp-sanitized"
    passed(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DEDGEBUNDLE_SANITIZE=address", *SETTINGS])
    passed(["cmake", "--build", folder])
    report = tmp_path / "report.xml"
    variables = environment(UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    passed(["ctest", "--test-dir", folder, "--output-on-failure", "--output-junit", report], variables)
    cases = ElementTree.parse(report).findall("testcase")
    assert len(cases) >= FEWEST
    assert [case.get("name") for case in cases if case.get("status") != "run"] == [], "nothing may be skipped"
    tell_count("c++", len(cases))


def test_no_two_threads_race_in_the_cpp_predictor() -> None:
    folder = ROOT / "build" / "cpp-threads"
    passed(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DEDGEBUNDLE_SANITIZE=thread", *SETTINGS])
    passed(["cmake", "--build", folder, "--target", "edgebundle_call_tests"])
    suppressions = ROOT / "cpp" / "tests" / "tsan.supp"
    variables = environment(TSAN_OPTIONS=f"suppressions={suppressions}:halt_on_error=1")
    printed = passed([folder / "cpp" / "tests" / "edgebundle_call_tests"], variables)
    [count] = re.findall(r"^\[  PASSED  \] (\d+) tests\.$", printed, re.MULTILINE)
    assert int(count) >= FEWEST_CALLS


@pytest.mark.parametrize("way", ["find_package", "add_subdirectory"])
def test_another_project_uses_the_package(way: str) -> None:
    script = ROOT / "cpp" / "tests" / "consumer" / "run.cmake"
    places = [f"-DSOURCE={ROOT}", f"-DBUILD={ROOT / 'build' / 'cpp'}", "-DORT_INCLUDE_DIR="]
    passed(["cmake", f"-DWAY={way}", "-DGENERATOR=Ninja", *places, "-P", script])
