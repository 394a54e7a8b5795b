"""What a bundle's manifest says of the library that it was proven with: section `runtime`, LIBRARY.md 4."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from bundle import elf
from bundle.library import api_of
from bundle.spec import table


def pins_of(library: Path) -> dict[str, Any]:
    """Return the fields of ``runtime`` that a library's file states, with its SHA-256.

    Raises:
        bundle.elf.ElfFault: it is no whole library.
        OSError: as the file system says.
    """
    with open(library, "rb") as file:
        read = elf.read(file)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    floors = {
        "cxxabi": read.asks("CXXABI_", CXX),
        "glibc": read.asks("GLIBC_"),
        "libstdcxx": read.asks("GLIBCXX_", CXX),
    }
    stated: dict[str, Any] = {name: dotted(version) for name, version in floors.items() if version}
    version = version_of(read)
    offered = api_of(version) if version else None
    return (
        stated
        | ({"api_maximum": offered} if offered else {})
        | {"needed": list(read.needed), "sha256": digest}
    )


#: The library whose floors are those of C++.
CXX = "libstdc++.so.6"


def version_of(library: elf.Elf) -> str | None:
    """Return the version of ONNX Runtime that a library states, or None."""
    found = library.defines(str(table("library")["version_node"]))
    return dotted(found) if len(found) == 3 else None


def api_needed() -> int:
    """Return the C API that every reader can be content with: the largest that one of them asks for."""
    return int(max(table("library")["readers"].values()))


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as text."""
    return ".".join(map(str, version))
