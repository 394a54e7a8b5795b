"""The wheel: pure Python, complete, and enough for prediction beside numpy and ONNX Runtime."""

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BUILD = "import sys, scikit_build_core.build as backend; print(getattr(backend, sys.argv[1])(sys.argv[2]))"
# What the builder needs and a predicting process must do without.
BUILDER_ONLY = ("onnx", "onnxslim", "rich")


def run(command: list[str], cwd: Path) -> str:
    """Run a command that has to succeed; return what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(hook: str, source: Path, destination: Path) -> Path:
    """Call one hook of the build backend, without a network and without an isolated environment."""
    return destination / run([sys.executable, "-c", BUILD, hook, str(destination)], source).splitlines()[-1]


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("build_wheel", root, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_needs_no_compiler_and_fits_every_platform(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_wheel_holds_every_module_and_table_and_nothing_else(root: Path, wheel: Path) -> None:
    package = root / "python"
    sources = [path.relative_to(package) for path in package.rglob("*") if path.is_file()]
    # Bindings that were built here belong to this machine.
    files = {path.as_posix() for path in sources if "__pycache__" not in path.parts and path.suffix != ".so"}
    tables = {f"bundle/spec/{path.name}" for path in (root / "spec").glob("*.json")}
    found = {name for name in contents(wheel) if ".dist-info/" not in name}
    assert "bundle/spec/errors.json" in found
    assert found == files | tables


def test_the_tables_in_the_wheel_are_those_of_the_contract(root: Path, wheel: Path) -> None:
    packed = contents(wheel)
    for path in (root / "spec").glob("*.json"):
        assert packed[f"bundle/spec/{path.name}"] == path.read_bytes()


def test_the_source_archive_builds_the_same_wheel(root: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build("build_sdist", root, tmp_path)) as archive:
        archive.extractall(tmp_path, filter="data")
    [source] = [path for path in tmp_path.iterdir() if path.is_dir()]
    again = build("build_wheel", source, tmp_path)
    assert contents(again) == contents(wheel)


@pytest.fixture(scope="session")
def bare_python(root: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter whose environment holds the wheel and what the wheel itself asks for."""
    folder = tmp_path_factory.mktemp("bare") / "environment"
    uv = str(Path(sys.executable).parent / "uv")
    run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], root)
    python = folder / "bin" / "python"
    pins = str(root / "requirements" / "build.txt")
    run([uv, "pip", "install", "--quiet", "--python", str(python), "--constraint", pins, str(wheel)], root)
    return python


def test_the_package_imports_without_the_builders_libraries(bare_python: Path, tmp_path: Path) -> None:
    program = (
        "import importlib.util, json, bundle\n"
        f"absent = [name for name in {BUILDER_ONLY} if importlib.util.find_spec(name) is None]\n"
        "print(json.dumps([absent, bundle.__file__]))\n"
    )
    absent, origin = json.loads(run([str(bare_python), "-c", program], tmp_path))
    assert tuple(absent) == BUILDER_ONLY
    assert Path(origin).is_relative_to(bare_python.parents[1])


def test_the_commands_start_without_the_builders_libraries(bare_python: Path, tmp_path: Path) -> None:
    assert "self-test" in run([str(bare_python.parent / "edgebundle"), "--help"], tmp_path)


def test_a_bundle_opens_predicts_and_proves_itself_without_them(
    bare_python: Path, root: Path, tmp_path: Path
) -> None:
    folder = root / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"
    program = """
import sys, numpy, bundle

with bundle.open(sys.argv[1]) as predictor:
    inputs = {}
    for port in predictor.inputs:
        shape = [size if isinstance(size, int) else 2 for size in port.shape]
        inputs[port.name] = numpy.ones(shape, port.dtype)
    assert set(predictor.predict(inputs)) == {port.name for port in predictor.outputs}
    assert predictor.self_test().passed
"""
    run([str(bare_python), "-c", program, str(folder)], tmp_path)
    for command in ("verify", "self-test"):
        run([str(bare_python), "-m", "bundle", command, str(folder)], tmp_path)


def test_the_driver_starts_without_the_builders_libraries(bare_python: Path, tmp_path: Path) -> None:
    described = json.loads(run([str(bare_python.parent / "bundle-predict"), "--describe"], tmp_path))
    assert described["language"] == "python"
