"""Writes spec/wheels.json: the wheel of each target that holds ONNX Runtime's library, by its hash.

The version and the hashes are those of requirements/build.txt; the wheels are fetched, and none of their
code is run.
"""

import fnmatch
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from bundle.pins import pins_of
from bundle.wheel import MEMBERS, PYTHON

ROOT = Path(__file__).resolve().parents[1]
#: By target, what pip calls the platform.
PLATFORMS = {"arm64": "manylinux_2_28_aarch64", "x86_64": "manylinux_2_28_x86_64"}
COMMENT = (
    "The wheels that ONNX Runtime's library is taken from, and what `runtime` says of it. "
    "`make requirements` writes this."
)


def pinned() -> tuple[str, str]:
    """Return the version of ONNX Runtime, and its entry, in requirements/build.txt."""
    text = (ROOT / "requirements" / "build.txt").read_text("utf-8")
    entry = next(each for each in re.split(r"\n(?=\S)", text) if each.startswith("onnxruntime=="))
    match = re.match("onnxruntime==([0-9.]+)", entry)
    assert match is not None, entry
    return match[1], entry


def fetched(entry: str, platform: str, folder: Path) -> Path:
    """Download the wheel of a platform."""
    requirements = folder / "requirements.txt"
    requirements.write_text(entry, "utf-8")
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--python-version", PYTHON]
    command = [sys.executable, "-m", "pip", "download", *options, "--platform", platform]
    subprocess.run([*command, "--dest", folder, "--requirement", requirements], check=True)
    return next(folder.glob("*.whl"))


def row(entry: str, platform: str) -> dict:
    """Describe the wheel of a platform, and the library in it."""
    with tempfile.TemporaryDirectory() as temporary:
        wheel = fetched(entry, platform, Path(temporary))
        with zipfile.ZipFile(wheel) as archive:
            paths = [path for pattern in MEMBERS for path in fnmatch.filter(archive.namelist(), pattern)]
            members = {path: hashlib.sha256(archive.read(path)).hexdigest() for path in paths}
            runtime = pins_of(Path(archive.extract(paths[-1], temporary)))
        # Its digest stands among those of the members.
        del runtime["sha256"]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        return {"file": wheel.name, "members": members, "runtime": runtime, "sha256": digest}


def main() -> None:
    """Write the table."""
    version, entry = pinned()
    wheels = {target: row(entry, platform) for target, platform in sorted(PLATFORMS.items())}
    tree = {"comment": COMMENT, "version": version, "wheels": wheels}
    (ROOT / "spec" / "wheels.json").write_text(json.dumps(tree, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
