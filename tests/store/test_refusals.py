"""Archives that must be refused, one fault each; STORE.md numbers the checks, and each has a fault."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from bundle.archive import write_archive
from bundle.archive_reader import Archive
from bundle.error import BundleError
from bundle.store.install import install
from tests.store import bundles
from tests.store.faults import BLOCK, MODEL, REFUSALS, raw


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("good")
    return write_archive(bundles.make(folder / "bundle"), folder).read_bytes()


def refused(path: Path, **options: object) -> BundleError:
    with pytest.raises(BundleError) as caught:
        install(path, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("name", REFUSALS)
def test_a_fault_is_refused_and_nothing_is_written(
    name: str, good: bytes, tmp_path: Path, store: Path
) -> None:
    case = REFUSALS[name]
    path = tmp_path / "a.bundle"
    path.write_bytes(case.fault(good))
    error = refused(path, max_bytes=len(good) + (1 << 18) if name != "too_long" else len(good))
    assert (error.code, error.subject) == (case.code, case.subject), error
    assert case.word in str(error)
    assert not store.exists()


def test_every_check_of_the_page_has_a_fault(root: Path) -> None:
    page = (root / "spec" / "STORE.md").read_text("utf-8")
    numbered = set(re.findall(r"^\| ([AH]\d) \|", page, re.MULTILINE))
    # A1 is about the file; the test below shows it.
    assert numbered - {case.check for case in REFUSALS.values()} == {"A1"}


@pytest.mark.parametrize("what", ["nothing", "device", "pipe", "zero byte"])
def test_what_is_no_file_is_no_archive(what: str, tmp_path: Path, store: Path) -> None:
    """Check A1."""
    path = tmp_path / "a"
    if what == "device":
        path = Path("/dev/null")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "zero byte":
        path = Path("a\0b")
    assert (error := refused(path)).code == "archive_not_found" and error.subject == "."
    assert not store.exists()


def test_cut_anywhere_it_is_refused(good: bytes, tmp_path: Path, store: Path) -> None:
    """At each boundary of a block, one byte before and one behind it."""
    path = tmp_path / "a.bundle"
    for boundary in range(0, len(good), BLOCK):
        for length in {max(boundary - 1, 0), boundary, boundary + 1}:
            path.write_bytes(good[:length])
            code = refused(path).code
            assert code in ("archive_truncated", "file_missing"), (length, code)
    assert not store.exists()


def test_any_flipped_byte_is_refused(good: bytes, tmp_path: Path, store: Path) -> None:
    """One byte in every 37 is changed: in headers, contents, padding and the end."""
    path = tmp_path / "a.bundle"
    for at in range(0, len(good), 37):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :])
        assert refused(path, digest=bundles_digest(good)).code
    assert not (store / "refs").exists() or list((store / "refs").iterdir()) == []
    if store.exists():
        assert [list((store / part).iterdir()) for part in ("sha256", "staging")] == [[], []]


def bundles_digest(good: bytes) -> str:
    size = int(good[124:135], 8)
    return hashlib.sha256(good[BLOCK : BLOCK + size]).hexdigest()


def test_a_wrong_content_leaves_nothing(good: bytes, tmp_path: Path, store: Path) -> None:
    """The headers are right, so it is written to the staging folder, and found out there."""
    path = tmp_path / "a.bundle"
    path.write_bytes(raw(MODEL, BLOCK + 10, b"\xff")(good))
    assert (error := refused(path)).code == "file_digest_mismatch" and error.subject == MODEL
    assert sorted(bundles.state(store)) == ["refs", "sha256", "staging", "tags"]


def test_another_identity_than_the_expected_one_is_refused(good: bytes, tmp_path: Path, store: Path) -> None:
    """Check A4."""
    path = tmp_path / "a.bundle"
    path.write_bytes(good)
    assert refused(path, digest="0" * 64).code == "bundle_digest_mismatch"
    assert refused(path, digest="HEX").code == "option_invalid"
    assert not store.exists()
    assert install(path, digest=bundles_digest(good)).fresh


def test_a_sparse_file_of_a_terabyte_is_refused_at_once(good: bytes, tmp_path: Path, store: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(good)
    os.truncate(path, 1 << 40)
    assert refused(path).code == "archive_too_large"
    assert not store.exists()


def test_an_archive_that_changes_while_it_is_read_is_refused(
    good: bytes, tmp_path: Path, store: Path
) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(good)
    with Archive.open(path) as archive:
        os.truncate(path, len(good) - 3 * BLOCK)
        with pytest.raises(BundleError, match="archive_truncated"):
            archive.extract(tmp_path / "out")


def test_a_good_archive_is_taken(good: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.bundle").write_bytes(good)
    (tmp_path / "link").symlink_to("a.bundle")
    assert install(tmp_path / "link").fresh
