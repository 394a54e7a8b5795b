"""Installing: what is in a store afterwards, and what an install leaves alone."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.archive import write_archive
from bundle.bundle import Bundle
from bundle.error import BundleError
from bundle.store import change, registry
from bundle.store.install import install
from tests.store.bundles import identity, state

CHILD = Path(__file__).with_name("install_child.py")


def blob(store: Path, folder: Path) -> Path:
    return store / "sha256" / identity(folder)


def statement(folder: Path, name: str, text: str) -> None:
    (folder / "attest").mkdir(exist_ok=True)
    (folder / "attest" / name).write_text(text)


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_a_bundle_is_in_its_place(kind: str, make, tmp_path: Path, store: Path) -> None:
    folder = make()
    done = install(write_archive(folder, tmp_path) if kind == "archive" else folder)
    assert (done.path, done.digest, done.fresh) == (blob(store, folder), identity(folder), True)
    assert str(done.release) == "net@1.0.0-any"
    assert (store / "refs" / "net" / "1.0.0-any").read_text() == f"{identity(folder)}\n"
    assert state(done.path) == state(folder)
    assert Bundle.open(done.path).digest == identity(folder)
    assert list((store / "staging").iterdir()) == []
    assert {path.stat().st_mode & 0o777 for path in done.path.rglob("*") if path.is_file()} == {0o644}


def test_again_is_fine_and_changes_nothing(make, store: Path) -> None:
    folder = make()
    install(folder)
    before, written = state(store), (store / "refs" / "net" / "1.0.0-any").stat().st_mtime_ns
    again = install(folder)
    assert (again.fresh, again.replaced) == (False, None)
    assert state(store) == before
    assert (store / "refs" / "net" / "1.0.0-any").stat().st_mtime_ns == written


def test_another_bundle_of_the_same_name_and_version_is_refused(make, store: Path) -> None:
    """Check S2."""
    old, new = make(label="old"), make(label="new")
    install(old)
    before = state(store)
    with pytest.raises(BundleError) as caught:
        install(new)
    assert (caught.value.code, caught.value.subject) == ("version_conflict", "net@1.0.0-any")
    assert state(store) == before


def test_replace_takes_the_place_of_the_other(make, store: Path) -> None:
    old, new = make(label="old"), make(label="new")
    install(old)
    change.tag("net@1.0.0", "production")
    done = install(new, replace=True)
    assert (done.replaced, done.fresh) == (identity(old), True)
    assert not blob(store, old).exists() and blob(store, new).exists()
    assert [entry.tags for entry in registry.entries()] == [("latest", "production")]


def test_targets_of_a_version_live_side_by_side(make, store: Path) -> None:
    for target in ("any", "arm64", "arm64-dotprod", "x86_64"):
        install(make(target=target))
    found = sorted(path.name for path in (store / "refs" / "net").iterdir())
    assert found == ["1.0.0-any", "1.0.0-arm64", "1.0.0-arm64-dotprod", "1.0.0-x86_64"]


def test_statements_are_merged_by_their_content(make, tmp_path: Path, store: Path) -> None:
    folder = make()
    statement(folder, "report.json", "first")
    done = install(folder)
    statement(folder, "report.json", "second")
    statement(folder, "copy.json", "first")
    statement(folder, "key", "third")
    for _ in range(2):
        install(write_archive(folder, tmp_path, with_attest=True))
    statement(folder, "key", "fourth")
    install(folder)
    found = {path.name: path.read_text() for path in (done.path / "attest").iterdir()}
    assert found.pop("report.json") == "first" and found.pop("key") == "third"
    assert sorted(found.values()) == ["fourth", "second"]
    assert all(name.startswith(("report.", "key.")) for name in found)
    assert Bundle.open(done.path)


def test_strange_statements_never_make_an_install_fail(make, store: Path) -> None:
    folder = make()
    statement(folder, ".hidden", "x")
    (folder / "attest" / "folder").mkdir()
    (folder / "attest" / "pipe").unlink(missing_ok=True)
    os.mkfifo(folder / "attest" / "pipe")
    (folder / "attest" / "link").symlink_to("/etc/passwd")
    assert not (install(folder).path / "attest").exists()
    other = make(name="other")
    (other / "attest").write_text("a file where a folder should be")
    done = install(other)
    (done.path / "attest").write_text("in the way")
    statement(folder, "ok", "x")
    (other / "attest").unlink()
    statement(other, "ok", "x")
    assert not install(other).fresh


def test_a_damaged_bundle_is_repaired_and_keeps_its_statements(make, store: Path) -> None:
    folder = make()
    done = install(folder)
    statement(done.path, "measured.json", "{}")
    (done.path / "models" / "source.onnx").write_bytes(b"x" * 154)
    assert install(folder).fresh
    assert Bundle.open(done.path)
    assert (done.path / "attest" / "measured.json").read_text() == "{}"
    assert list((store / "staging").iterdir()) == []


def test_a_reference_that_says_nothing_is_told_and_replaced(make, store: Path) -> None:
    folder = make()
    install(folder)
    (store / "refs" / "net" / "1.0.0-any").write_text("no hex")
    with pytest.raises(BundleError) as caught:
        install(folder)
    assert (caught.value.code, caught.value.subject) == ("store_damaged", "refs/net/1.0.0-any")
    assert install(folder, replace=True).digest == identity(folder)


def test_what_others_left_behind_is_removed_and_what_is_theirs_is_not(make, store: Path) -> None:
    install(make())
    (store / "sha256" / ("0" * 64)).mkdir()
    (store / "sha256" / "notes").mkdir()
    (store / "staging" / ".changing-dead").mkdir()
    (store / "tags" / "gone").mkdir()
    (store / "tags" / "gone" / "x").write_text("1.0.0\n")
    install(make(version="1.0.1"))
    assert not (store / "sha256" / ("0" * 64)).exists()
    assert (store / "sha256" / "notes").is_dir()
    assert list((store / "staging").iterdir()) == []


def test_nothing_is_forgotten_while_a_reference_is_damaged(make, store: Path) -> None:
    kept = blob(store, make())
    install(make())
    (store / "refs" / "net" / "1.0.0-any").write_text("?")
    install(make(name="other"))
    assert kept.is_dir()


def test_installs_at_once_leave_one_whole_store(make, tmp_path: Path, store: Path) -> None:
    shared = write_archive(make(extra={"models/big.bin": bytes(1 << 20)}), tmp_path)
    own = [write_archive(make(name=f"net{index}"), tmp_path) for index in range(3)]
    command = [sys.executable, str(CHILD)]
    children = [subprocess.Popen([*command, path, shared, path]) for path in own]
    assert [child.wait(timeout=120) for child in children] == [0, 0, 0]
    assert {entry.release.name for entry in registry.entries()} == {"net", "net0", "net1", "net2"}
    assert not any(entry.damaged for entry in registry.entries())
    assert len(list((store / "sha256").iterdir())) == 4
    assert list((store / "staging").iterdir()) == []


@pytest.fixture
def unwritable(make, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store with one bundle that another user than this test's process may not write to."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder).resolve() / "store"
        monkeypatch.setenv("EDGEBUNDLE_STORE", str(store))
        install(make())
        for path in (Path(folder), *store.rglob("*"), store):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield store
        for path in (store, *store.rglob("*")):
            path.chmod(0o755)


def test_a_read_only_store_is_read_and_says_one_sentence(unwritable: Path, make, tmp_path: Path) -> None:
    archive = write_archive(make(version="2.0.0"), unwritable.parent)
    archive.chmod(0o644)
    before = state(unwritable, index=True)
    done = subprocess.run(
        [sys.executable, str(CHILD), "--read-only", str(archive)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers["listed"] == ["net@1.0.0-any"]
    assert answers["located"] == next(str(path) for path in (unwritable / "sha256").iterdir())
    assert set(answers["refused"].values()) == {"store_unwritable"}
    assert state(unwritable, index=True) == before


def test_a_file_that_cannot_be_written_whole_leaves_nothing(make, tmp_path: Path, store: Path) -> None:
    """The system itself refuses: no file of this process may be longer than 64 KiB."""
    install(make())
    before = state(store)
    archive = write_archive(make(version="2.0.0", extra={"models/big.bin": bytes(1 << 20)}), tmp_path)
    done = subprocess.run(
        [sys.executable, str(CHILD), "--limited", str(archive)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("store_unwritable\n", "")
    assert state(store) == before


def test_a_store_where_a_file_stands_cannot_be_written(make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="store_unwritable"):
        install(make(), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
