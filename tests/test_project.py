"""Rules about the repository itself."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PYTHON_LINES = 400
PAGE_LINES = {"README.md": 120, "spec/FORMAT.md": 200}
LOCK_FILES = {"uv.lock", "Cargo.lock", "poetry.lock", "package-lock.json"}

# Folders that exist on one machine only. A path such as `/work/` may also be a name inside a model or a
# test, so what counts is the beginning of an absolute path, after a quote, a blank or the start of a line.
MACHINE_PATH = re.compile(rb"""(?:^|[\s"'(=])/(?:work|root|home|Users|opt)/[\w.-]+""", re.MULTILINE)
REGISTRY = re.compile(
    rb"(?:--(?:extra-)?index-url|--find-links|files\.pythonhosted\.org|pypi\.org/simple|pkg/simple)"
)


def tracked(root: Path) -> list[Path]:
    """Every file in git, or, outside of a checkout, a failure: an empty list would prove nothing."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True).stdout
    files = [root / name for name in listing.decode().split("\0") if name]
    assert files
    # A file that is deleted but not yet committed is still listed.
    return [path for path in files if path.is_file()]


def relative(paths: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_no_file_names_a_path_of_one_machine(root: Path) -> None:
    this = Path(__file__).resolve()
    found = {
        path.relative_to(root).as_posix(): match[0].decode()
        for path in tracked(root)
        if path != this and (match := MACHINE_PATH.search(path.read_bytes()))
    }
    assert found == {}


def test_no_file_names_a_registry(root: Path) -> None:
    this = Path(__file__).resolve()
    found = [path for path in tracked(root) if path != this and REGISTRY.search(path.read_bytes())]
    assert relative(found, root) == []


@pytest.mark.parametrize("text", [b'open("/home/someone/x")', b"/work/tree", b"a = /root/.cache"])
def test_the_path_rule_finds_what_it_is_for(text: bytes) -> None:
    assert MACHINE_PATH.search(text)


def test_no_lock_file_is_tracked(root: Path) -> None:
    assert [path.name for path in tracked(root) if path.name in LOCK_FILES] == []


def test_python_files_stay_readable_in_one_sitting(root: Path) -> None:
    lengths = {
        path.relative_to(root).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in tracked(root)
        if path.suffix == ".py"
    }
    assert {name: lines for name, lines in lengths.items() if lines > PYTHON_LINES} == {}


@pytest.mark.parametrize("page", sorted(PAGE_LINES))
def test_pages_stay_short(root: Path, page: str) -> None:
    assert len((root / page).read_text("utf-8").splitlines()) <= PAGE_LINES[page]


@pytest.mark.parametrize("name", ["uv", "build", "dev", "dist"])
def test_every_requirement_is_pinned_with_a_hash_and_no_index(root: Path, name: str) -> None:
    text = (root / "requirements" / f"{name}.txt").read_text("utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==[^ ]+( ;[^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in text


def pins(path: Path) -> set[str]:
    """Every `name==version` of a requirements file."""
    return set(re.findall(r"^[a-z0-9._-]+==[^ \n]+", path.read_text("utf-8"), re.MULTILINE))


def test_what_the_builder_runs_on_is_what_the_tests_run_on(root: Path) -> None:
    folder = root / "requirements"
    assert pins(folder / "build.txt") <= pins(folder / "dev.txt")


@pytest.mark.parametrize("name", ["uv", "build", "dev", "dist"])
def test_the_pins_are_those_that_were_asked_for(root: Path, name: str) -> None:
    folder = root / "requirements"
    assert pins(folder / f"{name}.in")
    assert pins(folder / f"{name}.in") <= pins(folder / f"{name}.txt")


def test_the_build_backend_is_the_pinned_one(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert set(project["build-system"]["requires"]) <= pins(root / "requirements" / "build.txt")


def test_error_codes_are_unique(root: Path) -> None:
    # A JSON parser keeps the last of two equal keys, so the keys are counted while they are read.
    duplicates: list[str] = []

    def remember(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        duplicates.extend(name for name in names if names.count(name) > 1)
        return dict(pairs)

    table = json.loads((root / "spec" / "errors.json").read_text("utf-8"), object_pairs_hook=remember)
    codes = table["errors"]
    names = [entry["code"] for entry in codes] if isinstance(codes, list) else list(codes)
    assert duplicates == []
    assert names and len(names) == len(set(names))


SKIPS = {
    "call": "import pytest\ndef test_a():\n    pytest.skip('not today')\n",
    "mark": "import pytest\n@pytest.mark.skip(reason='not today')\ndef test_a():\n    pass\n",
    "module": "import pytest\npytest.importorskip('a_module_that_nobody_has')\n",
}


@pytest.mark.parametrize("kind", sorted(SKIPS))
@pytest.mark.parametrize(("ci", "status"), [("true", {1, 2}), ("", {0, 5})])
def test_a_skip_fails_where_ci_is_set(
    root: Path, tmp_path: Path, kind: str, ci: str, status: set[int]
) -> None:
    (tmp_path / "test_skipping.py").write_text(SKIPS[kind])
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert run.returncode in status, run.stdout + run.stderr
