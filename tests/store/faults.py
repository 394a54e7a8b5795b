"""What can be wrong with an archive, one fault each, with the check of STORE.md that must find it."""

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass

from bundle import ustar
from bundle.spec import table

LIMITS = table("store")["archive"]
BLOCK = ustar.BLOCK


def positions(data: bytes) -> dict[str, int]:
    """Where the header of each entry begins."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member.offset for member in archive}


MODEL = "models/source.onnx"
FIRST = "golden/first.safetensors"
SECOND = "golden/second.safetensors"


def sealed(head: bytes) -> bytes:
    """A header with the checksum that fits it."""
    return head[:148] + b"%06o\0 " % sum(head[:148] + b" " * 8 + head[156:]) + head[156:]


def field(path: str, at: int, value: bytes) -> Callable[[bytes], bytes]:
    """A fault: other bytes in the header of an entry, with a checksum that fits them."""

    def fault(data: bytes) -> bytes:
        begin = positions(data)[path]
        head = data[begin : begin + BLOCK]
        changed = sealed(head[:at] + value + head[at + len(value) :])
        return data[:begin] + changed + data[begin + BLOCK :]

    return fault


def split_otherwise(data: bytes) -> bytes:
    """The model's path with the folder in the prefix, which the writer leaves empty."""
    begin = positions(data)[MODEL]
    head = ustar.header("source.onnx", 154)
    head = sealed(head[:345] + b"models" + head[351:])
    return data[:begin] + head + data[begin + BLOCK :]


def raw(path: str, at: int, value: bytes) -> Callable[[bytes], bytes]:
    """A fault: other bytes, counted from the header of an entry, and nothing else."""

    def fault(data: bytes) -> bytes:
        begin = positions(data)[path] + at
        return data[:begin] + value + data[begin + len(value) :]

    return fault


def entry(path: str, content: bytes = b"", size: int | None = None) -> bytes:
    """A header in its one spelling and the content."""
    head = ustar.header(path, len(content) if size is None else size)
    return head + content + bytes(ustar.padding(len(content)))


def before(path: str, added: bytes) -> Callable[[bytes], bytes]:
    def fault(data: bytes) -> bytes:
        begin = positions(data)[path] if path else len(data) - 2 * BLOCK
        return data[:begin] + added + data[begin:]

    return fault


def without(path: str) -> Callable[[bytes], bytes]:
    def fault(data: bytes) -> bytes:
        begins = [*positions(data).values(), len(data) - 2 * BLOCK]
        begin = positions(data)[path]
        return data[:begin] + data[begins[begins.index(begin) + 1] :]

    return fault


def swapped(data: bytes) -> bytes:
    at = positions(data)
    one, two, end = at[FIRST], at[SECOND], at[MODEL]
    return data[:one] + data[two:end] + data[one:two] + data[end:]


def cut(length: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:length] if length > 0 else data[: len(data) + length]


def typed(kind: bytes, target: bytes = b"") -> Callable[[bytes], bytes]:
    def fault(data: bytes) -> bytes:
        changed = field(MODEL, 156, kind)(data)
        return field(MODEL, 157, target)(changed) if target else changed

    return fault


def format_of(kind: int, name: str) -> Callable[[bytes], bytes]:
    """The bundle as Python's tarfile writes it in another format, with a name that shows the format."""

    def fault(data: bytes) -> bytes:
        out = io.BytesIO()
        with (
            tarfile.open(fileobj=io.BytesIO(data)) as archive,
            tarfile.open(None, "w", out, format=kind) as new,
        ):
            for member in archive:
                content = archive.extractfile(member)
                member.name = name if member.name == MODEL else member.name
                new.addfile(member, content)
        return out.getvalue()

    return fault


@dataclass(frozen=True)
class Refusal:
    """A fault: what is done to the bytes, the check that finds it, code, subject, a word of the message."""

    check: str
    fault: Callable[[bytes], bytes]
    code: str
    subject: str
    word: str = ""


def malformed(check: str, fault: Callable[[bytes], bytes], word: str, subject: str = MODEL) -> Refusal:
    return Refusal(check, fault, "archive_malformed", subject, word)


def unexpected(
    fault: Callable[[bytes], bytes], word: str, subject: str = MODEL, check: str = "H6"
) -> Refusal:
    return Refusal(check, fault, "archive_entry_unexpected", subject, word)


