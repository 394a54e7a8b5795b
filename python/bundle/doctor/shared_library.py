"""The checks of LIBRARY.md on a library's file: what would fail on a system, told without loading it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bundle import elf
from bundle.doctor import processor
from bundle.doctor.finding import Finding, of_error
from bundle.doctor.system import System
from bundle.error import BundleError
from bundle.library import api_of, host_arch
from bundle.pins import CXX, dotted, version_of
from bundle.spec import table
from bundle.version import parse_version

#: Families of versions of libstdc++, with the name that people know.
_CXX_FAMILIES = ("GLIBCXX_", "CXXABI_")


@dataclass(frozen=True)
class Ask:
    """What is asked of a library, beside what every predictor asks.

    Attributes:
        machines: ELF machines, one of which it must be for; empty where any will do.
        whose: whose machine that is, for the sentence.
        minimum: the oldest versions that may open the bundle.
        api: the C API that the bundle asks for; 0 where it says nothing.
    """

    machines: tuple[int, ...]
    whose: str
    minimum: tuple[str, ...] = ()
    api: int = 0


class SharedLibrary:
    """A library's file, and the system that it would be loaded on."""

    def __init__(self, path: Path, system: System, ask: Ask) -> None:
        self.path, self._system, self._ask = path, system, ask

    @cached_property
    def stated(self) -> elf.Elf | None:
        """What the file states, or None where it is no whole library of ONNX Runtime (L1 to L5)."""
        read = self._read()
        return read if isinstance(read, elf.Elf) else None

    @property
    def version(self) -> str | None:
        """The version that the file states, or None."""
        return version_of(self.stated) if self.stated else None

    def findings(self) -> list[Finding]:
        """Return what L1 to L10 and L12 find; only what cannot be read ends the list early."""
        read = self._read()
        if isinstance(read, BundleError):
            return [of_error("library", read)]
        found = [Finding("library", "ok", f"{self.path}: {self._named(read)}"), *self._placement(read)]
        host = machine_of(host_arch())
        return [*found, *self._age(), *self._api(), processor.check(read, self._system, host)]

    def _named(self, read: elf.Elf) -> str:
        named = f"ONNX Runtime {self.version}" if self.version else "an ONNX Runtime that states no version"
        return f"{named} for {_arch(read.machine)}"

    def _read(self) -> elf.Elf | BundleError:
        try:
            with open(self.path, "rb", opener=_without_waiting) as file:
                header = elf.read_header(file)
                if self._ask.machines and header.machine not in self._ask.machines:
                    return self._foreign(header.machine)
                read = elf.read(file)
        except elf.ElfFault as fault:
            return self._malformed(str(fault))
        except OSError as error:
            expected = f"a library that can be read at `{self.path}`"
            return BundleError("library_not_found", ".", expected, error.strerror or str(error))
        if not read.has_entry:
            return self._malformed(f"a library without {elf.ENTRY}")
        return read

    def _malformed(self, found: str) -> BundleError:
        return BundleError("library_malformed", ".", f"a whole ONNX Runtime library at `{self.path}`", found)

    def _foreign(self, machine: int) -> BundleError:
        wanted = " or ".join(map(_arch, self._ask.machines))
        expected = f"a library for {wanted}, as {self._ask.whose} is, at `{self.path}`"
        return BundleError("library_architecture", ".", expected, f"one for {_arch(machine)}")

    def _placement(self, read: elf.Elf) -> Iterator[Finding]:
        """L6 to L8: what the library asks of the system."""
        own = machine_of(host_arch())
        if self._system.root is None and read.machine not in {own, *self._system.machines()}:
            sentence = f"this machine is not for {_arch(read.machine)}, so it cannot tell what is there"
            advice = "name the root folder of the device's system with --root"
            yield Finding("library dependencies", "unknown", sentence, advice)
            return
        closure = _Closure(self._system, read, self.path.resolve().parent)
        yield from self._dependencies(read, closure)
        if glibc := self._system.glibc(read.machine):
            yield self._floor("library glibc", "library_glibc", read.asks("GLIBC_"), glibc, "glibc ", "")
        yield from self._libstdcxx(read, closure)

    def _dependencies(self, read: elf.Elf, closure: _Closure) -> Iterator[Finding]:
        for name, by in closure.missing:
            who = "it" if by is None else by
            error = BundleError(
                "library_dependency", name, f"this library, which {who} needs", "none on the system"
            )
            yield of_error("library dependencies", error)
        if not closure.missing:
            sentence = f"all that it needs is there: {', '.join(read.needed) or 'nothing'}"
            yield Finding("library dependencies", "ok", sentence)

    def _libstdcxx(self, read: elf.Elf, closure: _Closure) -> Iterator[Finding]:
        found = closure.found.get(CXX)
        if found is None:
            return
        for family in _CXX_FAMILIES:
            asked = read.asks(family, CXX)
            if asked:
                yield self._floor(
                    "library libstdc++",
                    "library_libstdcxx",
                    asked,
                    found.defines(family),
                    family,
                    "libstdc++ with ",
                )

    def _floor(
        self, check: str, code: str, asked: tuple[int, ...], found: tuple[int, ...], family: str, what: str
    ) -> Finding:
        if asked > found:
            there = f"{family}{dotted(found)}" if found else "none of these versions"
            return of_error(check, BundleError(code, ".", f"{what}{family}{dotted(asked)} or newer", there))
        asks = f"{family}{dotted(asked)}" if asked else "no version of it"
        return Finding(check, "ok", f"it asks for {asks}, and {family}{dotted(found)} is there")

    def _age(self) -> Iterator[Finding]:
        """L9."""
        if self.version is None:
            yield Finding("library version", "unknown", "the file states no version")
            return
        needed = max((table("session")["minimum_runtime"], *self._ask.minimum), key=parse_version)
        if parse_version(self.version) < parse_version(needed):
            error = BundleError("library_too_old", ".", f"ONNX Runtime {needed} or newer", self.version)
            yield of_error("library version", error)
            return
        yield Finding("library version", "ok", f"{self.version}, and {needed} is needed")

    def _api(self) -> Iterator[Finding]:
        """L10, for every reader that asks for more than there is."""
        offered = api_of(self.version) if self.version else None
        if offered is None:
            return
        asking = {f"the {name} predictor": api for name, api in table("library")["readers"].items()}
        refused = {who: api for who, api in (asking | {"the bundle": self._ask.api}).items() if api > offered}
        if refused:
            wanted = ", ".join(f"{api} for {who}" for who, api in refused.items())
            error = BundleError("library_api", ".", f"C API {wanted}", f"C API 1 to {offered}")
            yield of_error("library API", error)
            return
        yield Finding("library API", "ok", f"it offers C API 1 to {offered}")


