"""A kill, or a full disk, at each single step of each change: the store is as before or as meant."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.archive import write_archive
from bundle.bundle import Bundle
from bundle.error import BundleError
from bundle.store import change, layout, registry
from bundle.store.install import install
from tests.store.bundles import make as make_bundle
from tests.store.bundles import state
from tests.store.fault_child import ACTIONS, DONE, NOT_REACHED, REFUSED

pytestmark = pytest.mark.slow

CHILD = Path(__file__).with_name("fault_child.py")
# So few calls at least make up each change: with fewer, the test would not have looked.
FEWEST = {"install": 30, "replace": 30, "repair": 30, "remove": 10, "tag": 8, "untag": 6, "index": 3}


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here, so nothing waits for the disk."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A template store with two versions and a tag, and the archive that each action installs."""
    folder = tmp_path_factory.mktemp("parts").resolve()
    template, archives = folder / "template", {}
    old, kept = make_bundle(folder / "old"), make_bundle(folder / "kept", version="0.9.0")
    for each in (old, kept):
        install(each, template)
    change.tag("net@1.0.0", "old", template)
    statement = make_bundle(folder / "added", version="1.1.0")
    (statement / "attest").mkdir()
    (statement / "attest" / "report.json").write_text("{}")
    archives["install"] = write_archive(statement, folder, with_attest=True)
    archives["replace"] = write_archive(make_bundle(folder / "new", label="new"), folder / "new.bundle")
    archives["repair"] = write_archive(old, folder / "old.bundle")
    damaged = folder / "damaged"
    shutil.copytree(template, damaged)
    digest = layout.digest_of(damaged, layout.Release("net", "1.0.0", "any"))
    assert digest is not None
    (layout.blob(damaged, digest) / "models" / "source.onnx").write_bytes(b"x" * 154)
    other = make_bundle(folder / "other", name="other")
    return {"template": template, "damaged": damaged, "other": other, **archives}


def broken(kind: str, action: str, parts: dict[str, Path], out: Path) -> list[tuple[Path, list[str]]]:
    """The store after each fault, with the words about how the process ended; the last had no fault."""
    template = parts["damaged" if action == "repair" else "template"]
    archive = parts.get(action, parts["install"])
    done = subprocess.run(
        [sys.executable, CHILD, kind, action, template, out, archive],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) >= FEWEST[action]
    return [(out / str(index + 1), words) for index, words in enumerate(lines)]


def facts(store: Path) -> dict[str, object]:
    """What a reader finds: every release with its identity, whether it is whole, every tag."""
    found: dict[str, object] = {}
    for name in layout.names(store):
        for release in layout.releases(store, name):
            digest = layout.digest_of(store, release)
            assert digest is not None
            try:
                whole = Bundle.open(layout.blob(store, digest), digest=digest).digest == digest
            except BundleError:
                whole = False
            found[str(release)] = digest, whole
        found |= {f"{name}@{word}": version for word, version in layout.tags(store, name).items()}
    return found


def swept(store: Path, parts: dict[str, Path]) -> dict[str, bytes | None]:
    """What is in a store once the next install is done."""
    install(parts["other"], store)
    return state(store)


@pytest.mark.parametrize("kind", ["kill", "full"])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_fault_at_any_step(kind: str, action: str, parts: dict[str, Path], tmp_path: Path) -> None:
    steps = broken(kind, action, parts, tmp_path / "out")
    clean = steps.pop()
    assert clean[1] == ["-", str(NOT_REACHED)]
    before = facts(parts["damaged" if action == "repair" else "template"])
    meant = facts(clean[0])
    wanted = swept(clean[0], parts)
    for store, words in steps:
        check_end(kind, words)
        found = facts(store)
        # A removal goes file by file: the release first, then its tags.
        tags_left = {key: value for key, value in found.items() if key != "net@old"}
        assert found in (before, meant) or (action == "remove" and tags_left == meant), words
        # What cannot be deleted stays until the next change, as after a kill.
        if kind == "full" and words[0] not in ("rmdir", "unlink"):
            assert list((store / "staging").iterdir()) == [], words
        # An install that had no room for a statement did not fail, and brings it the next time.
        if found == before != meant or action == "install":
            ACTIONS[action](store, str(parts.get(action, "")))
        assert swept(store, parts) == wanted, words
        assert not any(entry.damaged for entry in registry.entries(store)), words


def check_end(kind: str, words: list[str]) -> None:
    if kind == "kill":
        assert words[-1] == str(-signal.SIGKILL), words
    elif words[-1] == str(REFUSED):
        assert words[1] == "store_unwritable", words
    else:
        # What is only tidied up, merged or remembered is left out where the disk has no room for it.
        assert words[-1] == str(DONE), words
