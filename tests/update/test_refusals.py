"""What an update refuses, check by check: the same error in every language, and nothing changes."""

import os
import re
import socket
from pathlib import Path

import pytest

from bundle.archive import write_archive
from bundle.bundle import MANIFEST_NAME
from bundle.parity.client import Client
from tests.store.faults import BLOCK, REFUSALS, raw
from tests.update.device import GOLDEN, MODEL, Archives, Device, done, refusal

HERE = Path(__file__).parent
VALID = Path(__file__).parents[2] / "spec" / "cases" / "valid"


@pytest.mark.parametrize("name", REFUSALS)
def test_an_archive_that_install_refuses(
    name: str, device: Device, archives: Archives, tmp_path: Path
) -> None:
    """Check U2, which is A1 to A7 and so H1 to H6: the faults of tests/store, with what they give there."""
    case, good = REFUSALS[name], archives().read_bytes()
    archive = tmp_path / "a.bundle"
    archive.write_bytes(case.fault(good))
    limit = len(good) if name == "too_long" else len(good) + (1 << 18)
    assert refusal(device.update(archive, max_bytes=limit)) == (case.code, case.subject)
    assert not device.folder.exists()


def test_every_check_of_the_page_is_shown(root: Path) -> None:
    page = (root / "spec" / "STORE.md").read_text("utf-8")
    texts = "".join(path.read_text("utf-8") for path in HERE.glob("test_*.py"))
    named = {check for line in re.findall("Checks? .*", texts) for check in re.findall(r"\b[UV]\d\b", line)}
    assert set(re.findall(r"^\| ([UV]\d) \|", page, re.MULTILINE)) == named