BOMB = 8**11 - 1
REFUSALS = {
    "checksum": malformed("H1", raw(MODEL, 148, b"000000\0 "), "checksum"),
    "checksum_of_another_spelling": malformed("H1", raw(MODEL, 148, b" "), "checksum"),
    "flipped_name": malformed("H1", raw(MODEL, 3, b"X"), "checksum"),
    "magic_of_gnu": malformed("H2", field(MODEL, 257, b"ustar  \0"), "magic"),
    "no_magic": malformed("H2", field(MODEL, 257, bytes(8)), "magic"),
    "symlink": malformed("H3", typed(b"2", b"/etc/passwd"), "symbolic link"),
    "hardlink": malformed("H3", typed(b"1", b"bundle.json"), "hard link"),
    "device": malformed("H3", typed(b"3"), "device"),
    "block_device": malformed("H3", typed(b"4"), "device"),
    "folder": malformed("H3", typed(b"5"), "folder"),
    "pipe": malformed("H3", typed(b"6"), "pipe"),
    "contiguous": malformed("H3", typed(b"7"), "type '7'"),
    "old_regular_file": malformed("H3", typed(b"\0"), "older"),
    "gnu_sparse": malformed("H3", typed(b"S"), "sparse"),
    "gnu_long_name": malformed("H3", typed(b"L"), "long name"),
    "pax": malformed("H3", typed(b"x"), "pax"),
    "pax_global": malformed("H3", typed(b"g"), "pax"),
    "size_in_base_256": malformed("H4", field(MODEL, 124, b"\x80" + bytes(10) + b"\x9a"), "octal"),
    "size_with_blanks": malformed("H4", field(MODEL, 124, b"        232 "), "octal"),
    "size_negative": malformed("H4", field(MODEL, 124, b"-0000000232\0"), "octal"),
    "mode": malformed("H5", field(MODEL, 100, b"0000755\0"), "a mode"),
    "setuid": malformed("H5", field(MODEL, 100, b"0004644\0"), "a mode"),
    "uid": malformed("H5", field(MODEL, 108, b"0001750\0"), "an owner"),
    "gid": malformed("H5", field(MODEL, 116, b"0001750\0"), "an owner"),
    "mtime": malformed("H5", field(MODEL, 136, b"00000000001\0"), "a time"),
    "owner_name": malformed("H5", field(MODEL, 265, b"root"), "owner's name"),
    "device_number": malformed("H5", field(MODEL, 329, bytes(8)), "a device"),
    "link_target_of_a_file": malformed("H5", field(MODEL, 157, b"/etc"), "link's target"),
    "behind_the_prefix": malformed("H5", field(MODEL, 511, b"x"), "another spelling"),
    "behind_the_name": malformed("H5", field(MODEL, 50, b"x"), "another spelling"),
    "path_split_otherwise": malformed("H5", split_otherwise, "another spelling"),
    "path_not_ascii": malformed("H5", field(MODEL, 0, b"models/sourc\xe9.onnx"), "spells"),
    "traversal": unexpected(field(MODEL, 0, b"../../../etc/passwd"), "../../../etc/passwd"),
    "absolute": unexpected(field(MODEL, 0, b"/etc/cron.d/mine" + bytes(2)), "/etc/cron.d/mine"),
    "duplicate": unexpected(before(MODEL, entry(FIRST, b"x")), FIRST),
    "order": unexpected(swapped, SECOND, FIRST),
    "unlisted": unexpected(before(MODEL, entry("models/more.onnx", b"x")), "models/more.onnx"),
    "manifest_twice": unexpected(before(FIRST, entry("bundle.json", b"{}")), "bundle.json", FIRST),
    "attest_too_early": unexpected(before(MODEL, entry("attest/report.json")), "attest/report.json"),
    "too_long": Refusal("A2", lambda data: data + bytes(1 << 16), "archive_too_large", ".", "at most"),
    "empty": Refusal("A3", lambda _: b"", "archive_truncated", "bundle.json"),
    "half_a_header": Refusal("A3", cut(300), "archive_truncated", "bundle.json"),
    "zeros_only": Refusal("A3", lambda _: bytes(2 * BLOCK), "file_missing", "bundle.json"),
    "gzip": malformed("A3", lambda data: b"\x1f\x8b\x08" + data, "checksum", "bundle.json"),
    "manifest_not_first": unexpected(without("bundle.json"), FIRST, "bundle.json", "A3"),
    "manifest_too_large": Refusal(
        "A3", field("bundle.json", 124, b"00004000001\0"), "manifest_too_large", ""
    ),
    "manifest_cut": Refusal("A3", cut(BLOCK + 100), "archive_truncated", "bundle.json"),
    "manifest_padding": malformed("A3", raw(FIRST, -1, b"x"), "zeros", "bundle.json"),
    "manifest_malformed": Refusal("A4", raw("bundle.json", BLOCK, b"["), "manifest_malformed", ""),
    "missing_last": Refusal("A5", without(MODEL), "file_missing", MODEL),
    "missing": unexpected(without(SECOND), MODEL, SECOND, "A5"),
    "smaller": Refusal("A5", field(MODEL, 124, b"00000000231\0"), "file_size_mismatch", MODEL, "153"),
    "bomb": Refusal("A5", field(MODEL, 124, b"%011o\0" % BOMB), "file_size_mismatch", MODEL, str(BOMB)),
    "content_cut": Refusal("A5", cut(-2 * BLOCK - 400), "archive_truncated", MODEL),
    "padding_cut": Refusal("A5", cut(-2 * BLOCK - 1), "archive_truncated", MODEL),
    "padding": malformed("A5", raw(MODEL, BLOCK + 154, b"x"), "zeros"),
    "statement_elsewhere": unexpected(
        before("", entry("evil/report.json")), "evil/report.json", "attest", "A6"
    ),
    "statement_up": unexpected(before("", entry("attest/../x")), "attest/../x", "attest", "A6"),
    "statement_hidden": unexpected(before("", entry("attest/.x")), "attest/.x", "attest", "A6"),
    "statement_in_a_folder": unexpected(before("", entry("attest/a/b")), "attest/a/b", "attest", "A6"),
    "statement_twice": unexpected(before("", entry("attest/a") * 2), "attest/a", "attest", "A6"),
    "statements_unsorted": unexpected(
        before("", entry("attest/b") + entry("attest/a")), "attest/a", "attest", "A6"
    ),
    "statements_alike": unexpected(
        before("", entry("attest/A") + entry("attest/a")), "attest/a", "attest", "A6"
    ),
    "listed_file_again": unexpected(before("", entry(MODEL, b"x")), MODEL, "attest", "A6"),
    "statement_bomb": Refusal(
        "A6",
        before("", entry("attest/a", size=LIMITS["max_statement_bytes"] + 1)),
        "archive_too_large",
        "attest",
    ),
    "statements_too_many": Refusal(
        "A6",
        before("", b"".join(entry(f"attest/{i:04}") for i in range(LIMITS["max_statements"] + 1))),
        "archive_too_large",
        "attest",
    ),
    "statement_cut": Refusal("A6", before("", entry("attest/a", size=5000)), "archive_truncated", "attest/a"),
    "statement_padding": malformed(
        "A6", before("", entry("attest/a", b"x")[:-1] + b"y"), "zeros", "attest/a"
    ),
    "no_end": Refusal("A6", cut(-2 * BLOCK), "archive_truncated", "attest"),
    "one_zero_block": Refusal("A7", cut(-BLOCK), "archive_truncated", "."),
    "half_a_zero_block": Refusal("A7", cut(-1), "archive_truncated", "."),
    "entry_behind_a_zero_block": malformed(
        "A7", lambda data: data[:-BLOCK] + entry("x") * 2, "after one", "."
    ),
    "trailing_zeros": malformed("A7", lambda data: data + bytes(BLOCK), "512 bytes more", "."),
    "trailing_byte": malformed("A7", lambda data: data + b"x", "1 bytes more", "."),
    "gnu_tar": malformed("H2", format_of(tarfile.GNU_FORMAT, MODEL), "magic", "bundle.json"),
    "gnu_tar_with_a_long_name": malformed(
        "H2", format_of(tarfile.GNU_FORMAT, "m/" * 80 + "n"), "magic", "bundle.json"
    ),
    "pax_tar_with_a_long_name": malformed(
        "H5", format_of(tarfile.PAX_FORMAT, "n" * 120), "device", "bundle.json"
    ),
}
