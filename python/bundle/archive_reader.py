"""Read an archive by the checks A1 to A7 of STORE.md, before a byte of it is written anywhere."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bundle import attest, files, ustar
from bundle.bundle import MANIFEST_NAME, check_digest
from bundle.durable import write_file
from bundle.error import BundleError
from bundle.manifest import MAX_BYTES, Manifest
from bundle.spec import table

_CHUNK = 1 << 20
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Entry:
    """A file in an archive: its path in the bundle, where its content begins, its size in bytes."""

    path: str
    offset: int
    size: int


class Archive:
    """An open archive whose manifest and headers are checked; contents are not. A context manager.

    Attributes:
        manifest: its checked manifest.
        entries: ``bundle.json`` and the listed files, in manifest order.
        statements: the files of ``attest/``, where the archive holds any.
    """

    def __init__(self, descriptor: int, length: int, digest: str | None) -> None:
        """Read an open file; use `open`."""
        self._descriptor = descriptor
        self._length = length
        first = self._entry(MANIFEST_NAME, 0)
        if first.size > MAX_BYTES:
            raise BundleError("manifest_too_large", "", f"at most {MAX_BYTES} bytes", f"{first.size} bytes")
        self._check_content(first)
        data = b"".join(self._pieces(first))
        identity = hashlib.sha256(data).hexdigest()
        if digest is not None and identity != digest:
            raise BundleError("bundle_digest_mismatch", MANIFEST_NAME, digest, identity)
        self.manifest = Manifest.parse(data)
        self.entries = (first, *self._listed(_end(first)))
        self.statements = self._statements(_end(self.entries[-1]))

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, digest: str | None = None, max_bytes: int | None = None
    ) -> Self:
        """Open an archive and check what stands before and between the contents.

        Args:
            path: the file.
            digest: the identity that the caller expects, 64 lower-case hex digits.
            max_bytes: refuse a longer archive; None for the limit of spec/store.json.

        Raises:
            BundleError: by the checks A1 to A7; no other error leaves this function.
        """
        check_digest(digest)
        limit = table("store")["archive"]["max_bytes"] if max_bytes is None else max_bytes
        descriptor, length = _opened(os.fspath(path))
        try:
            if length > limit:
                found = f"{length} bytes"
                raise BundleError("archive_too_large", ".", f"at most {limit} bytes", found)
            return cls(descriptor, length, digest)
        except BaseException:
            os.close(descriptor)
            raise

    def extract(self, folder: Path) -> None:
        """Write the manifest and the listed files to a folder; contents are not compared with digests.

        Raises:
            BundleError: ``archive_truncated`` where the archive changed since it was opened.
            OSError: as the file system says.
        """
        for entry in self.entries:
            path = folder / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, self._pieces(entry))

    def extract_statements(self, folder: Path) -> None:
        """Write the statements, as many as can be written, to ``attest/`` of a folder.

        Raises:
            BundleError: ``archive_truncated`` where the archive changed since it was opened.
        """
        for entry in self.statements:
            attest.add(folder, entry.path.partition("/")[2], self._pieces(entry))

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listed(self, offset: int) -> Iterator[Entry]:
        """Check A5."""
        for file in self.manifest.files:
            entry = self._entry(file.path, offset)
            if entry.size != file.size:
                found = f"{entry.size} bytes"
                raise BundleError("file_size_mismatch", file.path, f"{file.size} bytes", found)
            self._check_content(entry)
            yield entry
            offset = _end(entry)

    def _statements(self, offset: int) -> tuple[Entry, ...]:
        """Check A6, then A7."""
        limits = table("store")["archive"]
        found: list[Entry] = []
        total = 0
        while (block := self._block(offset, attest.FOLDER)) != ustar.ZEROS:
            path, size = ustar.read(block, attest.FOLDER)
            _check_statement(path, [entry.path for entry in found])
            entry = Entry(path, offset + ustar.BLOCK, size)
            total += size
            if total > limits["max_statement_bytes"] or len(found) == limits["max_statements"]:
                expected = f"{limits['max_statements']} statements of {limits['max_statement_bytes']} bytes"
                raise BundleError("archive_too_large", attest.FOLDER, f"at most {expected}", "more")
            self._check_content(entry)
            found.append(entry)
            offset = _end(entry)
        if self._block(offset + ustar.BLOCK, ".") != ustar.ZEROS:
            raise BundleError("archive_malformed", ".", "two zero blocks at the end", "something after one")
        if offset + 2 * ustar.BLOCK != self._length:
            more = f"{self._length - offset - 2 * ustar.BLOCK} bytes more"
            raise BundleError("archive_malformed", ".", "nothing after the two zero blocks", more)
        return tuple(found)

    def _entry(self, path: str, offset: int) -> Entry:
        """Read the header at an offset, which must be that of ``path``."""
        block = self._block(offset, path)
        if block == ustar.ZEROS:
            raise BundleError("file_missing", path, "this file next", "the end of the archive")
        found, size = ustar.read(block, path)
        if found != path:
            raise BundleError("archive_entry_unexpected", path, "this file next", f"`{found}`")
        return Entry(path, offset + ustar.BLOCK, size)

    def _check_content(self, entry: Entry) -> None:
        """A content and its padding are inside the archive, and the padding is zero."""
        end = _end(entry)
        if end > self._length:
            left = f"{self._length - entry.offset} bytes"
            raise BundleError("archive_truncated", entry.path, f"{entry.size} bytes and padding", left)
        padding = ustar.padding(entry.size)
        if self._read(padding, end - padding, entry.path) != bytes(padding):
            raise BundleError("archive_malformed", entry.path, "zeros behind the content", "other bytes")

    def _block(self, offset: int, subject: str) -> bytes:
        return self._read(ustar.BLOCK, offset, subject)

    def _pieces(self, entry: Entry) -> Iterator[bytes]:
        for offset in range(entry.offset, entry.offset + entry.size, _CHUNK):
            yield self._read(min(_CHUNK, entry.offset + entry.size - offset), offset, entry.path)

    def _read(self, count: int, offset: int, subject: str) -> bytes:
        data = b""
        try:
            while len(data) < count and (
                piece := os.pread(self._descriptor, count - len(data), offset + len(data))
            ):
                data += piece
        except OSError as error:
            raise _unreadable(error) from None
        if len(data) < count:
            raise BundleError("archive_truncated", subject, "a whole archive", "one that ends here")
        return data


def _end(entry: Entry) -> int:
    """Return where the header after an entry begins."""
    return entry.offset + entry.size + ustar.padding(entry.size)


def _opened(path: str) -> tuple[int, int]:
    """Check A1; return a descriptor and the file's length."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise _unreadable(error) from None
    except ValueError:  # a zero byte, or half a surrogate pair
        raise BundleError("archive_not_found", ".", "an archive that can be read", "no path") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BundleError("archive_not_found", ".", "an archive, a regular file", files.kind(status))
    return descriptor, status.st_size


def _unreadable(error: OSError) -> BundleError:
    found = error.strerror or str(error)
    return BundleError("archive_not_found", ".", "an archive that can be read", found)


def _check_statement(path: str, before: list[str]) -> None:
    """Check the path of A6."""
    folder, _, name = path.partition("/")
    if folder != attest.FOLDER or not attest.NAME.fullmatch(name):
        raise BundleError("archive_entry_unexpected", attest.FOLDER, "a statement or the end", f"`{path}`")
    if (before and path <= before[-1]) or path.lower() in map(str.lower, before):
        raise BundleError(
            "archive_entry_unexpected", attest.FOLDER, f"a name after `{before[-1]}`", f"`{path}`"
        )
