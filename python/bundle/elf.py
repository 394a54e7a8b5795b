"""What a shared library says of itself, read without running it: ELF64, little-endian, any bytes.

Sections are read, as every linker writes them; LIBRARY.md says which. Nothing is believed before it was
compared with the size of the file, so that a truncated or a made-up file is a fault and never a crash.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from bundle.spec import table

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_DYNAMIC = struct.Struct("<QQ")
_NEED, _NEED_NODE = struct.Struct("<HHIII"), struct.Struct("<IHHII")
_DEFINITION, _DEFINITION_NODE = struct.Struct("<HHHHIII"), struct.Struct("<II")
_IDENT = b"\x7fELF\x02\x01"
_SHARED, _LOAD = 3, 1
_SHT_DYNAMIC, _SHT_NOTE, _SHT_NOBITS, _SHT_DYNSYM = 6, 7, 8, 11
_SHT_DEFINES, _SHT_NEEDS = 0x6FFFFFFD, 0x6FFFFFFE
_DT_NEEDED, _DT_RPATH, _DT_RUNPATH = 1, 15, 29
_WEAK, _BASE = 2, 1
_NOTE_PROPERTY, _X86_ISA_NEEDED = 5, 0xC0008002
#: No table and no name that a linker writes is larger, and no list longer.
_LIMITS = table("library")["limits"]
#: The symbol by which a library is one of ONNX Runtime.
ENTRY: str = table("library")["entry"]

_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")


class ElfFault(ValueError):
    """Why a file is no whole shared library, as a phrase: ``a segment that ends outside of the file``."""


class NotElf(ElfFault):
    """The file does not begin as ELF64 does."""


@dataclass(frozen=True)
class Header:
    """The first bytes of a file that is ELF64, little-endian."""

    kind: int
    machine: int
    segments: tuple[int, int, int]
    sections: tuple[int, int, int]


@dataclass(frozen=True)
class Elf:
    """What a whole shared library states.

    Attributes:
        machine: ``e_machine``.
        has_entry: whether `ENTRY` is among the symbols that it defines.
        needed: the libraries that it needs, in order.
        runpath: where those are looked for first, as it stands: ``$ORIGIN`` among folders.
        asked: by library, the version nodes that it must define; weak ones are left out.
        defined: the version nodes that this library defines.
        isa_level: bits of the x86 ISA levels that it needs (1 baseline, 2 v2, 4 v3, 8 v4); 0: not stated.
    """

    machine: int
    has_entry: bool
    needed: tuple[str, ...]
    runpath: tuple[str, ...]
    asked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    defined: tuple[str, ...] = ()
    isa_level: int = 0

    def asks(self, prefix: str, library: str | None = None) -> tuple[int, ...]:
        """Return the highest version of a family, such as ``GLIBC_``, that it asks of one library or of any.

        ``()`` where it asks for none. Names that do not end in numbers alone are no versions.
        """
        nodes = (node for name, found in self.asked.items() if library in (None, name) for node in found)
        return highest(nodes, prefix)

    def defines(self, prefix: str) -> tuple[int, ...]:
        """Return the highest version of a family that it defines; ``()`` where there is none."""
        return highest(self.defined, prefix)


def highest(nodes: Iterator[str] | tuple[str, ...], prefix: str) -> tuple[int, ...]:
    """Return the highest of the versions among names such as ``GLIBC_2.28``, compared number by number."""
    texts = (node.removeprefix(prefix) for node in nodes if node.startswith(prefix))
    return max((numbers(text) for text in texts if _NUMBERS.fullmatch(text)), default=())


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a dotted version; the text must be one."""
    return tuple(int(each) for each in text.split(".")) if len(text) < 64 else ()


def read_header(file: BinaryIO) -> Header:
    """Read the header.

    Raises:
        NotElf: the file does not begin with one of ELF64, little-endian.
        OSError: as the file system says.
    """
    file.seek(0)
    raw = file.read(_HEADER.size)
    if len(raw) < _HEADER.size or not raw.startswith(_IDENT):
        raise NotElf("no ELF64 file" if raw else "an empty file")
    _, kind, machine, _, _, segments, sections, _, _, *sizes, _ = _HEADER.unpack(raw)
    return Header(kind, machine, (segments, *sizes[:2]), (sections, *sizes[2:]))


def read(file: BinaryIO) -> Elf:
    """Read a whole shared library.

    Raises:
        ElfFault: it is none, or it is not whole.
        OSError: as the file system says.
    """
    header = read_header(file)
    image = _Image(file, os.fstat(file.fileno()).st_size)
    if header.kind != _SHARED:
        raise ElfFault("an ELF file that is no shared library")
    for segment in image.rows(_SEGMENT, header.segments, "segment"):
        if segment[0] == _LOAD:
            image.check(segment[2], segment[5], "a segment")
    sections = [
        _Section(row[1], row[4], row[5], row[6], row[7])
        for row in image.rows(_SECTION, header.sections, "section")
    ]
    return _Sections(image, sections).elf(header.machine)


