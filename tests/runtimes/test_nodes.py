"""All node tests of ONNX that become bundles, through every runtime in this process, in each format."""

from pathlib import Path

import pytest

from bundle.runtimes import NATIVE
from tests.build.node_cases import Verdict
from tests.runtimes.asked_apart import Asked, Report, ask

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(900)]

#: Of each format: bundles that open, and questions that every runtime answers or refuses as Python does.
COUNTS = {
    "onnx": {"opened": 1473, "answered": 3016, "refused": 11172},
    "ort": {"opened": 1473, "answered": 3016, "refused": 11172},
}
RUNTIMES = ("python", *NATIVE)


def asked(verdicts: list[Verdict], localized: bool) -> list[Asked]:
    """Every bundle in each format; what depends on the locale of the machine apart."""
    chosen = [one for one in verdicts if ("StringNormalizer" in one.operators) is localized]
    return [(one.path, form) for form in COUNTS for one in chosen if form in one.expected]


@pytest.fixture(scope="module")
def report(node_verdicts: list[Verdict], tmp_path_factory: pytest.TempPathFactory) -> Report:
    return ask(asked(node_verdicts, localized=False), tmp_path_factory.mktemp("asked"))


def test_every_runtime_says_what_python_says(report: Report) -> None:
    assert report.differences == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_each_runtime_is_asked_as_much_as_before(
    report: Report, runtime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {form: {kind: report.counts[runtime, form, kind] for kind in COUNTS[form]} for form in COUNTS}
    with capsys.disabled():
        print(f"\n{runtime}: {counts}")
    assert counts == COUNTS


def test_every_bundle_is_asked_in_each_format(node_verdicts: list[Verdict]) -> None:
    built = [one for one in node_verdicts if not one.error]
    pairs = [(one.path, form) for form in COUNTS for one in built]
    assert sorted(asked(node_verdicts, False) + asked(node_verdicts, True)) == sorted(pairs)
    assert all((Path(path) / "bundle.json").exists() for path, _ in pairs)


def test_what_depends_on_the_locale_is_the_same_everywhere(
    node_verdicts: list[Verdict], tmp_path: Path
) -> None:
    localized = asked(node_verdicts, localized=True)
    report = ask(localized, tmp_path)
    assert report.differences == []
    for runtime in RUNTIMES:
        assert sum(report.counts[runtime, form, "opened"] for form in COUNTS) == len(localized)
