"""Writing archives: every byte is known in advance, and nothing half written is left."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from bundle import ustar
from bundle.archive import write_archive
from bundle.archive_reader import Archive
from bundle.error import BundleError
from tests.store.bundles import identity

GNU = ["tar", "--format=ustar", "--blocking-factor=1", "--mode=0644", "--owner=:0", "--group=:0"]
GNU += ["--numeric-owner", "--mtime=@0", "-cf"]


def names(folder: Path) -> list[str]:
    """A bundle's files in the order of an archive."""
    listed = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return [
        "bundle.json",
        *sorted(name for name in listed if name.split("/")[0] not in ("bundle.json", "attest")),
    ]


def test_gnu_tar_writes_the_same_bytes(make, tmp_path: Path) -> None:
    folder = make(extra={"models/" + "n" * 80 + "/weights.bin": b"x" * 513})
    path = write_archive(folder, tmp_path)
    assert path == tmp_path / "net-1.0.0-any.bundle"
    subprocess.run([*GNU, tmp_path / "gnu.tar", *names(folder)], cwd=folder, check=True, timeout=60)
    assert path.read_bytes() == (tmp_path / "gnu.tar").read_bytes()


def test_every_field_of_a_header() -> None:
    head = ustar.header("models/source.onnx", 154)
    assert head[:100] == b"models/source.onnx" + bytes(82)
    assert head[100:148] == b"0000644\x000000000\x000000000\x0000000000232\x0000000000000\x00"
    assert head[148:156] == b"%06o\0 " % sum(head[:148] + b" " * 8 + head[156:])
    assert head[156:265] == b"0" + bytes(100) + b"ustar\x0000"
    assert head[265:] == bytes(64) + b"0000000\x000000000\x00" + bytes(167)


def test_the_bytes_depend_on_the_bundle_alone(make, tmp_path: Path) -> None:
    one, two = make(), make()
    for path in two.rglob("*"):
        path.chmod(0o700)
    (two / "attest").mkdir()
    (two / "attest" / "report.json").write_text("{}")
    written = [write_archive(folder, tmp_path / f"{folder.name}.bundle") for folder in (one, two)]
    assert written[0].read_bytes() == written[1].read_bytes()
    assert sorted(tmp_path.glob(".*")) == []


def test_other_programs_open_it(make, tmp_path: Path) -> None:
    folder = make()
    path = write_archive(folder, tmp_path)
    shown = subprocess.run(
        ["tar", "-tf", path], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    assert shown.split() == names(folder)
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None and content.read() == (folder / member.name).read_bytes()
            assert (member.mode, member.uid, member.gid, member.mtime, member.uname) == (0o644, 0, 0, 0, "")


def test_statements_travel_on_request(make, tmp_path: Path) -> None:
    folder = make()
    (folder / "attest").mkdir()
    for name in ("report.json", "a.sig", ".hidden", "strange name"):
        (folder / "attest" / name).write_text(name)
    (folder / "attest" / "link").symlink_to(folder)
    with Archive.open(write_archive(folder, tmp_path, with_attest=True)) as archive:
        assert [entry.path for entry in archive.statements] == ["attest/a.sig", "attest/report.json"]


def test_an_archive_is_replaced_and_nothing_else_is(make, tmp_path: Path) -> None:
    old = write_archive(make(label="old"), tmp_path)
    new = make(label="new")
    assert write_archive(new, tmp_path) == old
    with Archive.open(old, digest=identity(new)):
        pass
    mine = tmp_path / "thesis.txt"
    mine.write_text("mine")
    with pytest.raises(BundleError) as caught:
        write_archive(new, mine)
    assert (caught.value.code, caught.value.subject, mine.read_text()) == ("output_exists", str(mine), "mine")


def test_what_does_not_end_as_an_archive_is_a_folder(make, tmp_path: Path) -> None:
    folder = make()
    assert write_archive(folder, tmp_path / "dist") == tmp_path / "dist" / "net-1.0.0-any.bundle"
    assert write_archive(folder, tmp_path / "new" / "x.bundle") == tmp_path / "new" / "x.bundle"


def test_a_broken_bundle_is_not_archived(make, tmp_path: Path) -> None:
    folder = make()
    (folder / "models" / "source.onnx").write_bytes(b"x" * 154)
    with pytest.raises(BundleError, match="file_digest_mismatch"):
        write_archive(folder, tmp_path / "out.bundle")
    assert not (tmp_path / "out.bundle").exists()


def test_a_file_that_changes_while_it_is_written_leaves_no_archive(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()
    real = ustar.padding

    def change(size: int) -> int:
        (folder / "models" / "source.onnx").write_bytes(b"y" * 154)
        return real(size)

    monkeypatch.setattr(ustar, "padding", change)
    with pytest.raises(BundleError, match="file_digest_mismatch"):
        write_archive(folder, tmp_path / "out" / "a.bundle")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("models/" + "n" * 93, True),
        ("models/" + "n" * 94, True),
        ("models/" + "n" * 100, True),
        ("models/" + "n" * 101, False),
        ("models/" + "f" * 148 + "/" + "n" * 100, True),
        ("models/" + "f" * 149 + "/" + "n" * 100, False),
    ],
)
def test_what_has_no_room_in_a_header_is_said(path: str, room: bool, make, tmp_path: Path) -> None:
    folder = make(extra={path: b"x"})
    if room:
        written = write_archive(folder, tmp_path)
        with tarfile.open(written) as archive:
            assert path in archive.getnames()
        Archive.open(written).close()
        return
    with pytest.raises(BundleError) as caught:
        write_archive(folder, tmp_path)
    assert (caught.value.code, caught.value.subject) == ("archive_impossible", path)


def test_a_size_has_eleven_digits() -> None:
    assert b"77777777777\0" in ustar.header("a", ustar.MAX_SIZE)
    with pytest.raises(ValueError, match="room"):
        ustar.header("a", ustar.MAX_SIZE + 1)


def test_where_it_cannot_be_written_one_sentence_says_so(make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError) as caught:
        write_archive(make(), tmp_path / "file" / "a.bundle")
    assert caught.value.code == "write_failed"


def test_a_full_disk_leaves_the_old_archive(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_archive(make(label="old"), tmp_path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BundleError, match=r"write_failed.*No space left"):
        write_archive(make(label="new"), tmp_path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