class _Closure:
    """All that a library needs, and what that needs in turn."""

    def __init__(self, system: System, library: elf.Elf, origin: Path) -> None:
        self.found: dict[str, elf.Elf] = {}
        #: In the order in which the loader would meet them, with who needs it (None: the library itself).
        self.missing: list[tuple[str, str | None]] = []
        waiting: list[tuple[str | None, elf.Elf, Path]] = [(None, library, origin)]
        met: set[str] = set()
        while waiting:
            who, needing, folder = waiting.pop(0)
            for name in needing.needed:
                if name in met:
                    continue
                met.add(name)
                hit = system.find(name, needing, folder)
                if hit is None:
                    self.missing.append((name, who))
                    continue
                self.found[name] = hit[1]
                waiting.append((name, hit[1], hit[0].resolve().parent))


def _arch(machine: int) -> str:
    """Return the name of an ELF machine in targets.json, or its number."""
    for name, target in table("targets")["targets"].items():
        if target.get("elf_machine") == machine:
            return str(name)
    return f"ELF machine {machine}"


def machine_of(arch: str) -> int | None:
    """Return the ELF machine of an architecture of targets.json, or None, as for ``any``."""
    number: int | None = table("targets")["targets"].get(arch, {}).get("elf_machine")
    return number


def _without_waiting(path: str, flags: int) -> int:
    """Open a regular file only: a pipe would wait for ever."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise elf.NotElf("a folder or a device")