@pytest.mark.parametrize("what", ["nothing", "folder", "device", "pipe", "socket", "zero byte"])
def test_what_is_no_file_is_no_archive(
    what: str, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check A1."""
    path = tmp_path / "a"
    if what == "folder":
        path.mkdir()
    elif what == "device":
        path = Path("/dev/null")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "socket":
        monkeypatch.chdir(tmp_path)  # its whole path is too long for a socket
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("a")
    elif what == "zero byte":
        path = Path("a\0b")
    assert refusal(device.update(path)) == ("archive_not_found", ".")
    assert not device.folder.exists()


def test_a_link_to_an_archive_is_followed(device: Device, archives: Archives, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(archives())
    assert done(device.update(tmp_path / "link")) == ("1.0.0", None, True)


@pytest.mark.parametrize("boundary", [0, 1, 2, 3, 5, 8, -1])
def test_cut_at_a_block_it_is_refused(
    boundary: int, device: Device, archives: Archives, tmp_path: Path
) -> None:
    good = archives().read_bytes()
    at = boundary * BLOCK if boundary >= 0 else len(good) + boundary * BLOCK
    for length in {max(at - 1, 0), at, at + 1}:
        (tmp_path / "a").write_bytes(good[:length])
        assert refusal(device.update(tmp_path / "a"))[0] in ("archive_truncated", "file_missing"), length
    assert not device.folder.exists()


def test_a_sparse_file_of_a_terabyte_is_refused_at_once(
    device: Device, archives: Archives, tmp_path: Path
) -> None:
    archive = tmp_path / "a"
    archive.write_bytes(archives().read_bytes())
    os.truncate(archive, 1 << 40)
    assert refusal(device.update(archive)) == ("archive_too_large", ".")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"digest": "HEX"}, "digest"),
        ({"digest": None}, "digest"),
        ({"digest": 3}, "digest"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"max_bytes": -1}, "max_bytes"),
        ({"max_bytes": 1 << 53}, "max_bytes"),
        ({"max_bytes": True}, "max_bytes"),
        ({"max_bytes": 1.5}, "max_bytes"),
        ({"max_bytes": "1"}, "max_bytes"),
        ({"max_bytes": None}, "max_bytes"),
        ({"mode": "full"}, "mode"),
        ({"mode": "quick"}, "mode"),
        ({"replace": 1}, "replace"),
        ({"replace": None}, "replace"),
        ({"replace": "x", "mode": "x", "max_bytes": "x", "digest": "x"}, "digest"),
        ({"replace": "x", "mode": "x", "max_bytes": "x"}, "max_bytes"),
        ({"replace": "x", "mode": "full"}, "mode"),
    ],
)
def test_an_option_of_its_own_is_judged_before_the_archive(
    options: dict[str, object], name: str, device: Device, tmp_path: Path
) -> None:
    """Check U1, before U2."""
    assert refusal(device.update(tmp_path / "none", **options)) == ("option_invalid", name)


def test_the_largest_limit_is_one(device: Device, archives: Archives) -> None:
    assert done(device.update(archives(), max_bytes=(1 << 53) - 1, replace=False)) == ("1.0.0", None, True)


def test_another_identity_than_the_expected_one(device: Device, archives: Archives) -> None:
    """Check A4."""
    error = refusal(device.update(archives(), digest="0" * 64))
    assert error == ("bundle_digest_mismatch", MANIFEST_NAME)
    assert not device.folder.exists()
    assert done(device.update(archives(), digest=archives.digest())) == ("1.0.0", None, True)


@pytest.mark.parametrize(
    "what", ["a file", "below a file", "zero byte", "a link that leads nowhere", "a link below a file"]
)
def test_what_can_be_no_folder(what: str, device: Device, archives: Archives, tmp_path: Path) -> None:
    """Check U3, after U2, and V1."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "nothing")
    (tmp_path / "deeper").symlink_to(tmp_path / "file" / "deeper")
    names = {
        "below a file": "file/device",
        "zero byte": "a\0b",
        "a link that leads nowhere": "nowhere",
        "a link below a file": "deeper",
    }
    device.folder = tmp_path / names.get(what, "file")
    assert refusal(device.update(archives())) == ("store_unwritable", str(device.folder))
    assert refusal(device.rollback()) == ("store_unwritable", str(device.folder))
    assert refusal(device.update(tmp_path / "none"))[0] == "archive_not_found"
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


def test_an_empty_name(program: Client, archives: Archives) -> None:
    """Check U3 and V1: it is not the current folder."""
    request = {"folder": "", "archive": str(archives()), "options": {}}
    for change in ("update", "rollback"):
        assert refusal(program.ask({"op": change, **request})) == ("store_unwritable", "")


def test_a_rollback_makes_no_folder(device: Device) -> None:
    """Check V1."""
    assert refusal(device.rollback()) == ("store_unwritable", str(device.folder))
    assert not device.folder.exists()


@pytest.mark.parametrize("name", ["refs", "sha256", "staging", "current", "previous"])
def test_a_folder_that_is_something_else(
    name: str, device: Device, archives: Archives, tmp_path: Path
) -> None:
    """Check U4, before U5, and V2, before V3; a link is followed nowhere, so nothing elsewhere is deleted."""
    device.update(archives("1.5.0"))
    odd = device.folder / name
    if name in ("sha256", "staging"):
        odd.rename(tmp_path / "elsewhere")
        odd.symlink_to(tmp_path / "elsewhere")
    else:
        odd.unlink(missing_ok=True)
        odd.mkdir()
    before = device.state(), sorted(tmp_path.rglob("*"))
    expected = "device_folder_unsuitable", str(device.folder)
    assert refusal(device.update(archives("1.0.0"))) == expected
    assert refusal(device.rollback()) == expected
    assert (device.state(), sorted(tmp_path.rglob("*"))) == before


@pytest.mark.parametrize("name", ["sha256", "staging", "current", "previous", "refs"])
def test_a_file_in_the_place_of_a_folder_or_a_link(name: str, device: Device, archives: Archives) -> None:
    """Check U4."""
    device.folder.mkdir()
    (device.folder / name).write_text("mine")
    assert refusal(device.update(archives())) == ("device_folder_unsuitable", str(device.folder))
    assert device.state() == {name: b"mine"}


@pytest.mark.parametrize(
    ("version", "different", "options", "error"),
    [
        ("2.0.0", {"name": "other"}, {}, ("name_mismatch", "other")),
        ("1.0.0", {"name": "other"}, {"replace": True}, ("name_mismatch", "other")),
        ("1.9.9", {}, {}, ("version_older", "net@1.9.9")),
        ("1.9.9", {}, {"replace": True}, ("version_older", "net@1.9.9")),
        ("0.999999999.0", {}, {}, ("version_older", "net@0.999999999.0")),
        ("1.10.0", {"label": "again"}, {}, ("version_conflict", "net@1.10.0")),
        ("1.10.0", {"target": "arm64"}, {}, ("version_conflict", "net@1.10.0")),
    ],
)
def test_a_bundle_that_may_not_follow(
    version: str,
    different: dict[str, str],
    options: dict[str, bool],
    error: tuple[str, str],
    device: Device,
    archives: Archives,
) -> None:
    """Check U5, name before version before identity; and before U6: nothing is written."""
    device.update(archives("1.10.0"))
    before = device.state()
    assert refusal(device.update(archives(version, **different), **options)) == error
    assert device.state() == before


def test_the_content_is_judged_before_it_is_opened(
    device: Device, archives: Archives, tmp_path: Path
) -> None:
    """Check U7: the headers are right, so it is written and found out there; U8 comes later."""
    device.update(archives("1.0.0"))
    before = device.state()
    (tmp_path / "a").write_bytes(raw(MODEL, BLOCK + 10, b"\xff")(archives("1.1.0").read_bytes()))
    error = refusal(device.update(tmp_path / "a", format="neither"))
    assert error == ("file_digest_mismatch", MODEL)
    assert device.state() == before
    (tmp_path / "a").write_bytes(raw(MODEL, BLOCK + 10, b"\xff")(archives("0.1.0").read_bytes()))
    assert refusal(device.update(tmp_path / "a"))[0] == "version_older"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"colour": 1}, ("option_invalid", "colour")),
        ({"format": None}, ("option_invalid", "format")),
        ({"format": "ort"}, ("format_unavailable", "ort")),
        ({"variant": "int4"}, ("variant_unknown", "int4")),
        ({"providers": ["Abacus"]}, ("provider_unknown", "Abacus")),
    ],
)
def test_an_option_of_opening_is_judged_when_it_is_opened(
    options: dict[str, object], error: tuple[str, str], device: Device, archives: Archives
) -> None:
    """Check U8: P1 to P6."""
    device.update(archives("1.0.0"))
    before = device.state()
    assert refusal(device.update(archives("1.1.0"), **options)) == error
    assert device.state() == before


