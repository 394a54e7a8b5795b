"""The number of the ORT format that a file is written in, and the newest that a library reads (check L11)."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from bundle.spec import table
from bundle.version import parse_version

_IDENTIFIER = b"ORTM"


def format_of(path: Path) -> int | None:
    """Return the number that an .ort file states, or None where it states none.

    Raises:
        OSError: as the file system says.
    """
    with open(path, "rb") as file:
        if file.read(8)[4:] != _IDENTIFIER:
            return None
        # Mapped: the place of the number is anywhere in a file that may be larger than the memory.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _stated(data)


def _stated(data: mmap.mmap) -> int | None:
    """Follow the first field of the FlatBuffer's root, a text."""
    try:
        (root,) = struct.unpack_from("<I", data)
        fields = root - struct.unpack_from("<i", data, root)[0]
        (offset,) = struct.unpack_from("<H", data, fields + 4)
        place = root + offset
        place += struct.unpack_from("<I", data, place)[0]
        (length,) = struct.unpack_from("<I", data, place)
    except struct.error:
        return None
    text = data[place + 4 : place + 4 + min(length, 8)]
    return int(text) if offset and text.isdigit() else None


def newest_read(library: str) -> int | None:
    """Return the newest number that a library of this version reads, or None where that is not known."""
    known = table("library")["ort_format"]
    until = parse_version(known["until"])
    return int(known["newest"]) if parse_version(library)[: len(until)] <= until else None
