"""Options of opening: settings, providers, the file that is chosen."""

from pathlib import Path

import numpy as np
import pytest

import bundle
from bundle import BundleError, fit, session
from bundle.fit import choose
from bundle.manifest import Manifest
from bundle.options import Options, settings
from bundle.spec import table
from tests.runtime.make_bundle import Maker
from tests.vectors.bases import scale, with_fake_ort
from tests.vectors.kit import grid, variant

CUDA, AZURE, CPU = "CUDAExecutionProvider", "AzureExecutionProvider", "CPUExecutionProvider"


def refused(folder: Path, **options: object) -> tuple[str, str]:
    with pytest.raises(BundleError) as error:
        bundle.open(folder, **options)
    return error.value.code, error.value.subject


def test_every_setting_of_the_table_reaches_the_session(place: Maker) -> None:
    wanted = {
        "allow_spinning": True,
        "cpu_arena": True,
        "graph_optimization_level": "basic",
        "inter_op_threads": 1,
        "intra_op_threads": 1,
        "memory_pattern": False,
    }
    assert set(wanted) | {"mapped"} == set(table("session")["options"])
    with bundle.open(place(scale()), **wanted, config={"mlas.disable_kleidiai": "1"}) as predictor:
        assert {**predictor.options, "mapped": None} == {**wanted, "mapped": None}
        options = predictor._session.get_session_options()
        assert options.enable_cpu_mem_arena and not options.enable_mem_pattern
        assert "BASIC" in options.graph_optimization_level.name
        assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
        assert "SEQUENTIAL" in options.execution_mode.name
        for key, value in {
            "session.intra_op.allow_spinning": "1",
            "session.inter_op.allow_spinning": "1",
            "session.set_denormal_as_zero": "0",
            "session.disable_prepacking": "0",
            "mlas.disable_kleidiai": "1",
        }.items():
            assert options.get_session_config_entry(key) == value


def test_the_option_beats_the_variant_beats_the_bundle_beats_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bundle.options.effective_threads", lambda wanted: min(wanted, 6))
    made = scale().seal()
    made.tree["session"] = {"intra_op_threads": 3, "inter_op_threads": 3, "cpu_arena": True}
    made.tree["variants"][0]["threads"] = 5
    manifest = Manifest.parse(made.manifest())
    given = Options(session={"inter_op_threads": 7})
    merged = settings(given, manifest, manifest.variant())
    names = ("inter_op_threads", "intra_op_threads", "cpu_arena", "memory_pattern")
    assert [merged[name] for name in names] == [6, 5, True, True]


@pytest.mark.parametrize(("text", "wanted"), [("1", True), ("tRUE", True), ("0", False), ("False", False)])
def test_deterministic_compute_is_an_option_too(place: Maker, text: str, wanted: bool) -> None:
    with bundle.open(place(scale()), config={"session.use_deterministic_compute": text}) as predictor:
        assert predictor._session.get_session_options().use_deterministic_compute is wanted


def test_a_manifest_that_asks_for_mapping_asks_for_nothing_of_an_onnx_file(place: Maker) -> None:
    made = scale()
    made.tree["session"] = {"mapped": True}
    with bundle.open(place(made)) as predictor:
        assert predictor.options["mapped"] is False
        entry = predictor._session.get_session_options().get_session_config_entry
        assert entry("session.disable_prepacking") == "0"


def test_python_takes_the_library_of_its_package(place: Maker) -> None:
    folder = place(scale())
    with pytest.raises(BundleError) as error:
        bundle.open(folder, library="libonnxruntime.so")
    assert (error.value.code, error.value.subject) == ("option_invalid", "library")
    assert "pip install" in error.value.hint


@pytest.mark.parametrize(
    ("options", "subject"),
    [
        ({"format": None}, "format"),
        ({"cast": 1}, "cast"),
        ({"finite": "x"}, "finite"),
        ({"config": {"session.use_ort_model_bytes_directly": "1"}}, "session.use_ort_model_bytes_directly"),
        ({"config": {"mlas.disable_kleidiai": 1}}, "mlas.disable_kleidiai"),
        ({"config": ["mlas.disable_kleidiai"]}, "config"),
        ({"providers": []}, "providers"),
        ({"providers": CPU}, "providers"),
        ({"providers": [(CPU,)]}, "providers"),
        ({"providers": {CPU: {"a": [1]}}}, "providers"),
        ({"variant": 3}, "variant"),
        ({"path": "x"}, "path"),
        ({"mapped": True, "format": "onnx", "zoom": 1}, "zoom"),
    ],
)
def test_options_out_of_range(place: Maker, options: dict, subject: str) -> None:
    opened = bundle.Bundle.open(place(scale()))
    with pytest.raises(BundleError) as error:
        bundle.Predictor(opened, options=options)
    assert (error.value.code, error.value.subject) == ("option_invalid", subject)


