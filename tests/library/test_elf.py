"""The reader of shared libraries: what it reads of real ones, and that no bytes make it fail otherwise."""

import io
import os
import struct
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bundle import elf
from bundle.library import host_arch
from bundle.pins import pins_of
from bundle.spec import table
from bundle.wheel import pinned
from tests.vectors.elf import MACHINES, Library

MACHINE = MACHINES["x86_64"]
ASKED = {"libc.so.6": [("GLIBC_2.17", 0), ("GLIBC_2.4", 0)], "libstdc++.so.6": [("GLIBCXX_3.4.22", 0)]}
GOOD = Library(MACHINE, runpath="$ORIGIN", asked=ASKED).bytes()


def read(data: bytes) -> elf.Elf:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return elf.read(file)


def test_what_a_library_states_is_read() -> None:
    found = read(GOOD)
    assert found.has_entry and found.needed == ("libc.so.6",)
    assert found.runpath == ("$ORIGIN",) and found.defined == ("VERS_1.31.1",)
    assert found.asks("GLIBC_") == (2, 17) and found.asks("GLIBCXX_", "libstdc++.so.6") == (3, 4, 22)
    assert found.asks("GLIBCXX_", "libc.so.6") == () == found.defines("GLIBC_")


def test_the_real_library_states_what_is_pinned(real: Path) -> None:
    pins = pins_of(real)
    wheel = pinned(host_arch())
    assert wheel is not None and pins == wheel.runtime


@pytest.mark.parametrize("size", range(0, len(GOOD), 16))
def test_no_beginning_of_a_library_is_a_library(size: int) -> None:
    with pytest.raises(elf.ElfFault):
        read(GOOD[:size])


@pytest.mark.parametrize("size", [0, 63])
def test_what_is_shorter_than_a_header_is_no_elf(size: int) -> None:
    with pytest.raises(elf.NotElf):
        elf.read_header(io.BytesIO(GOOD[:size]))


def test_a_file_that_announces_terabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.so"
    # The table of sections begins where its header says; the second one is the table of names.
    place = int.from_bytes(GOOD[40:48], "little") + 64 + 32
    path.write_bytes(GOOD[:place] + (1 << 40).to_bytes(8, "little") + GOOD[place + 8 :])
    os.truncate(path, 1 << 42)
    with open(path, "rb") as file, pytest.raises(elf.ElfFault, match="bytes"):
        elf.read(file)


def test_a_list_that_leads_into_itself_ends() -> None:
    # 4,096 entries of one byte's distance each hold a list of 65,535.
    entry = struct.pack("<HHIII", 1, 65535, 0, 16, 16)
    place, size, data = len(GOOD), 1 << 20, entry * (1 << 16)
    sections = int.from_bytes(GOOD[40:48], "little")
    kinds = [struct.unpack_from("<I", GOOD, sections + 64 * index + 4)[0] for index in range(7)]
    row = sections + 64 * kinds.index(0x6FFFFFFE)
    made = bytearray(GOOD + data)
    struct.pack_into("<QQ", made, row + 24, place, size)
    struct.pack_into("<I", made, row + 44, 1 << 31)
    with pytest.raises(elf.ElfFault):
        read(bytes(made))


LIMITS = table("library")["limits"]
LONG, TOO_LONG = "a" * LIMITS["name_bytes"], "a" * (LIMITS["name_bytes"] + 1)


def nodes(count: int) -> list[tuple[str, int]]:
    return [("GLIBC_2.17", 2 * (at % 2)) for at in range(count)]


@pytest.mark.parametrize(
    "changes",
    [
        {"needed": [LONG]},
        {"runpath": LONG},
        {"defined": [LONG]},
        {"asked": {LONG: [(LONG, 0)]}},
        {"exported": {TOO_LONG: True, "OrtGetApiBase": True}},
        {"needed": ["libc.so.6"] * LIMITS["needed"]},
        {"asked": {"libc.so.6": nodes(LIMITS["versions"] - 1), "libm.so.6": nodes(1)}},
    ],
)
def test_as_much_as_the_limits_allow_is_read(changes: dict[str, Any]) -> None:
    assert read(Library(MACHINE, **changes).bytes()).has_entry


@pytest.mark.parametrize(
    "changes",
    [
        {"needed": [TOO_LONG]},
        {"runpath": TOO_LONG},
        {"defined": [TOO_LONG]},
        {"asked": {TOO_LONG: [("GLIBC_2.17", 0)]}},
        {"asked": {"libc.so.6": [(TOO_LONG, 0)]}},
        {"needed": ["libc.so.6"] * (LIMITS["needed"] + 1)},
        {"defined": ["VERS_1.31.1"] * LIMITS["versions"]},
        {"asked": {"libc.so.6": nodes(LIMITS["versions"]), "libm.so.6": nodes(1)}},
    ],
)
def test_more_than_the_limits_allow_is_a_fault(changes: dict[str, Any]) -> None:
    with pytest.raises(elf.ElfFault):
        read(Library(MACHINE, **changes).bytes())


