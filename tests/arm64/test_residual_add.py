"""Static int8 with a residual Add: ARM rounds its sums a step apart from x86_64, and everybody is told."""

import pytest

from bundle.builder import BuildResult
from bundle.bundle import Bundle
from tests.arm64.machines import ARM64
from tests.arm64.matrix import FIRST, Row, ask, compared, here, table
from tests.arm64.residual import cases
from tests.arm64.subjects import Subject

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows(built_residual: BuildResult) -> list[Row]:
    """How far each ARM CPU answers from this machine."""
    subject = Subject("residual", built_residual.path, "int8-static", "ort")
    asked = [{"x": case} for case in cases(20)]
    reference, found = here(subject, asked), []
    for machine in ARM64:
        with machine.client(FIRST) as client:
            answers = ask(client, subject, asked, prove=True)
        assert answers.tested and answers.tested["passed"]
        found.append(compared(subject, machine, answers.outputs, reference))
    return found


def test_the_builder_says_that_the_sum_is_one_of_int8(built_residual: BuildResult) -> None:
    advice = built_residual.report["advice"]
    assert any(text.startswith("`int8-static` has an int8 sum") for text in advice)


def test_answers_differ_by_one_step_and_lie_within_the_tolerance(
    rows: list[Row], built_residual: BuildResult, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{table(rows)}")
    [variant] = Bundle.open(built_residual.path).manifest.variants
    assert [tolerance.word for tolerance in variant.tolerances] == ["quantized"]
    assert len(rows) == len(ARM64)
    for row in rows:
        assert row.share <= 1, row
        # Close to one: a step is the difference of two rounded products with its scale.
        assert row.quanta == pytest.approx(1, abs=0.01), row
