"""The command `doctor`: what it says of an installation and a machine."""

import subprocess
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest

from bundle import library
from bundle.__main__ import main
from bundle.cli import exits
from bundle.doctor import Finding, bundles, installation, machine, providers, requirements
from bundle.doctor.finding import STATUSES
from bundle.spec import table

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def by_check(found: list[Finding]) -> dict[str, Finding]:
    named = {finding.check: finding for finding in found}
    assert len(named) == len(found)
    assert {finding.status for finding in found} <= STATUSES.keys()
    return named


def of(tree: dict, check: str) -> list[dict]:
    return [row for row in tree["findings"] if row["check"] == check]


def without(*names: str) -> str:
    """A program in which importing these fails as if they were not installed."""
    return (
        f"import sys\nsys.modules.update(dict.fromkeys({list(names)}))\n"
        "from bundle.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
    )


def run_without(names: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", without(*names), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_whole_installation_has_no_problem(ask) -> None:
    status, tree = ask("doctor")
    assert (status, tree["ok"], tree["problems"]) == (exits.OK, True, 0)
    for check in ("python", "numpy", "onnxruntime", "extra build", "threads", f"provider {CPU}"):
        [row] = of(tree, check)
        assert row["status"] == "ok", row
    [row] = of(tree, "onnxruntime")
    assert onnxruntime.__version__ in row["sentence"] and str(library.library_file()) in row["sentence"]
    told = {row["check"].removeprefix("provider ") for row in tree["findings"] if "provider" in row["check"]}
    assert told == set(table("session")["providers"])


def test_what_is_told_to_people_ends_with_a_verdict(vector, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == exits.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "nothing would fail here"
    assert any(line.split()[:2] == ["absent", "provider"] for line in lines)
    assert main(["doctor", "/nothing/here"]) == exits.NO
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 problem that would fail here: bundle"


@pytest.mark.parametrize("missing", [("numpy", "onnxruntime"), ("onnxruntime",), ("numpy",)])
def test_it_runs_where_a_library_is_missing(missing: tuple[str, ...], vector) -> None:
    done = run_without((*missing, "onnx", "rich"), "doctor", str(vector("ort_file_preferred")))
    assert (done.returncode, done.stderr) == (exits.NO, "")
    assert f"-> pip install {missing[-1]}" in done.stdout or f'-> pip install "{missing[-1]}' in done.stdout
    for name in missing:
        assert f"problem  {name} " in done.stdout
    assert ("unknown  onnxruntime" in done.stdout) == (missing == ("numpy",))
    rest = "bundle" if "numpy" in missing else "variant source"
    assert f"unknown  {rest}" in done.stdout
    assert "unknown  providers" in done.stdout


def test_only_the_standard_library_is_loaded_until_it_is_looked_at() -> None:
    program = (
        "import sys\nimport bundle.cli.doctor, bundle.doctor\n"
        "print([name for name in ('numpy', 'onnxruntime', 'onnx', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_old_onnxruntime_is_a_problem_everywhere(vector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "__version__", "1.20.0")
    [found] = installation.onnxruntime()
    assert found.status == "problem" and "library_too_old" in found.sentence
    assert found.advice.startswith('pip install "onnxruntime>=')
    variant = by_check(bundles.check(vector("ort_file_preferred")))["variant source"]
    assert variant.status == "problem" and "1.20.0" in variant.sentence


def test_an_old_numpy_or_python_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy

    monkeypatch.setattr(numpy, "__version__", "1.20.0")
    monkeypatch.setattr(installation.platform, "python_version", lambda: "3.9.1")
    for [found] in (installation.numpy(), installation.python()):
        assert found.status == "problem" and "is needed" in found.sentence and found.advice


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"A=1\0ORT_DISABLE_TELEMETRY=1\0", "ok", "off"),
        (b"A=1\0", "warning", "not set"),
        (b"ORT_DISABLE_TELEMETRY=0\0", "warning", "`0`"),
        (None, "unknown", "does not tell"),
    ],
)
def test_telemetry_is_what_the_environment_said(
    content: bytes | None, status: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "environ"
    if content is not None:
        path.write_bytes(content)
    [found] = installation.telemetry(path)
    assert found.status == status and said in found.sentence


def test_an_extra_tells_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"onnxsim": None, "onnxoptimizer": "0.4.2", "pillow": "9.5.0"}
    monkeypatch.setattr(installation, "installed", lambda name: versions.get(name, "99.0"))
    found = by_check(installation.extras())
    assert (found["extra optimizers"].status, found["extra optimizers"].sentence) == (
        "absent",
        "missing: onnxsim",
    )
    assert found["extra optimizers"].advice == 'pip install "edgebundle[optimizers]"'
    assert (found["extra images"].status, found["extra report"].status) == ("warning", "ok")
    # protobuf has an upper bound, which 99.0 exceeds.
    assert "protobuf is 99.0" in found["extra build"].sentence