class _Image:
    """The bytes of a file; what leads out of it is a fault."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def check(self, offset: int, count: int, what: str) -> None:
        if offset + count > self._size:
            raise ElfFault(f"{what} that runs past the end of the file")

    def bytes(self, offset: int, count: int, what: str) -> bytes:
        self.check(offset, count, what)
        if count > _LIMITS["table_bytes"]:
            raise ElfFault(f"{what} of {count} bytes")
        self._file.seek(offset)
        data = self._file.read(count)
        if len(data) < count:
            raise ElfFault("a file that is written to while it is read")
        return data

    def rows(self, row: struct.Struct, place: tuple[int, int, int], what: str) -> list[tuple[int, ...]]:
        """Return the rows of a table of the header, given its offset, the size of a row and their count."""
        offset, size, count = place
        if not count or size != row.size:
            raise ElfFault(f"a file without a table of {what}s")
        return list(row.iter_unpack(self.bytes(offset, size * count, f"a table of {what}s")))


@dataclass(frozen=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int
    count: int


class _Sections:
    """The sections of a file that linkers write for the loader."""

    def __init__(self, image: _Image, sections: list[_Section]) -> None:
        self._image, self._all = image, sections

    def elf(self, machine: int) -> Elf:
        needed, folders = self._dynamic()
        return Elf(
            machine,
            self._has_entry(),
            needed,
            tuple(folder for folder in folders.split(":") if folder),
            self._needs(),
            tuple(self._defines()),
            self._isa_level(),
        )

    def _first(self, kind: int) -> _Section | None:
        return next((each for each in self._all if each.kind == kind), None)

    def _data(self, section: _Section | None) -> bytes:
        if section is None or section.kind == _SHT_NOBITS:
            return b""
        return self._image.bytes(section.offset, section.size, "a section")

    def _names(self, section: _Section | None) -> bytes:
        """Return the table of names that a section links to."""
        if section is None:
            return b""
        if section.link >= len(self._all):
            raise ElfFault("a section without its names")
        return self._data(self._all[section.link])

    def _has_entry(self) -> bool:
        section = self._first(_SHT_DYNSYM)
        data, names = self._data(section), self._names(section)
        # The names are compared where they stand: millions of symbols may share one that is as long.
        wanted = ENTRY.encode() + b"\0"
        rows = _SYMBOL.iter_unpack(data[: len(data) // _SYMBOL.size * _SYMBOL.size])
        return any(index and names.startswith(wanted, name) for name, _, _, index, _, _ in rows)

    def _dynamic(self) -> tuple[tuple[str, ...], str]:
        """Return the names of what it needs, and the folders where those are looked for first."""
        section = self._first(_SHT_DYNAMIC)
        data, names = self._data(section), self._names(section)
        needed: list[str] = []
        folders: dict[int, str] = {}
        for tag, value in _DYNAMIC.iter_unpack(data[: len(data) // _DYNAMIC.size * _DYNAMIC.size]):
            if not tag:
                break
            if tag == _DT_NEEDED:
                if len(needed) >= _LIMITS["needed"]:
                    raise ElfFault(f"a library that needs more than {_LIMITS['needed']} others")
                needed.append(_text(names, value))
            elif tag in (_DT_RUNPATH, _DT_RPATH):
                # The loader takes the last one, too.
                folders[tag] = _text(names, value)
        return tuple(needed), folders.get(_DT_RUNPATH, folders.get(_DT_RPATH, ""))

    def _needs(self) -> dict[str, tuple[str, ...]]:
        section = self._first(_SHT_NEEDS)
        data, names = self._data(section), self._names(section)
        asked: dict[str, tuple[str, ...]] = {}
        left = _LIMITS["versions"]
        for place, row in _chain(data, 0, section.count if section else 0, _NEED, 4):
            library = _text(names, row[2])
            nodes = [node for _, node in _chain(data, place + row[3], row[1], _NEED_NODE, 4, left)]
            left -= len(nodes)
            found = tuple(_text(names, node[3]) for node in nodes if not node[1] & _WEAK)
            asked[library] = asked.get(library, ()) + found
        return asked

    def _defines(self) -> Iterator[str]:
        section = self._first(_SHT_DEFINES)
        data, names = self._data(section), self._names(section)
        for place, row in _chain(data, 0, section.count if section else 0, _DEFINITION, 6):
            for _, node in _chain(data, place + row[5], 1, _DEFINITION_NODE, 1):
                if not row[1] & _BASE:
                    yield _text(names, node[0])

    def _isa_level(self) -> int:
        """Return what the property notes need of an x86 CPU."""
        notes = [section for section in self._all if section.kind == _SHT_NOTE]
        # Thousands of sections may be the same bytes.
        if sum(section.size for section in notes) > _LIMITS["table_bytes"]:
            raise ElfFault("notes without an end")
        level = 0
        for section in notes:
            level |= _isa_of(self._data(section))
        return level


def _chain(
    data: bytes,
    place: int,
    count: int,
    row: struct.Struct,
    following: int,
    most: int = _LIMITS["versions"],
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the entries of a list in which each says how many bytes further the next one stands."""
    for index in range(count):
        # Lists of lists that lead into one another would take hours.
        if place + row.size > len(data) or index >= most:
            raise ElfFault("a table of versions that leads outside of it")
        values = row.unpack_from(data, place)
        yield place, values
        if not values[following]:
            return
        place += values[following]


def _text(names: bytes, place: int) -> str:
    end = names.find(b"\0", place, place + _LIMITS["name_bytes"] + 1)
    if end < 0:
        raise ElfFault("a name that is too long, or outside of the table of names")
    return names[place:end].decode("utf-8", "replace")


def _isa_of(notes: bytes) -> int:
    level, place = 0, 0
    while place + 16 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, place)
        start = place + 12 + (name_size + 3) // 4 * 4
        if kind == _NOTE_PROPERTY and notes[place + 12 : start] == b"GNU\0":
            level |= _isa_of_properties(notes[start : start + size])
        # Entries of this note are aligned to 8, and those of others, to 4, come before none of it.
        place = start + (size + 7) // 8 * 8
    return level


def _isa_of_properties(properties: bytes) -> int:
    level, place = 0, 0
    while place + 12 <= len(properties):
        kind, size, value = struct.unpack_from("<III", properties, place)
        if kind == _X86_ISA_NEEDED and size == 4:
            level |= value
        place += 8 + (size + 7) // 8 * 8
    return level
