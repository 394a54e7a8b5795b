"""A system's libraries as its loader would find them, and none is loaded: of this machine or a folder."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from bundle import elf
from bundle.spec import table

#: As deep as the kernel follows links, and as ld.so.conf may include others.
_LINKS, _INCLUDES = 40, 8
_LIBC = "libc.so.6"


class System:
    """What stands below a root folder.

    Attributes:
        root: the folder, or None for the machine that this runs on.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = None if root is None else root.resolve()

    def inside(self, path: str) -> Path | None:
        """Return where a path of the system is on this machine, its links followed as that system would.

        None where it leads nowhere. A link never leads out of the root folder.
        """
        if self.root is None:
            return Path(path) if os.path.exists(path) else None
        waiting, links = _parts(path), 0
        done: list[str] = []
        while waiting:
            part = waiting.pop()
            if part == "..":
                done = done[:-1]
                continue
            here = self.root.joinpath(*done, part)
            if not here.is_symlink():
                done.append(part)
                continue
            links += 1
            target = os.readlink(here)
            if links > _LINKS:
                return None
            waiting += _parts(target)
            done = [] if target.startswith("/") else done
        found = self.root.joinpath(*done)
        return found if found.exists() else None

    def find(self, name: str, library: elf.Elf, origin: Path) -> tuple[Path, elf.Elf] | None:
        """Return the file that a library gets for a name that it needs, and what that file states.

        Args:
            name: as ``DT_NEEDED`` has it.
            library: the one that needs it.
            origin: the folder of that one's file, on this machine.
        """
        for path in self._candidates(name, library, origin):
            read = _read(path)
            # The loader passes over a library of another processor, too.
            if read is not None and read.machine == library.machine:
                return path, read
        return None

    def glibc(self, machine: int) -> tuple[int, ...]:
        """Return the version of the system's glibc for a processor; ``()`` where it has none."""
        for folder in self._folders(machine):
            path = self.inside(posixpath.join(folder, _LIBC))
            read = _read(path) if path is not None else None
            if read is not None and read.machine == machine:
                return read.defines("GLIBC_")
        return ()

    def machines(self) -> set[int]:
        """Return the processors that the system has a glibc for."""
        targets = table("targets")["targets"].values()
        known = {int(target["elf_machine"]) for target in targets if "elf_machine" in target}
        return {machine for machine in known if self.glibc(machine)}

    def runtime(self, machines: Iterable[int]) -> Path | None:
        """Return the ONNX Runtime that the system's loader would find by name, or None."""
        for name in ("libonnxruntime.so.1", "libonnxruntime.so"):
            for machine in machines:
                for folder in self._folders(machine):
                    path = self.inside(posixpath.join(folder, name))
                    if path is not None and _machine(path) in (None, machine):
                        return path
        return None

    def _candidates(self, name: str, library: elf.Elf, origin: Path) -> Iterator[Path]:
        if "/" in name:
            found = self.inside(name)
            yield from [found] if found else []
            return
        if self.root is None:
            for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
                if folder and (path := self.inside(os.path.join(folder, name))):
                    yield path
        for folder in library.runpath:
            if path := self._in_runpath(folder, name, origin):
                yield path
        for folder in self._folders(library.machine):
            if path := self.inside(posixpath.join(folder, name)):
                yield path

    def _in_runpath(self, folder: str, name: str, origin: Path) -> Path | None:
        if not folder.startswith(("$ORIGIN", "${ORIGIN}")):
            return self.inside(posixpath.join(folder, name))
        rest = folder.removeprefix("$ORIGIN").removeprefix("${ORIGIN}")
        if self.root is not None and origin.is_relative_to(self.root):
            return self.inside(f"{origin.relative_to(self.root)}{rest}/{name}")
        # A library that was named may stand outside of the root folder, and what it brings beside it.
        beside = Path(f"{origin}{rest}", name)
        return beside if beside.exists() else None

    def _folders(self, machine: int) -> list[str]:
        """Return the folders that the system's loader looks into for a processor."""
        targets = table("targets")["targets"]
        known = table("library")["folders"]
        own = [
            folder for arch, row in known.items() if targets[arch]["elf_machine"] == machine for folder in row
        ]
        return [*self._configured("/etc/ld.so.conf"), *(f"/{folder}" for folder in own)]

    def _configured(self, path: str, depth: int = 0) -> Iterator[str]:
        file = self.inside(path)
        if file is None or depth > _INCLUDES:
            return
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            return
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["include"]:
                for pattern in words[1:]:
                    for included in self._matches(posixpath.join(posixpath.dirname(path), pattern)):
                        yield from self._configured(included, depth + 1)
            elif words:
                yield words[0]

    def _matches(self, pattern: str) -> list[str]:
        """Return the paths of the system that a pattern with a wildcard in its last part names."""
        folder, name = posixpath.split(pattern)
        here = self.inside(folder)
        found = sorted(glob.glob(name, root_dir=here)) if here is not None else []
        return [posixpath.join(folder, each) for each in found]


def _parts(path: str) -> list[str]:
    """Return the parts of a path, the last one first."""
    return [part for part in path.split("/") if part not in ("", ".")][::-1]


def _machine(path: Path) -> int | None:
    """Return the processor that a file is for, or None where it is no library, which its checks tell."""
    try:
        if not path.is_file():
            return None
        with open(path, "rb") as file:
            return elf.read_header(file).machine
    except (OSError, elf.ElfFault):
        return None


def _read(path: Path) -> elf.Elf | None:
    try:
        with open(path, "rb") as file:
            return elf.read(file)
    except (OSError, elf.ElfFault):
        return None
