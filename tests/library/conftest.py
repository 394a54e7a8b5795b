"""Real and made libraries, and the systems that they are looked at on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.library import host_arch, shared_library
from tests.vectors.elf import MACHINES, Library

Patch = Callable[..., Path]


@pytest.fixture(scope="session")
def machine() -> int:
    """The ELF machine of this host."""
    return MACHINES[host_arch()]


@pytest.fixture(scope="session")
def real() -> Path:
    """The library of ONNX Runtime that the wheel of this machine holds."""
    path = shared_library()
    assert path is not None
    return path


@pytest.fixture
def patched(real: Path, tmp_path: Path) -> Patch:
    """Return a copy of the real library in which a name is replaced by one of the same length."""

    def patch(old: bytes = b"", new: bytes = b"", size: int | None = None) -> Path:
        data = real.read_bytes()
        assert len(old) == len(new)
        if old:
            # The table of names of the loader, near the beginning, ends each with a zero.
            assert old + b"\0" in data
            data = data.replace(b"\0" + old + b"\0", b"\0" + new + b"\0", 1)
        path = tmp_path / "libonnxruntime.so.1"
        path.write_bytes(data[:size])
        return path

    return patch


@pytest.fixture
def sysroot(tmp_path: Path, machine: int) -> Callable[..., Path]:
    """Return the root folder of a made system: a library file for each name, as it is told to be."""

    def make(**changes: Library | None) -> Path:
        folder = tmp_path / "sysroot"
        names = ["libdl", "librt", "libpthread", "libm", "libgcc_s", "libc", "libstdcxx", "loader"]
        files = {name: Library(machine, needed=[], defined=[]) for name in names}
        files["libc"].defined = ["GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.35", "GLIBC_2.4"]
        files["libstdcxx"].defined = ["GLIBCXX_3.4", "GLIBCXX_3.4.30", "CXXABI_1.3.13", "CXXABI_TM_1"]
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "usr" / "lib").mkdir(parents=True)
        for name, library in (files | changes).items():
            if library is not None:
                (folder / "usr" / "lib" / SONAMES[name]).write_bytes(library.bytes())
        # As systems of today have it: one folder, and a link to it.
        (folder / "lib").symlink_to("/usr/lib")
        return folder

    return make


LOADERS = {"arm64": "ld-linux-aarch64.so.1", "x86_64": "ld-linux-x86-64.so.2"}
SONAMES = {
    "libdl": "libdl.so.2",
    "librt": "librt.so.1",
    "libpthread": "libpthread.so.0",
    "libm": "libm.so.6",
    "libgcc_s": "libgcc_s.so.1",
    "libc": "libc.so.6",
    "libstdcxx": "libstdc++.so.6",
    "loader": LOADERS[host_arch()],
}
