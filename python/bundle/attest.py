"""Statements about a bundle, in its folder `attest/`: no part of its identity, so they decide nothing."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bundle.durable import pieces, write_file
from bundle.spec import table

FOLDER = "attest"
#: What a statement may be called: one name, so that no path leads out of the folder.
NAME = re.compile("[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_-])?")
# So much of its digest tells a statement from another one of the same name.
_DIGITS = 16


def statements(folder: Path) -> list[Path]:
    """Return the files in a bundle's ``attest/``, by name; everything else that is there is passed over.

    Those beyond the limits of spec/store.json are left out too. No error leaves this function.
    """
    limits = table("store")["archive"]
    found: list[Path] = []
    total = 0
    for path in _listed(folder / FOLDER):
        size = _size_of(path)
        if size is None or len(found) == limits["max_statements"]:
            continue
        if total + size <= limits["max_statement_bytes"]:
            found.append(path)
            total += size
    return found


def add(folder: Path, name: str, content: Iterable[bytes]) -> None:
    """Write a statement to a bundle's ``attest/``; where that cannot be done it is left out."""
    path = folder / FOLDER / name
    try:
        path.parent.mkdir(exist_ok=True)
        write_file(path, content)
    except OSError:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def merge(given: Path, bundle: Path) -> None:
    """Add the statements of one folder to those of the other, as many as can be added.

    A content that is there under any name is not added. One whose name is taken gets the first 16 digits of
    its SHA-256 before its ending. Each arrives whole: readers of the bundle never see a part of one.
    """
    present, temporary = statements(bundle), given / FOLDER / ".merging"
    with suppress(OSError):
        digests = {_digest(path) for path in present}
        names = {path.name.lower() for path in present}
        for path in statements(given):
            digest = _digest(path)
            name = _free_name(path.name, digest, names)
            if digest in digests or name is None:
                continue
            (bundle / FOLDER).mkdir(exist_ok=True)
            write_file(temporary, pieces(path))
            os.rename(temporary, bundle / FOLDER / name)
            digests.add(digest)
            names.add(name.lower())


def _free_name(name: str, digest: str, taken: set[str]) -> str | None:
    stem, dot, ending = name.rpartition(".")
    other = f"{stem}.{digest[:_DIGITS]}.{ending}" if dot else f"{name}.{digest[:_DIGITS]}"
    free = [each for each in (name, other) if each.lower() not in taken and NAME.fullmatch(each)]
    return free[0] if free else None


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(folder: Path) -> list[Path]:
    if folder.is_symlink():
        return []
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if NAME.fullmatch(name)]
    except OSError:
        return []


def _size_of(path: Path) -> int | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
