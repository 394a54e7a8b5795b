"""What every test of this repository may rely on."""

import os
from pathlib import Path

import pytest

# Before anything loads ONNX Runtime: no test may phone home.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@pytest.fixture(scope="session")
def node_verdicts(tmp_path_factory):
    """What came of each of ONNX's node tests as a bundle, `tests.build.node_cases.Verdict`; built once."""
    from tests.build.node_cases import judge_all

    return judge_all(tmp_path_factory.mktemp("nodes"))


@pytest.fixture(scope="session")
def real_bundles(tmp_path_factory):
    """The development set in every precision, `BuildResult` by model and then by target; built once."""
    from tests.build import real

    return real.build_all(real.NAMES, tmp_path_factory.mktemp("real"))


@pytest.fixture
def place(tmp_path):
    """Return a function that writes a bundle of tests/vectors to a new folder."""
    from tests.runtime.make_bundle import write

    count = 0

    def put(made):
        nonlocal count
        count += 1
        return write(made, tmp_path / f"bundle{count}")

    return put


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parents[1]


def _refuse_skip(report):
    """Turn a skip into a failure where `CI` is set: a test that did not run proves nothing.

    An expected failure also reports as skipped, and stays as it is.
    """
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped where CI is set: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _refuse_skip((yield))
