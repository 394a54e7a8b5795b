"""Copies of the sources of one language, where a fault can be planted and the program built again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bundle.parity import programs
from bundle.parity.client import Client

ROOT = Path(__file__).resolve().parents[2]
# Kept between runs, so that only what changed is built again; below a folder that git ignores.
WORK = ROOT / "build" / "planted"
SOURCES = {
    "python": ["python", "spec"],
    "rust": ["Cargo.toml", "Cargo.lock", "rust", "spec"],
    "go": ["go.mod", "go.sum", "Cargo.toml", "edgebundle.go", "go", "spec"],
    "cpp": ["CMakeLists.txt", "Cargo.toml", "go.mod", "cpp", "spec"],
}
_SECONDS = 600


@dataclass(frozen=True)
class Plant:
    """A fault that one exact replacement makes.

    Attributes:
        fault: what goes wrong, in a few words.
        file: the source file, relative to the root of the repository.
        old: a text that stands exactly once in the file.
        new: what stands there instead.
        caught_by: the test that must fail: a vector as GROUP/NAME, or ``bytes/MODEL``.
    """

    fault: str
    file: str
    old: str
    new: str
    caught_by: str


def plants(language: str) -> list[Plant]:
    """The faults of a language."""
    text = (Path(__file__).parent / "plants" / f"{language}.toml").read_text("utf-8")
    return [Plant(**entry) for entry in tomllib.loads(text)["plant"]]


class Copy:
    """The sources of one language and the program that is built from them."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.folder = WORK / language
        for name in SOURCES[language]:
            _mirror(ROOT / name, self.folder / name)

    def planted(self, plant: Plant) -> Client:
        """Plant a fault, build, and return a client of that program; `restore` takes the fault out again.

        Raises:
            AssertionError: the text is not there exactly once: the sources changed and the plant must follow.
        """
        path = self.folder / plant.file
        text = path.read_text("utf-8")
        count = text.count(plant.old)
        assert count == 1, f"{plant.file} holds {plant.old!r} {count} times: adapt the plant `{plant.fault}`"
        path.write_text(text.replace(plant.old, plant.new), "utf-8")
        return self.built()

    def restore(self, plant: Plant) -> None:
        """Take a fault out, also for the program's next build."""
        shutil.copyfile(ROOT / plant.file, self.folder / plant.file)

    def built(self) -> Client:
        """Build the program of the copy as it stands, and return a client of it."""
        if self.language == "python":
            # Without `site` no .pth file leads back to the package of the checkout.
            installed = [entry for entry in sys.path if Path(entry).name == "site-packages"]
            paths = [str(self.folder / "python"), *installed]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
            return Client("python", [sys.executable, "-S", "-m", "bundle.driver"], environment=environment)
        for command in self._build_commands():
            done = subprocess.run(
                command, cwd=self.folder, capture_output=True, text=True, timeout=_SECONDS, env=_environment()
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return Client(self.language, [str(self._program())], environment=programs.environment())

    def _build_commands(self) -> list[list[str]]:
        if self.language == "rust":
            return [
                ["cargo", "build", "--locked", "--quiet", "--bin", "bundle-predict", "--target-dir", "out"]
            ]
        if self.language == "go":
            return [["go", "build", "-o", "out/bundle-predict", "./go/cmd/bundle-predict"]]
        # Without optimization a file compiles in a third of the time, and answers the same.
        quick = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0", "-DEDGEBUNDLE_TESTS=OFF"]
        quick.append(f"-DCMAKE_RUNTIME_OUTPUT_DIRECTORY={self.folder / 'out'}")
        configure = ["cmake", "-G", "Ninja", "-S", ".", "-B", "out", *quick]
        return [configure, ["cmake", "--build", "out", "--target", "bundle-predict", "-j", "2"]]

    def _program(self) -> Path:
        folder = "out/debug" if self.language == "rust" else "out"
        return self.folder / folder / "bundle-predict"


def _environment() -> dict[str, str]:
    # A compiler that is told where to build by its caller would build there and not in the copy.
    return {name: text for name, text in os.environ.items() if name != "CARGO_TARGET_DIR"}


def _mirror(source: Path, target: Path) -> None:
    """Make a file or folder equal to another one; what is equal keeps its time, and is not built again."""
    if source.is_file():
        data = source.read_bytes()
        if not target.is_file() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return
    names = {path.name for path in source.iterdir() if path.name not in ("__pycache__", "cases")}
    if target.is_dir():
        for stale in {path.name for path in target.iterdir()} - names - {"__pycache__"}:
            path = target / stale
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in names:
        _mirror(source / name, target / name)
