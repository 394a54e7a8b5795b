"""Real models through the whole line: what is kept, what is left out and why, and what labels say."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import bundle
from bundle.builder import BuildResult, build
from bundle.tolerance import Tolerance, compare
from tests.build.projects import project
from tests.devset import labels, models
from tests.devset.golden import golden_for

pytestmark = [pytest.mark.network, pytest.mark.slow]

TARGETS = ("arm64", "x86_64")
KEPT = "kept"


@dataclass(frozen=True)
class Expected:
    """What becomes of a model.

    Attributes:
        onnx: bytes of the bundle's `.onnx`.
        ort: bytes of its `.ort`; None where it carries none.
        slim: `kept`, or the reason why not.
        convert: the same.
        advice: how many sentences the user is told.
    """

    onnx: int
    ort: int | None
    slim: str = KEPT
    convert: str = KEPT
    advice: int = 0


# The source files' sizes are in tests/devset/models.py. Folding int8 weights and freezing trees make files
# larger by a factor, and slimming finds nothing in a graph of two nodes. The notes' answers move by 0.0004
# with the order of sums, so each of their three outputs has a wider tolerance, and an advice.
EXPECTED = {
    "digits": Expected(605_980, 612_416, "unchanged"),
    "mnist": Expected(25_412, 30_976, advice=2),
    "orientation": Expected(6_699_170, 6_755_648),
    "file-type": Expected(3_163_479, 3_189_504),
    "voice": Expected(1_256_533, 1_281_344),
    "embedding": Expected(22_928_619, None, "larger", "larger"),
    "emotion": Expected(832_915, None, "unchanged", "larger"),
    "notes": Expected(228_540, 300_608, advice=3),
    "faces": Expected(28_318, 37_248, "unchanged", advice=1),
}

# Right answers: of the source file in plain ONNX Runtime, and so of every file of its bundle, of how many.
RIGHT = {"digits": (890, 899), "mnist": (992, 1000), "orientation": (200, 200), "file-type": (411, 421)}


@dataclass(frozen=True)
class Built:
    """The bundles of one model, moved away from where they were built."""

    source: Path
    golden: Path
    folders: dict[str, Path]
    results: dict[str, BuildResult]

    def files(self) -> list[tuple[str, str]]:
        """Return target and format of every model file."""
        return [
            (target, row["format"])
            for target, result in self.results.items()
            for row in result.report["verify"]
        ]

    def open(self, target: str, form: str) -> bundle.Predictor:
        return bundle.open(self.folders[target], format=form, allow_foreign_target=True)


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    """Build a model for both targets, once, and move the bundles."""
    folder = tmp_path_factory.mktemp("real")

    @cache
    def make(name: str) -> Built:
        example = root / "examples" / "digits"
        source = example / "digits.onnx" if name == "digits" else models.fetch(name)
        golden = example / "golden.npz" if name == "digits" else golden_for(name)
        wanted = project(
            source, folder / "built", *TARGETS, model={"name": name}, build={"golden": str(golden)}
        )
        results = {result.target: result for result in build(wanted)}
        folders = {target: folder / "moved" / name / target / "here" for target in results}
        for target, place in folders.items():
            place.parent.mkdir(parents=True)
            os.rename(results[target].path, place)
        return Built(source, golden, folders, results)

    return make


def plain_session(path: Path) -> onnxruntime.InferenceSession:
    """Open a model as its author would, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", EXPECTED)
def test_each_stage_is_kept_or_left_out_for_its_reason(
    built: Callable[[str], Built], name: str, target: str
) -> None:
    result, expected = built(name).results[target], EXPECTED[name]
    stages = {row["stage"]: row["reason"] or row["outcome"] for row in result.report["stages"]}
    assert stages == {"check": KEPT, "slim": expected.slim, "convert": expected.convert}
    models_folder = built(name).folders[target] / "models"
    sizes = {path.name: path.stat().st_size for path in models_folder.iterdir()}
    assert sizes == {"source.onnx": expected.onnx} | ({"source.ort": expected.ort} if expected.ort else {})
    assert len(result.report["advice"]) == expected.advice


@pytest.mark.parametrize("name", EXPECTED)
def test_a_moved_bundle_proves_itself_from_another_folder(
    built: Callable[[str], Built], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = built(name)
    monkeypatch.chdir(tmp_path)
    for target, form in made.files():
        with made.open(target, form) as predictor:
            assert predictor.bundle.digest == made.results[target].digest
            assert predictor.self_test().passed


def test_answers_that_rounding_moves_have_a_tolerance_of_their_own(built: Callable[[str], Built]) -> None:
    with built("notes").open("arm64", "onnx") as predictor:
        assert predictor.manifest.variant(None).tolerances == (Tolerance("absolute", bound=2.0**-9),) * 3
    with built("mnist").open("arm64", "onnx") as predictor:
        assert predictor.manifest.variant(None).tolerances == (Tolerance("close"),)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_bundle_answers_as_its_source_does(built: Callable[[str], Built], name: str) -> None:
    made = built(name)
    source = plain_session(made.source)
    with np.load(made.golden) as stored:
        case = {
            key.removeprefix("inputs/"): np.array(stored[key][-1], order="C")
            for key in stored.files
            if key != "labels"
        }
    expected = dict(zip([port.name for port in source.get_outputs()], source.run(None, case), strict=True))
    for target, form in made.files():
        with made.open(target, form) as predictor:
            answers = predictor.predict(case)
            tolerances = predictor.manifest.variant(None).tolerances
        assert list(answers) == list(expected)
        for (output, answer), tolerance in zip(answers.items(), tolerances, strict=True):
            assert compare(answer, expected[output], tolerance).ok, (target, form, output)


@pytest.mark.parametrize("task", RIGHT)
def test_every_file_is_as_often_right_as_the_source(
    built: Callable[[str], Built], task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made, data = built(task), labels.labelled(task)
    session = plain_session(data.model)
    answers = [session.run([data.output], case)[0] for case in data.cases()]
    right = {"source": labels.correct(answers, data.labels)}
    for target, form in made.files():
        with made.open(target, form) as predictor:
            answers = [predictor.predict(case)[data.output] for case in data.cases()]
        right[f"{target} .{form}"] = labels.correct(answers, data.labels)
    with capsys.disabled():
        shown = ", ".join(f"{file} {count}" for file, count in right.items())
        print(f"\n{task}: right of {len(data)}: {shown}")
    count, total = RIGHT[task]
    assert len(data) == total
    assert right == dict.fromkeys(right, count)
