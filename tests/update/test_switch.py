"""What a device folder holds after updates and rollbacks."""

import os
from pathlib import Path

import pytest

from bundle.bundle import Bundle
from bundle.parity.client import Client
from tests.update.device import GOLDEN, MODEL, Archives, Device, done, refusal, running


def damage(device: Device, digest: str) -> None:
    (device.folder / "sha256" / digest / MODEL).write_bytes(b"x" * 154)


@pytest.fixture
def second(device: Device, archives: Archives) -> Device:
    """A device that runs 1.1.0, and ran 1.0.0 before."""
    assert done(device.update(archives("1.0.0"))) == ("1.0.0", None, True)
    assert done(device.update(archives("1.1.0"))) == ("1.1.0", "1.0.0", True)
    return device


def test_the_first_update_makes_the_folder(device: Device, archives: Archives) -> None:
    """Checks U6 and U9."""
    device.folder = device.folder / "deeper" / "still"
    old = os.umask(0o077)
    try:
        # The program has started or not: a mask of this process holds in its child from the start alone.
        device.program.close()
        reply = device.update(archives())
    finally:
        os.umask(old)
        device.program.close()
    digest = archives.digest()
    assert {key: reply[key] for key in ("digest", "name", "version", "previous", "changed")} == {
        "digest": digest,
        "name": "net",
        "version": "1.0.0",
        "previous": None,
        "changed": True,
    }
    assert os.readlink(device.folder / "current") == f"sha256/{digest}"
    assert sorted(os.listdir(device.folder)) == ["current", "sha256", "staging"]
    assert os.listdir(device.folder / "staging") == []
    assert Bundle.open(device.folder / "current").digest == digest
    bundle = device.folder / "sha256" / digest
    modes = {path.stat().st_mode & 0o777 for path in bundle.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in (bundle.parent, bundle, bundle / "models")}
    assert (modes, folders) == ({0o644}, {0o755})


def test_statements_are_not_kept(device: Device, archives: Archives, tmp_path: Path) -> None:
    from bundle.archive import write_archive
    from tests.store import bundles

    bundle = bundles.make(tmp_path / "bundle")
    (bundle / "attest").mkdir()
    (bundle / "attest" / "report.json").write_text("{}")
    device.update(write_archive(bundle, tmp_path / "a.bundle", with_attest=True))
    assert sorted(os.listdir(device.folder / "current")) == ["bundle.json", "golden", "models"]


def test_the_one_before_is_kept_and_no_other(second: Device, archives: Archives) -> None:
    (second.folder / "sha256" / "notes").mkdir()
    (second.folder / "notes").write_text("mine")
    (second.folder / "staging" / "notes").write_text("mine")
    assert done(second.update(archives("1.10.0"))) == ("1.10.0", "1.1.0", True)
    kept = {archives.digest("1.1.0"), archives.digest("1.10.0")}
    assert set(os.listdir(second.folder / "sha256")) == kept | {"notes"}
    assert running(second.folder) == archives.digest("1.10.0")
    assert running(second.folder, "previous") == archives.digest("1.1.0")
    assert (second.folder / "notes").read_text() == "mine"
    assert os.listdir(second.folder / "staging") == ["notes"]


def test_again_nothing_changes(second: Device, archives: Archives) -> None:
    before, written = second.state(), os.lstat(second.folder / "current").st_mtime_ns
    model = os.stat(second.folder / "current" / MODEL).st_ino
    # Whoever sends what runs already is not asked for a self-test, so its options are not looked at.
    assert done(second.update(archives("1.1.0"), format="neither")) == ("1.1.0", "1.0.0", False)
    assert second.state() == before
    assert os.lstat(second.folder / "current").st_mtime_ns == written
    assert os.stat(second.folder / "current" / MODEL).st_ino == model


def test_replace_takes_another_bundle_of_the_version(second: Device, archives: Archives) -> None:
    other = archives("1.1.0", label="other")
    assert done(second.update(other, replace=True)) == ("1.1.0", "1.1.0", True)
    assert running(second.folder) == archives.digest("1.1.0", label="other")
    assert running(second.folder, "previous") == archives.digest("1.1.0")


def test_a_rollback_and_another_one(second: Device, archives: Archives) -> None:
    """Check V4."""
    for version, before in (("1.0.0", "1.1.0"), ("1.1.0", "1.0.0"), ("1.0.0", "1.1.0")):
        reply = second.rollback()
        assert done(reply) == (version, before, True)
        assert (reply["name"], reply["digest"]) == ("net", archives.digest(version))
        assert running(second.folder) == archives.digest(version)
        assert running(second.folder, "previous") == archives.digest(before)
    assert sorted(os.listdir(second.folder)) == ["current", "previous", "sha256", "staging"]