def test_a_provider_that_is_not_there_is_left_out_with_a_reason(place: Maker) -> None:
    folder = place(scale())
    with bundle.open(folder, providers={CUDA: {"device_id": 0}, CPU: {}}) as predictor:
        assert predictor.providers == (CPU,)
        assert predictor.provider_reasons == {CUDA: "not in this ONNX Runtime"}
        assert predictor.predict(grid(1, 3))["y"].shape == (1, 3)
    assert refused(folder, providers=[CUDA, CPU], provider_policy="strict") == ("provider_unavailable", CUDA)


@pytest.mark.parametrize("policy", ["fallback", "strict"])
def test_a_misspelt_provider_is_never_left_out(place: Maker, policy: str) -> None:
    wrong = "CUDAExecutionProvder"
    assert refused(place(scale()), providers=[CPU, wrong], provider_policy=policy) == (
        "provider_unknown",
        wrong,
    )


@pytest.mark.parametrize("policy", ["fallback", "strict"])
def test_an_available_provider_other_than_the_cpus_runs(place: Maker, policy: str) -> None:
    with bundle.open(place(scale()), providers=[AZURE], provider_policy=policy) as predictor:
        assert predictor.providers == (AZURE, CPU)
        assert predictor.provider_reasons == {}
        np.testing.assert_array_equal(predictor.predict(grid(1, 3))["y"], [[-3, -1, 1]])


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every provider fail to start but the CPU's, as CUDA does without a driver."""
    start = session._start

    def stub(path: Path, values: dict, config: dict, providers: session.Providers) -> object:
        if any(name != CPU for name, _ in providers):
            raise RuntimeError("no driver\nand more lines")
        return start(path, values, config, providers)

    monkeypatch.setattr(session, "_start", stub)


@pytest.mark.usefixtures("failing")
def test_a_provider_that_does_not_start(place: Maker, capfd: pytest.CaptureFixture[str]) -> None:
    folder = place(scale())
    with bundle.open(folder, providers=[AZURE, CPU]) as predictor:
        assert predictor.providers == (CPU,)
        assert predictor.provider_reasons == {AZURE: "did not start: no driver"}
    assert refused(folder, providers=[AZURE], provider_policy="strict") == ("provider_unavailable", AZURE)
    made = scale()
    made.files["models/source.onnx"] = b"no model"
    assert refused(place(made), providers=[AZURE]) == ("model_rejected", "models/source.onnx")
    assert capfd.readouterr().out == ""


@pytest.fixture
def x86_64(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host for which the bundles below are made, whatever runs this test."""
    monkeypatch.setattr(fit, "host_arch", lambda: "x86_64")


def fitting(writer: str = "1.29.0", **target: str) -> Manifest:
    made = with_fake_ort(writer)
    made.tree["target"].update(target)
    return Manifest.parse(made.seal().manifest())


@pytest.mark.usefixtures("x86_64")
def test_the_ort_file_is_taken_where_it_fits() -> None:
    manifest = fitting()
    choice = choose(manifest, manifest.variant(), "1.31.1", None)
    assert (choice.format, choice.path) == ("ort", "models/source.ort")
    assert choose(manifest, manifest.variant(), "1.31.1", "onnx").format == "onnx"


@pytest.mark.usefixtures("x86_64")
def test_why_an_ort_file_is_not_taken() -> None:
    newer = fitting("1.31.2")
    choice = choose(newer, newer.variant(), "1.31.1", None)
    assert choice.format == "onnx"
    assert "1.31.2" in choice.reason
    foreign = choose(newer, newer.variant(), "1.31.1", "ort", foreign=True)
    assert foreign.format == "ort"
    with pytest.raises(BundleError) as error:
        choose(newer, newer.variant(), "1.31.1", "ort")
    assert (error.value.code, error.value.subject) == ("target_mismatch", "models/source.ort")


def test_an_ort_file_of_another_machine_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_fake_ort("1.29.0")
    made.tree["target"] = {"arch": "arm64", "cpu_class": "dotprod", "os": "linux"}
    made.tree["variants"] = [
        variant("source", made.tree["variants"][0]["files"], 1, writer="1.29.0", cpu_class="dotprod")
    ]
    manifest = Manifest.parse(made.seal().manifest())
    for arch, features, reason in (
        ("x86_64", (), "frozen for arm64"),
        ("arm64", (), "lacks: asimddp"),
        ("arm64", ("asimddp",), ""),
    ):
        monkeypatch.setattr(fit, "host_arch", lambda arch=arch: arch)
        monkeypatch.setattr(fit, "host_features", lambda features=features: frozenset(features))
        choice = choose(manifest, manifest.variant(), "1.31.1", None)
        assert choice.format == ("onnx" if reason else "ort")
        assert reason in choice.reason


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"threads": 2}, "intra_op_threads"),
        ({"intra_op_thread": 2}, "intra_op_threads"),
        ({"providers": ["cuda"]}, CUDA),
        ({"variant": "sorce"}, "source"),
    ],
)
def test_a_misspelt_name_is_met_with_the_right_one(place: Maker, options: dict, meant: str) -> None:
    with pytest.raises(BundleError) as error:
        bundle.open(place(scale()), **options)
    assert error.value.hint == f"did you mean `{meant}`?"