def test_every_extra_of_the_project_is_looked_at(root: Path) -> None:
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    assert {finding.check for finding in installation.extras()} == {
        f"extra {name}" for name in project["optional-dependencies"]
    }


def test_a_package_that_is_only_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (requirements, installation):
        monkeypatch.setattr(module, "DISTRIBUTION", "no-such-distribution")
    assert requirements.requirements() is None
    assert [found.status for found in installation.extras()] == ["unknown"]
    assert [found.status for found in installation.python()] == ["unknown"]
    assert [found.status for found in installation.numpy()] == ["ok"]


def test_a_requirement_is_read_and_compared() -> None:
    needed = requirements.parse('protobuf<7,>=6.31.1; extra == "build"')
    assert (needed.name, needed.extra, needed.text) == ("protobuf", "build", "protobuf>=6.31.1,<7")
    allowed = {version: needed.allows(version) for version in ("6.31.0", "6.31.1", "6.99", "7.0.0", "7.1")}
    assert allowed == {"6.31.0": False, "6.31.1": True, "6.99": True, "7.0.0": False, "7.1": False}
    assert requirements.parse("numpy>=1.26").extra == ""
    with pytest.raises(ValueError, match="no requirement"):
        requirements.parse(">=1")


def test_a_processor_without_a_target_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "host_arch", lambda: "riscv64")
    [found] = machine.processor()
    assert found.status == "warning" and "riscv64" in found.sentence and "--target any" in found.advice


@pytest.mark.parametrize(
    ("features", "classes"),
    [(frozenset(), "arm64:v8.0"), (frozenset({"asimddp"}), "arm64:v8.0, arm64:dotprod")],
)
def test_a_processor_takes_the_classes_whose_features_it_has(
    features: frozenset[str], classes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "host_arch", lambda: "arm64")
    monkeypatch.setattr(machine, "host_features", lambda: features)
    [found] = machine.processor()
    assert found.sentence.endswith(f"takes .ort files for {classes}")


def test_what_keeps_a_process_from_more_threads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: set(range(4)))
    monkeypatch.setattr(machine, "effective_threads", lambda wanted: 2)
    [found] = machine.threads()
    assert "may use 2 of 8 CPUs" in found.sentence
    assert "affinity allows 4" in found.sentence and "quota" in found.sentence


def test_native_programs_are_found_or_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "go"
    program.write_bytes(b"")
    entries = {"go": program, "rust": tmp_path / "nothing", "cpp": tmp_path / "nothing"}
    monkeypatch.setenv("EDGEBUNDLE_DRIVERS", ":".join(f"{name}={path}" for name, path in entries.items()))
    found = by_check(machine.programs())
    assert found["bundle-predict (go)"] == Finding("bundle-predict (go)", "ok", str(program))
    assert {found[f"bundle-predict ({name})"].status for name in ("rust", "cpp")} == {"absent"}
    monkeypatch.setenv("EDGEBUNDLE_DRIVERS", "perl=/bin/perl")
    assert [found.status for found in machine.programs()] == ["problem"]


def test_every_provider_has_a_reason_for_not_being_there() -> None:
    assert providers.HOMES.keys() == set(table("session")["providers"])
    for finding in providers.providers():
        assert finding.status in ("ok", "absent"), finding


def test_the_probe_is_a_model_that_starts(tmp_path: Path) -> None:
    onnx.checker.check_model(onnx.load_from_string(providers._PROBE), full_check=True)
    assert providers._failure(CPU) == ""


def test_a_provider_that_is_there_but_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    found = by_check(providers.providers())
    assert found[f"provider {CUDA}"].status == "warning"
    assert "does not start" in found[f"provider {CUDA}"].sentence
    assert found["provider AzureExecutionProvider"].status == "absent"


def test_a_provider_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session(onnxruntime.InferenceSession):
        """Stands in for a library that holds the provider."""

        def __init__(self, path, options, providers, **more) -> None:
            self.wanted = [name for name, _ in providers]
            super().__init__(path, options, providers=[CPU], **more)

        def get_providers(self) -> list[str]:
            return self.wanted

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    found = by_check(providers.providers())
    assert found[f"provider {CUDA}"] == Finding(
        f"provider {CUDA}", "ok", "in this ONNX Runtime, and it starts"
    )


def test_a_provider_of_another_system_or_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_all_providers", lambda: ["CoreMLExecutionProvider"])
    found = by_check(providers.providers())
    assert "knows no such provider" in found[f"provider {CUDA}"].sentence
    assert "macOS" in found["provider CoreMLExecutionProvider"].sentence
    monkeypatch.setattr(providers.platform, "system", lambda: "Darwin")
    found = by_check(providers.providers())
    assert "the package onnxruntime has it" in found["provider CoreMLExecutionProvider"].sentence
