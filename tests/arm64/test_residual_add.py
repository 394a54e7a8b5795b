"""Static int8 with a residual Add: ARM rounds its sums a step apart from x86_64, and everybody is told."""

import numpy as np
import pytest
from onnx import ModelProto, helper

from bundle.builder import BuildResult, build
from bundle.bundle import Bundle
from tests.arm64.machines import ARM64
from tests.arm64.matrix import FIRST, Row, ask, compared, here, table
from tests.arm64.subjects import Subject
from tests.build import make_models as make
from tests.build.projects import project

pytestmark = pytest.mark.slow

CHANNELS, SIDE, CASES = 8, 16, 8


def residual() -> ModelProto:
    """x [batch, 8, 16, 16] -> y alike: two convolutions, their sum, and a third that keeps it as it is."""
    initializers = {
        name: 0.1 * make.weights(CHANNELS, CHANNELS, 3, 3, seed=seed) for seed, name in enumerate("ab")
    }
    initializers["same"] = np.eye(CHANNELS, dtype=np.float32)[:, :, None, None]
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["around"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["around", "b"], ["inner"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["around", "inner"], ["sum"]),
        helper.make_node("Conv", ["sum", "same"], ["y"]),
    ]
    shape = ["batch", CHANNELS, SIDE, SIDE]
    return make.model_of(nodes, [make.value("x", shape)], [make.value("y", shape)], initializers)


def cases(seed: int) -> np.ndarray:
    return make.weights(CASES, 1, CHANNELS, SIDE, SIDE, seed=seed)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    folder = tmp_path_factory.mktemp("residual")
    for seed, name in enumerate(("golden", "calibration"), 10):
        np.savez(folder / f"{name}.npz", allow_pickle=False, **{"inputs/x": cases(seed)})
    source = make.save(residual(), folder, "residual.onnx")
    given = {name: str(folder / f"{name}.npz") for name in ("golden", "calibration")}
    [result] = build(project(source, folder, "arm64", build={**given, "precisions": ["int8-static"]}))
    return result


@pytest.fixture(scope="module")
def rows(built: BuildResult) -> list[Row]:
    """How far each ARM CPU answers from this machine."""
    subject = Subject("residual", built.path, "int8-static", "ort")
    asked = [{"x": case} for case in cases(20)]
    reference, found = here(subject, asked), []
    for machine in ARM64:
        with machine.client(FIRST) as client:
            found.append(
                compared(subject, machine, ask(client, subject, asked, prove=True).outputs, reference)
            )
    return found


def test_the_builder_says_that_the_sum_is_one_of_int8(built: BuildResult) -> None:
    told = {row["code"]: row["text"] for row in built.report["advice"]}
    assert "`int8-static` has an int8 sum" in told["int8_sums"]


def test_answers_differ_by_one_step_and_lie_within_the_tolerance(
    rows: list[Row], built: BuildResult, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{table(rows)}")
    [variant] = Bundle.open(built.path).manifest.variants
    assert [tolerance.word for tolerance in variant.tolerances] == ["quantized"]
    assert len(rows) == len(ARM64)
    for row in rows:
        assert row.share <= 1, row
        # Close to one: a step is the difference of two rounded products with its scale.
        assert row.quanta == pytest.approx(1, abs=0.01), row