def test_what_was_rolled_back_can_come_again(second: Device, archives: Archives) -> None:
    """Its files are there, and are not written again."""
    second.rollback()
    model = second.folder / "sha256" / archives.digest("1.1.0") / MODEL
    before = model.stat().st_ino
    assert done(second.update(archives("1.1.0"))) == ("1.1.0", "1.0.0", True)
    assert model.stat().st_ino == before
    assert running(second.folder, "previous") == archives.digest("1.0.0")


def test_what_was_rolled_back_proves_itself_again(second: Device, archives: Archives) -> None:
    """Check U8, of files that are there."""
    second.rollback()
    before = second.state()
    error = refusal(second.update(archives("1.1.0"), format="neither"))
    assert error == ("option_invalid", "format")
    assert second.state() == before


def test_what_was_rolled_back_is_mended_where_it_is_damaged(second: Device, archives: Archives) -> None:
    """Check U9: the damaged one changes places with the new one."""
    second.rollback()
    damage(second, archives.digest("1.1.0"))
    assert done(second.update(archives("1.1.0"))) == ("1.1.0", "1.0.0", True)
    assert running(second.folder) == archives.digest("1.1.0")
    assert os.listdir(second.folder / "staging") == []


@pytest.mark.parametrize(
    "why", ["none", "damaged", "gone", "the same", "elsewhere", "absolute", "upper case", "deeper"]
)
def test_nothing_to_roll_back_to(why: str, second: Device, archives: Archives) -> None:
    """Check V3."""
    link, digest = second.folder / "previous", archives.digest("1.0.0")
    texts = {
        "the same": os.readlink(second.folder / "current"),
        "elsewhere": "notes",
        "absolute": f"{second.folder}/sha256/{digest}",
        "upper case": f"sha256/{digest.upper()}",
        "deeper": f"sha256/{digest}/",
    }
    if why == "damaged":
        damage(second, digest)
    elif why == "gone":
        (second.folder / "sha256" / digest).rename(second.folder / "notes")
    else:
        link.unlink()
    if why in texts:
        link.symlink_to(texts[why])
    before = second.state()
    assert refusal(second.rollback()) == ("rollback_impossible", "previous")
    assert second.state() == before


@pytest.mark.parametrize("link", ["none", "elsewhere", "absolute"])
def test_a_rollback_where_current_says_nothing(link: str, second: Device, archives: Archives) -> None:
    """Check V4."""
    current = second.folder / "current"
    current.unlink()
    if link != "none":
        current.symlink_to(second.folder / "sha256" if link == "absolute" else "notes")
    assert done(second.rollback()) == ("1.0.0", None, True)
    assert running(second.folder) == archives.digest("1.0.0")
    assert not os.path.lexists(second.folder / "previous")


def test_a_rollback_where_current_is_damaged(second: Device, archives: Archives) -> None:
    damage(second, archives.digest("1.1.0"))
    assert done(second.rollback()) == ("1.0.0", "1.1.0", True)
    assert refusal(second.rollback()) == ("rollback_impossible", "previous")


def test_a_damaged_bundle_is_mended_by_its_own_archive(second: Device, archives: Archives) -> None:
    damage(second, archives.digest("1.1.0"))
    assert done(second.update(archives("1.1.0"))) == ("1.1.0", "1.0.0", True)
    assert running(second.folder) == archives.digest("1.1.0")
    assert running(second.folder, "previous") == archives.digest("1.0.0")


def test_a_file_in_the_place_of_a_bundle_is_replaced(device: Device, archives: Archives) -> None:
    (device.folder / "sha256").mkdir(parents=True)
    (device.folder / "sha256" / archives.digest()).write_text("no folder")
    assert done(device.update(archives())) == ("1.0.0", None, True)
    assert running(device.folder) == archives.digest()
    assert os.listdir(device.folder / "staging") == []


def test_a_damaged_bundle_is_nothing_to_roll_back_to(second: Device, archives: Archives) -> None:
    """The last good one stays."""
    damage(second, archives.digest("1.1.0"))
    assert refusal(second.update(archives("1.0.5"))) == ("version_older", "net@1.0.5")
    assert done(second.update(archives("1.2.0"))) == ("1.2.0", "1.0.0", True)
    kept = {archives.digest("1.0.0"), archives.digest("1.2.0")}
    assert set(os.listdir(second.folder / "sha256")) == kept


