"""The whole build, in this process: what each wish of a project does to the bundle, and each refusal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import bundle
from bundle.builder import BuildResult, build, build_many, pack, verify
from bundle.builder.gate import Reference
from bundle.builder.measure import rounding
from bundle.builder.model import Model
from bundle.builder.session import View
from bundle.builder.worker import Worker
from bundle.error import BundleError
from bundle.tolerance import Tolerance
from tests.build import make_models as make
from tests.build.projects import project

Make = Callable[..., list[BuildResult]]


@pytest.fixture
def built(tmp_path: Path) -> Make:
    """Build a model for some targets, with sections of a bundle.toml."""

    def run(model: onnx.ModelProto, /, *targets: str, **sections: dict[str, Any]) -> list[BuildResult]:
        return build(project(make.save(model, tmp_path), tmp_path / "out", *targets, **sections))

    return run


def refusal(call: Callable[..., object], *arguments: Any, **sections: Any) -> BundleError:
    with pytest.raises(BundleError) as caught:
        call(*arguments, **sections)
    return caught.value


def manifest(result: BuildResult) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((result.path / "bundle.json").read_bytes())
    return tree


def stages(result: BuildResult) -> dict[str, str]:
    return {row["stage"]: row["reason"] or row["outcome"] for row in result.report["stages"]}


def golden(folder: Path, **arrays: np.ndarray) -> dict[str, str]:
    """Write a golden file; return the section of bundle.toml that names it."""
    path = folder / "cases.npz"
    np.savez(path, allow_pickle=False, **{key.replace("__", "/"): value for key, value in arrays.items()})
    return {"golden": str(path)}


def files(result: BuildResult) -> set[str]:
    return {row["path"] for row in manifest(result)["files"] if not row["path"].startswith("golden/")}


def test_any_target_takes_no_frozen_file(built: Make) -> None:
    (result,) = built(make.mlp(), "any")
    assert files(result) == {"models/source.onnx"}
    assert stages(result)["convert"] == "not_applicable"
    with bundle.open(result.path) as predictor:
        assert predictor.format == "onnx" and predictor.self_test().passed


def test_several_targets_share_all_but_the_frozen_file(built: Make) -> None:
    results = built(make.mlp(), "arm64", "arm64:dotprod", "amd64", "any")
    assert [result.target for result in results] == ["arm64", "arm64-dotprod", "x86_64", "any"]
    assert [result.path.name for result in results] == [f"model-1.0.0-{each.target}" for each in results]
    assert len({result.digest for result in results}) == len(results)
    assert len({(result.path / "models" / "source.onnx").read_bytes() for result in results}) == 1
    assert manifest(results[1])["variants"][0]["cpu_class"] == "dotprod"
    assert [row["ran_on"].startswith("host") for row in results[0].report["verify"]] == [True, True]


@pytest.mark.parametrize("form", ["onnx", "ort"])
def test_only_the_wanted_format_is_carried(built: Make, form: str) -> None:
    (result,) = built(make.mlp(), "arm64", build={"formats": [form]})
    assert {name for name in files(result) if name.startswith("models/")} == {f"models/source.{form}"}
    assert ("convert" in stages(result)) is (form == "ort")
    assert manifest(result)["recipe"]["options"]["formats"] == form


def test_where_the_wanted_frozen_file_fails_the_onnx_file_goes(
    built: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundle.builder.gate._check_growth", grown)
    (result,) = built(make.mlp(), "arm64", build={"formats": ["ort"], "optimizer": "none"})
    assert files(result) == {"models/source.onnx"}
    assert stages(result) == {"check": "kept", "slim": "not_asked", "convert": "larger"}


def grown(size: int, before: int, growth: object) -> None:
    from bundle.builder.model import StageSkipped

    raise StageSkipped("larger", f"{size} bytes instead of {before}")


@pytest.mark.parametrize(("wanted", "outcome"), [(21, "kept"), (make.OPSET, "unchanged")])
def test_opset(built: Make, wanted: int, outcome: str) -> None:
    (result,) = built(make.mlp(), "any", build={"opset": wanted})
    assert stages(result)["opset"] == outcome
    assert onnx.load(result.path / "models" / "source.onnx").opset_import[0].version == wanted


def test_an_opset_that_the_runtime_does_not_know(built: Make) -> None:
    assert refusal(built, make.mlp(), "any", build={"opset": 99}).code == "opset_unsupported"


def test_what_a_project_says_stands_in_the_manifest(built: Make) -> None:
    (result,) = built(
        make.mlp(),
        "any",
        model={"name": "plants", "version": "2.3.4", "license": "MIT", "description": "four plants"},
        labels={"probabilities": ["oak", "ash", "elm", "fir"]},
        metadata={"source": "a garden"},
        session={"intra_op_threads": 2},
        decisions={"probabilities": "none"},
    )
    tree = manifest(result)
    assert result.path.name == "plants-2.3.4-any"
    assert {key: tree["model"][key] for key in ("name", "version", "license", "description")} == {
        "name": "plants",
        "version": "2.3.4",
        "license": "MIT",
        "description": "four plants",
    }
    labels = ["oak", "ash", "elm", "fir"]
    assert tree["tasks"] == [{"kind": "classification", "labels": labels, "output": "probabilities"}]
    assert tree["metadata"] == {"source": "a garden"}
    assert tree["outputs"][0]["decision"] == "none"
    assert tree["session"] == {"intra_op_threads": 2}


@pytest.mark.parametrize(
    "sections",
    [
        {"labels": {"oops": ["a"]}},
        {"decisions": {"oops": "argmax"}},
        {"build": {"allow_nonfinite": ["oops"]}},
    ],
)
def test_a_name_that_the_model_lacks(built: Make, sections: dict[str, Any]) -> None:
    error = refusal(built, make.mlp(), "any", **sections)
    assert (error.code, error.subject) == ("config_invalid", "oops")


def test_a_decision_that_nobody_named_is_told(built: Make) -> None:
    assert built(make.mlp(), "any")[0].guessed == {"probabilities": "argmax"}
    assert built(make.mlp(), "any", decisions={"probabilities": "argmax"})[0].guessed == {}


def test_labels_of_another_length_than_the_output(built: Make) -> None:
    error = refusal(built, make.mlp(), "any", labels={"probabilities": ["a", "b", "c"]})
    assert (error.code, error.subject, error.found) == ("config_invalid", "probabilities", "3 labels")


def test_inputs_are_finite_unless_the_project_or_a_case_says_otherwise(built: Make, tmp_path: Path) -> None:
    rows = make.weights(4, 1, 3)
    plain = golden(tmp_path, inputs__a=rows, inputs__b=rows)
    ports = manifest(built(make.two_inputs(), "any", build=plain)[0])["inputs"]
    assert [port["finite"] for port in ports] == [True, True]
    allowed = {**plain, "allow_nonfinite": ["b"]}
    ports = manifest(built(make.two_inputs(), "any", build=allowed)[0])["inputs"]
    assert [port["finite"] for port in ports] == [True, False]
    holed = rows.copy()
    holed[0, 0, 0] = np.nan
    holes = golden(tmp_path, inputs__a=holed, inputs__b=rows)
    (result,) = built(make.two_inputs(), "any", build=holes)
    assert [port["finite"] for port in manifest(result)["inputs"]] == [False, True]
    assert any("`a` holds NaN" in text for text in result.report["advice"])
    (meant,) = built(make.two_inputs(), "any", build={**holes, "allow_nonfinite": ["a"]})
    assert not any("NaN" in text for text in meant.report["advice"])


def test_made_up_cases_are_marked(built: Make, tmp_path: Path) -> None:
    (made_up,) = built(make.mlp(), "any")
    assert {row["synthetic"] for row in manifest(made_up)["golden"]} == {True}
    assert any("made up" in text for text in made_up.report["advice"])
    (real,) = built(make.mlp(), "any", build=golden(tmp_path, inputs__x=make.weights(6, 1, 8)))
    assert {row["synthetic"] for row in manifest(real)["golden"]} == {False}
    assert not any("made up" in text for text in real.report["advice"])


def test_cases_with_one_answer_are_called_uninformative(built: Make, tmp_path: Path) -> None:
    same = golden(tmp_path, inputs__x=np.ones((4, 1, 8), np.float32))
    (result,) = built(make.mlp(), "any", build=same)
    assert [text for text in result.report["advice"] if text.startswith("golden_uninformative")]


def test_a_golden_file_of_another_model(built: Make, tmp_path: Path) -> None:
    a, b = make.weights(4, 1, 3), make.weights(4, 1, 3, seed=8)
    largest = np.abs(a + b).max()

    def build_with(outputs: np.ndarray, decision: str) -> BuildResult:
        cases = golden(tmp_path, inputs__a=a, inputs__b=b, outputs__sum=outputs.astype(np.float32))
        return built(make.two_inputs(), "any", build=cases, decisions={"sum": decision})[0]

    assert build_with(a + b, "none").report["advice"] == []
    (advice,) = build_with(a + b + 0.001 * largest, "none").report["advice"]
    assert "4 of 4 cases differ" in advice
    error = refusal(build_with, -(a + b), "argmax")
    assert (error.code, error.subject) == ("golden_mismatch", "outputs/sum")
    assert "flipped" in error.found
    # Decisions are the same, or there are none: the values still belong to another model.
    for decision in ("argmax", "none"):
        error = refusal(build_with, 100 * (a + b), decision)
        assert (error.code, error.subject) == ("golden_mismatch", "outputs/sum")


def test_a_case_that_the_model_refuses(built: Make, tmp_path: Path) -> None:
    ids = np.full((2, 1, 3), 99, np.int32)
    error = refusal(built, make.gather_table(), "any", build=golden(tmp_path, inputs__ids=ids))
    assert error.code == "source_failed"


def test_a_random_model_is_refused_or_carries_no_case(built: Make) -> None:
    assert refusal(built, make.random_normal(), "x86_64").code == "model_random"
    (result,) = built(make.random_normal(), "x86_64", build={"allow_random": True})
    assert manifest(result)["golden"] == []
    assert any("cannot prove itself" in text for text in result.report["advice"])
    assert {row["format"] for row in result.report["verify"]} == {"onnx", "ort"}
    with bundle.open(result.path, format="onnx") as predictor:
        assert refusal(predictor.self_test).code == "golden_missing"


def test_a_foreign_folder_is_never_replaced(built: Make, tmp_path: Path) -> None:
    place = tmp_path / "out" / "model-1.0.0-any"
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("mine")
    assert refusal(built, make.mlp(), "any").code == "output_exists"
    assert [path.name for path in place.iterdir()] == ["thesis.txt"]


def test_a_file_that_is_damaged_on_its_way_is_found(
    built: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = pack.write_files

    def damage(folder: Path, written: dict[str, bytes | Path]) -> None:
        write(folder, written)
        model = folder / "models" / "source.onnx"
        model.write_bytes(model.read_bytes()[:-1] + b"?")

    monkeypatch.setattr(pack, "write_files", damage)
    error = refusal(built, make.mlp(), "any")
    assert (error.code, error.subject) == ("verify_failed", "models/source.onnx")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_process_that_ends_without_an_answer_fails_its_bundles(
    built: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_COMMAND", ["false"])
    error = refusal(built, make.mlp(), "any", "x86_64")
    assert error.code == "verify_failed" and "ended with 1" in error.found
    assert list((tmp_path / "out").iterdir()) == []


def test_of_many_projects_a_fault_stays_alone(tmp_path: Path) -> None:
    makers = [make.mlp, make.unknown_operator, make.strings, make.random_normal, make.trees]
    projects = [
        project(make.save(maker(), tmp_path, f"{maker.__name__}.onnx"), tmp_path / "out", "any", "x86_64")
        for maker in makers
    ]
    results = build_many(projects)
    kinds = [each.code if isinstance(each, BundleError) else len(each) for each in results]
    assert kinds == [2, "operator_unknown", 2, "model_random", 2]
    for each in results:
        for result in [] if isinstance(each, BundleError) else each:
            with bundle.open(result.path, format="onnx") as predictor:
                assert predictor.self_test().passed


def test_large_weights_stay_in_a_data_file_of_the_bundle(tmp_path: Path) -> None:
    source = make.external_data(tmp_path / "model")
    wanted = project(source, tmp_path / "out", "x86_64", build={"opset": 21})
    (result,) = build(wanted, inline_limit=100)
    data = {"models/source.onnx", "models/source.onnx.data", "models/source.ort"}
    assert {name for name in files(result) if name.startswith("models/")} == data
    assert stages(result) == {"check": "kept", "opset": "kept", "slim": "not_applicable", "convert": "kept"}
    # The sizes of the stages are those of a model with its data.
    whole = sum((result.path / name).stat().st_size for name in data - {"models/source.ort"})
    assert {row["stage"]: row["bytes"] for row in result.report["stages"]}["opset"] == whole
    (inline,) = build(project(source, tmp_path / "inline", "x86_64"))
    case = {"x": make.weights(3, 8)}
    with bundle.open(result.path, format="onnx") as one, bundle.open(inline.path, format="onnx") as other:
        assert one.self_test().passed
        assert one.predict(case)["probabilities"].tobytes() == other.predict(case)["probabilities"].tobytes()
    (result.path / "models" / "source.onnx.data").unlink()
    assert refusal(bundle.open, result.path).code == "file_missing"


class Answers(Worker):
    """A worker that gives prepared answers."""

    def __init__(self, answers: list[dict[str, np.ndarray]]) -> None:
        super().__init__()
        self._answers = iter(answers)

    def call(self, job: Any, *arguments: Any, **keywords: Any) -> Any:
        return None if job.__name__ == "open_model" else next(self._answers)


@pytest.mark.parametrize(
    ("moved", "tolerance", "advice"),
    [
        (0.0, Tolerance("close"), []),
        (1e-6, Tolerance("close"), []),
        (3e-4, Tolerance("absolute", bound=2.0**-9), ["rounding_sensitive"]),
        (0.1, Tolerance("close"), ["rounding_large"]),
        (np.inf, Tolerance("close"), ["rounding_large"]),
    ],
)
def test_an_output_that_rounding_moves_gets_a_tolerance(
    moved: float, tolerance: Tolerance, advice: list[str]
) -> None:
    answer = np.array([[0.0, 1.0]], np.float32)
    view = View((("x", "tensor(float)", 2),), (("y", "tensor(float)", 2),))
    reference = Reference(view, [{"x": answer}], ({"y": answer},), ("none",))
    worker = Answers([{"y": answer + np.float32(moved)}])
    found, told = rounding(Model(Path("model.onnx"), "onnx"), reference, worker)
    assert found == (tolerance,)
    assert [each.code for each in told] == advice
