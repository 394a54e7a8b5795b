"""The one spelling of a tar header that archives have (STORE.md, checks H1 to H6); touches no file."""

from __future__ import annotations

from bundle.error import BundleError

#: Headers, and the content behind them, fill whole blocks of so many bytes.
BLOCK = 512
#: Two of them end an archive.
ZEROS = bytes(BLOCK)
#: The largest size that eleven octal digits hold.
MAX_SIZE = 8**11 - 1

_NAME, _PREFIX = 100, 155
_SIZE, _CHECKSUM, _KIND, _MAGIC = slice(124, 136), slice(148, 156), slice(156, 157), slice(257, 265)
_BLANK = b" " * 8
#: What stands behind the magic of POSIX tar is the version.
_USTAR = b"ustar\x0000"
_FIELDS = {
    "a mode": slice(100, 108),
    "an owner": slice(108, 124),
    "a time": slice(136, 148),
    "a link's target": slice(157, 257),
    "an owner's name": slice(265, 329),
    "a device": slice(329, 345),
}
_KINDS = {
    b"\0": "a regular file of an older tar",
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
    b"L": "a long name of GNU tar",
    b"K": "a long link name of GNU tar",
    b"S": "a sparse file of GNU tar",
    b"g": "a pax header",
    b"x": "a pax header",
}


def header(path: str, size: int) -> bytes:
    """Return the 512 bytes that stand before a file's content.

    Args:
        path: inside the bundle, ASCII.
        size: of the content in bytes.

    Raises:
        ValueError: with one sentence, where the format has no room for the path or the size.
    """
    prefix, name = _split(path)
    if not 0 <= size <= MAX_SIZE:
        raise ValueError(f"{size} bytes, where a header has room for {MAX_SIZE}")
    before = name.encode("ascii").ljust(_NAME, b"\0")
    before += b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"0" * 11 + b"\0"
    after = b"0" + bytes(100) + _USTAR + bytes(64) + b"0000000\0" * 2
    after += prefix.encode("ascii").ljust(_PREFIX, b"\0") + bytes(12)
    return before + _sum(before + _BLANK + after) + after


def padding(size: int) -> int:
    """Return how many zero bytes follow a content of ``size`` bytes."""
    return -size % BLOCK


def read(block: bytes, subject: str) -> tuple[str, int]:
    """Return path and size out of a header that is the writer's own; checks H1 to H6.

    Args:
        block: 512 bytes.
        subject: the entry that should stand here, for the error.

    Raises:
        BundleError: ``archive_malformed``.
    """
    if block[_CHECKSUM] != _sum(block[:148] + _BLANK + block[156:]):
        raise _malformed(subject, "a header whose checksum is right", "another checksum")
    if block[_MAGIC] != _USTAR:
        raise _malformed(subject, "a header of POSIX ustar", "another magic")
    if block[_KIND] != b"0":
        found = _KINDS.get(block[_KIND], f"an entry of type {chr(block[_KIND][0])!a}")
        raise _malformed(subject, "a regular file", found)
    path, size = _path(block), _size(block[_SIZE])
    if size is None:
        raise _malformed(subject, "a size of eleven octal digits", "another spelling")
    try:
        right = header(path, size)
    except ValueError:  # a path that is no ASCII, or is not split as the writer splits it
        raise _malformed(subject, "a path as the writer spells it", f"`{path}`") from None
    if block != right:
        names = [name for name, field in _FIELDS.items() if block[field] != right[field]]
        found = f"{names[0]} of another spelling" if names else f"`{path}` in another spelling"
        raise _malformed(subject, "a header as the writer spells it", found)
    return path, size


def _malformed(subject: str, expected: str, found: str) -> BundleError:
    return BundleError("archive_malformed", subject, expected, found)


def _sum(block: bytes) -> bytes:
    """Return the checksum field; its own bytes count as blanks."""
    return b"%06o\0 " % sum(block)


def _path(block: bytes) -> str:
    """Return a header's path for comparison and messages, each bad byte as U+FFFD."""
    name, prefix = block[:_NAME].partition(b"\0")[0], block[345 : 345 + _PREFIX].partition(b"\0")[0]
    joined = prefix + b"/" + name if prefix else name
    return "".join(chr(byte) if byte < 128 else "\ufffd" for byte in joined)


def _size(field: bytes) -> int | None:
    digits = field[:11]
    return int(digits, 8) if set(digits) <= set(b"01234567") and field[11:] == b"\0" else None


def _split(path: str) -> tuple[str, str]:
    """Return (prefix, name): the shortest prefix that leaves a name that fits."""
    if not path.isascii():
        raise ValueError("a path that is not ASCII")
    if len(path) <= _NAME:
        return "", path
    slash = path.find("/", len(path) - _NAME - 1)
    if not 0 < slash <= _PREFIX or slash == len(path) - 1:
        raise ValueError(f"a path of {len(path)} bytes, which a header has no room for")
    return path[:slash], path[slash + 1 :]