def test_a_model_that_does_not_open(device: Device, archives: Archives) -> None:
    """Check U8: P5."""
    device.update(archives("1.0.0"))
    before = device.state()
    broken = archives("1.1.0", extra={MODEL: b"x" * 154})
    assert refusal(device.update(broken)) == ("model_rejected", MODEL)
    assert device.state() == before


def test_a_self_test_that_fails_leaves_the_old_one(device: Device, archives: Archives) -> None:
    """Check U8."""
    device.update(archives("1.0.0"))
    device.update(archives("1.1.0"))
    before = device.state()
    assert refusal(device.update(archives.failing("1.2.0"))) == ("self_test_failed", "first/y")
    assert device.state() == before
    assert done(device.rollback()) == ("1.0.0", "1.1.0", True)


def test_a_golden_file_that_cannot_be_read(device: Device, archives: Archives) -> None:
    """Check U8."""
    error = refusal(device.update(archives(extra={GOLDEN: b"none"})))
    assert error == ("golden_malformed", GOLDEN)


def test_a_bundle_that_cannot_prove_itself(device: Device, tmp_path: Path) -> None:
    """Check U8."""
    archive = write_archive(VALID / "no_golden_case" / "bundle", tmp_path / "a.bundle")
    assert refusal(device.update(archive)) == ("golden_missing", ".")
    assert set(device.state()) <= {"sha256", "staging"}


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "update", "folder": "x"},
        {"op": "update", "archive": "x"},
        {"op": "update", "folder": 3, "archive": "x"},
        {"op": "update", "folder": "x", "archive": None},
        {"op": "update", "folder": "x", "archive": "x", "options": []},
        {"op": "rollback"},
        {"op": "rollback", "folder": ["x"]},
    ],
)
def test_a_request_that_is_misspelt(request_: dict[str, object], device: Device) -> None:
    assert refusal(device.program.ask(request_)) == ("usage_invalid", request_["op"])