def test_names_that_overlap_take_no_memory() -> None:
    """A symbol for each byte of a long name: each of their names is a part of the same bytes."""
    made = bytearray(GOOD)
    sections = int.from_bytes(made[40:48], "little")
    names = b"\0OrtGetApiBase\0" + b"a" * (1 << 20) + b"\0"
    symbols = b"".join(struct.pack("<IBBHQQ", 15 + at, 0x12, 0, 1, 0, 0) for at in range(0, 1 << 20, 32))
    struct.pack_into("<QQ", made, sections + 64 * 2 + 24, len(made) + len(names), len(symbols))
    struct.pack_into("<I", made, sections + 64 * 2 + 40, 3)
    # The table of symbol versions gives its place to the long names; nothing else is read of it.
    struct.pack_into("<QQ", made, sections + 64 * 3 + 24, len(made), len(names))
    tracemalloc.start()
    assert not read(bytes(made) + names + symbols).has_entry
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def note(*properties: bytes) -> bytes:
    body = b"".join(properties)
    return struct.pack("<III", 4, len(body), 5) + b"GNU\0" + body


def prop(kind: int, value: int) -> bytes:
    return struct.pack("<IIII", kind, 4, value, 0)


def test_the_level_of_the_cpu_is_read_from_the_notes() -> None:
    made = bytearray(GOOD)
    sections = int.from_bytes(made[40:48], "little")
    data = note(prop(0xC0000002, 3), prop(0xC0008002, 5))
    # The table of symbol versions gives its place to the notes; nothing else is read of it.
    row = sections + 64 * 3
    assert struct.unpack_from("<I", made, row + 4)[0] == 0x6FFFFFFF
    struct.pack_into("<I", made, row + 4, 7)
    struct.pack_into("<QQ", made, row + 24, len(made), len(data))
    assert read(bytes(made) + data).isa_level == 5
    assert read(bytes(made) + data[:16] + bytes(len(data))).isa_level == 0


def test_notes_that_are_the_same_bytes_again_and_again_are_not_read(tmp_path: Path) -> None:
    made = bytearray(GOOD)
    half = LIMITS["table_bytes"] // 2 + 1
    row = list(struct.unpack_from("<IIQQQQIIQQ", made, int.from_bytes(made[40:48], "little") + 64 * 3))
    row[1], row[4], row[5] = 7, 0, half
    sections = int.from_bytes(made[40:48], "little")
    count = struct.unpack_from("<H", made, 60)[0]
    table_of = made[sections : sections + 64 * count] + struct.pack("<IIQQQQIIQQ", *row) * 2
    struct.pack_into("<Q", made, 40, half)
    struct.pack_into("<H", made, 60, count + 2)
    path = tmp_path / "notes.so"
    path.write_bytes(made)
    os.truncate(path, half)
    with open(path, "r+b") as file:
        file.seek(half)
        file.write(table_of)
        file.flush()
        with pytest.raises(elf.ElfFault, match="notes"):
            elf.read(file)


PLACES = st.integers(0, len(GOOD) - 1)
DAMAGE = st.lists(st.tuples(PLACES, st.binary(min_size=1, max_size=8)), min_size=1, max_size=6)


@settings(max_examples=400, deadline=None)
@given(DAMAGE, st.integers(0, len(GOOD)) | st.just(len(GOOD)))
@example([(60, b"\xff\xff")], len(GOOD))
@example([(40, b"\xff" * 8)], len(GOOD))
@example([(32, b"\xff" * 8)], len(GOOD))
def test_any_bytes_are_read_or_are_a_fault(damage: list[tuple[int, bytes]], size: int) -> None:
    data = bytearray(GOOD)
    for place, new in damage:
        data[place : place + len(new)] = new
    try:
        read(bytes(data[:size]))
    except elf.ElfFault as fault:
        assert str(fault)


@pytest.mark.parametrize(
    ("nodes", "prefix", "version"),
    [
        (("GLIBC_2.9", "GLIBC_2.36", "GLIBC_2.100"), "GLIBC_", (2, 100)),
        (("GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "GLIBC_"), "GLIBC_", ()),
        (("CXXABI_1.3.9", "CXXABI_1.3.13", "CXXABI_FLOAT128"), "CXXABI_", (1, 3, 13)),
        (("GLIBC_" + "9" * 5000,), "GLIBC_", ()),
    ],
)
def test_versions_are_compared_number_by_number(nodes: tuple[str, ...], prefix: str, version: tuple) -> None:
    assert elf.highest(nodes, prefix) == version
