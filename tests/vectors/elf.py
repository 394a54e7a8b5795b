"""Small shared libraries in ELF64, written byte by byte: what a checker reads of one, and no code."""

import struct
from dataclasses import dataclass, field

MACHINES = {"arm64": 183, "x86_64": 62}
WEAK = 2

_HEADER, _SEGMENT, _SECTION, _SYMBOL = 64, 56, 64, 24
_STRTAB, _DYNAMIC, _DYNSYM, _VERDEF, _VERNEED, _VERSYM = 3, 6, 11, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_SHARED, _LOAD, _TEXT, _BASE = 3, 1, 0x1000, 1


@dataclass
class Library:
    """A library that is right in everything that it states; each fault is a change of one of these.

    `asked`: per needed library the version nodes that it must define, each with its flags.
    `defined`: its own version nodes, behind the one that is called `soname`.
    `exported`: its symbols, and whether it defines them.
    """

    machine: int
    exported: dict[str, bool] = field(default_factory=lambda: {"OrtGetApiBase": True})
    needed: list[str] = field(default_factory=lambda: ["libc.so.6"])
    runpath: str = ""
    asked: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    defined: list[str] = field(default_factory=lambda: ["VERS_1.31.1"])
    soname: str = "libonnxruntime.so.1"

    def bytes(self) -> bytes:
        """The file."""
        names = _Names()
        tables = [
            (".dynsym", _DYNSYM, self._symbols(names), 1, _SYMBOL),
            (".gnu.version", _VERSYM, struct.pack("<H", 2) * (len(self.exported) + 1), 0, 2),
            (".gnu.version_d", _VERDEF, self._definitions(names), len(self.defined) + 1, 0),
            (".gnu.version_r", _VERNEED, self._requests(names), len(self.asked), 0),
            (".dynamic", _DYNAMIC, self._dynamic(names), 0, 16),
        ]
        named = [(names.add(name), *row) for name, *row in tables if row[1]]
        own = names.add(".dynstr")
        named.insert(0, (own, _STRTAB, bytes(names.data), 0, 0))
        sections, body, start = [bytes(_SECTION)], b"", _HEADER + _SEGMENT
        for name, kind, data, count, size in named:
            # Section 1 is the table of names, 2 that of symbols: what the others link to.
            link, place = {_STRTAB: 0, _VERSYM: 2}.get(kind, 1), start + len(body)
            row = (name, kind, 2, place, place, len(data), link, count, 8, size)
            sections.append(struct.pack("<IIQQQQIIQQ", *row))
            body += data + bytes(-len(data) % 8)
        table = start + len(body)
        total = table + len(sections) * _SECTION
        header = struct.pack(
            "<16sHHIQQQIHHHHHH",
            b"\x7fELF\x02\x01\x01", _SHARED, self.machine, 1, 0, _HEADER, table, 0,
            _HEADER, _SEGMENT, 1, _SECTION, len(sections), 1,
        )  # fmt: skip
        segment = struct.pack("<IIQQQQQQ", _LOAD, 5, 0, 0, 0, total, total, 0x1000)
        return header + segment + body + b"".join(sections)

    def _symbols(self, names: "_Names") -> bytes:
        rows = [
            struct.pack("<IBBHQQ", names.add(name), 0x12, 0, int(defined), _TEXT * defined, 0)
            for name, defined in self.exported.items()
        ]
        return bytes(_SYMBOL) + b"".join(rows)

    def _definitions(self, names: "_Names") -> bytes:
        rows, nodes = b"", [self.soname, *self.defined]
        for index, name in enumerate(nodes, start=1):
            after = 28 if index < len(nodes) else 0
            rows += struct.pack("<HHHHIII", 1, _BASE * (index == 1), index, 1, 0, 20, after)
            rows += struct.pack("<II", names.add(name), 0)
        return rows

    def _requests(self, names: "_Names") -> bytes:
        rows = b""
        for index, (library, nodes) in enumerate(self.asked.items(), start=1):
            after = 16 + 16 * len(nodes) if index < len(self.asked) else 0
            rows += struct.pack("<HHIII", 1, len(nodes), names.add(library), 16, after)
            for at, (node, flags) in enumerate(nodes, start=1):
                following = 16 if at < len(nodes) else 0
                rows += struct.pack("<IHHII", 0, flags, at + 1, names.add(node), following)
        return rows

    def _dynamic(self, names: "_Names") -> bytes:
        entries = [(1, names.add(name)) for name in self.needed]
        if self.runpath:
            entries.append((29, names.add(self.runpath)))
        return b"".join(struct.pack("<QQ", *entry) for entry in [*entries, (0, 0)])


def patched(data: bytes, place: int, new: bytes) -> bytes:
    """Put bytes over those at a place."""
    return data[:place] + new + data[place + len(new) :]


def replaced(data: bytes, entry: bytes, offset: int, new: bytes) -> bytes:
    """Put bytes into the last entry, of those before the section table, that begins so."""
    end = int.from_bytes(data[40:48], "little")
    return patched(data, data.rindex(entry, 0, end) + offset, new)


class _Names:
    """A table of names; 0 is the empty one."""

    def __init__(self) -> None:
        self.data = bytearray(1)

    def add(self, name: str) -> int:
        place = len(self.data)
        self.data += name.encode() + b"\0"
        return place