@pytest.mark.parametrize(
    "why", ["no link", "gone", "manifest", "manifest of another", "absolute", "elsewhere"]
)
def test_a_link_that_leads_to_no_bundle_refuses_nothing(why: str, second: Device, archives: Archives) -> None:
    """Check U5, which is for bundles that can be read."""
    current, bundle = second.folder / "current", second.folder / "sha256" / archives.digest("1.1.0")
    texts = {"absolute": bundle, "elsewhere": "notes"}
    if why == "gone":
        bundle.rename(second.folder / "notes")
    elif why == "manifest":
        (bundle / "bundle.json").write_bytes(b"{")
    elif why == "manifest of another":
        before = second.folder / "sha256" / archives.digest("1.0.0")
        (bundle / "bundle.json").write_bytes((before / "bundle.json").read_bytes())
    else:
        current.unlink()
    if why in texts:
        current.symlink_to(texts[why])
    assert done(second.update(archives("0.1.0", name="other"))) == ("0.1.0", "1.0.0", True)
    assert running(second.folder) == archives.digest("0.1.0", name="other")
    kept = {archives.digest("1.0.0"), archives.digest("0.1.0", name="other")}
    assert set(os.listdir(second.folder / "sha256")) == kept


@pytest.mark.parametrize("change", ["update", "again", "rollback"])
def test_what_a_dead_process_left_is_removed(change: str, second: Device, archives: Archives) -> None:
    """Also a bundle that no link says, except by a rollback, which deletes no bundle."""
    work = second.folder / "staging" / "update" / "bundle" / "models"
    work.mkdir(parents=True)
    (work / "source.onnx").write_bytes(b"half")
    (work.parent.parent / "current").symlink_to("sha256")
    unknown = second.folder / "sha256" / ("0" * 64)
    unknown.mkdir()
    (unknown / "x").write_bytes(b"x")
    if change == "rollback":
        assert second.rollback()["ok"]
    else:
        assert second.update(archives("1.2.0" if change == "update" else "1.1.0"))["ok"]
    assert os.listdir(second.folder / "staging") == []
    assert unknown.exists() == (change == "rollback")


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_no_process_left_there_is_removed(
    what: str, second: Device, archives: Archives, tmp_path: Path
) -> None:
    """Nothing is written, or deleted, where a link leads."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    work = second.folder / "staging" / "update"
    changes = [
        lambda: second.update(archives("1.1.0")),
        second.rollback,
        lambda: second.update(archives("1.2.0")),
    ]
    for change in changes:
        if what == "link":
            work.symlink_to(outside)
        else:
            work.write_text("mine")
        assert change()["ok"]
        assert os.listdir(second.folder / "staging") == []
        assert os.listdir(outside) == ["mine"]


def test_a_folder_by_a_link_and_with_a_slash(device: Device, archives: Archives, tmp_path: Path) -> None:
    link = tmp_path / "link"
    device.folder.mkdir()
    link.symlink_to(device.folder)
    for name in (str(link), f"{link}/"):
        request = {"op": "update", "folder": name, "archive": str(archives())}
        assert device.program.ask(request)["ok"]
    assert running(device.folder) == archives.digest()
    assert link.is_symlink()


def test_a_larger_bundle(device: Device, archives: Archives) -> None:
    """Files of more than one piece, an empty one, and one that fills its blocks."""
    extra = {"models/big.bin": bytes(range(256)) * 20_000, "models/none.bin": b"", "models/x.bin": bytes(512)}
    assert done(device.update(archives("3.0.0", extra=extra))) == ("3.0.0", None, True)
    assert running(device.folder) == archives.digest("3.0.0", extra=extra)


def test_a_predictor_that_is_open_keeps_answering(
    program: Client, second: Device, archives: Archives
) -> None:
    """Also when its bundle is deleted: by the second update after it was opened."""
    request = {"op": "open", "bundle": str(second.folder / "current"), "handle": "h", "options": {}}
    assert program.ask(request)["ok"]
    for version in ("1.2.0", "1.3.0"):
        assert second.update(archives(version))["ok"]
    assert archives.digest("1.1.0") not in os.listdir(second.folder / "sha256")
    tensor = {"dtype": "float32", "shape": [1, 3], "data": "0000803f" * 3}
    reply = program.ask({"op": "predict", "handle": "h", "inputs": {"x": tensor}})
    assert reply["ok"], reply
    program.ask({"op": "close", "handle": "h"})
    assert GOLDEN in {file.path for file in Bundle.open(second.folder / "current").manifest.files}
