"""The index is a memory and nothing else: whatever happens to it, the answer is that of the files."""

import dataclasses
import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from bundle.error import BundleError
from bundle.store import change, index, layout, registry
from bundle.store.install import install
from tests.store.bundles import identity
from tests.store.bundles import make as make_bundle


def report(folder: Path, **fields: object) -> None:
    """Write a report about a bundle with one row about its model file."""
    row = {
        "variant": "source",
        "format": "onnx",
        "ran_on": "host",
        "accuracy": 0.5,
        "latency_us": 12.5,
    } | fields
    (folder / "attest").mkdir(exist_ok=True)
    text = json.dumps({"digest": identity(folder), "verify": [row]})
    (folder / "attest" / "report.json").write_text(text)


def without_index(monkeypatch: pytest.MonkeyPatch) -> list[registry.Entry]:
    """What the files say."""
    with monkeypatch.context() as patch:
        patch.setattr(index, "load", lambda _: {})
        patch.setattr(index, "save", lambda *_: None)
        return registry.entries()


def test_the_index_remembers_what_the_files_say(make, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make()
    report(folder)
    install(folder)
    assert not (store / "index.sqlite").exists()
    [entry] = registry.entries()
    assert (store / "index.sqlite").is_file()
    assert entry.bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) - len(
        (folder / "attest" / "report.json").read_bytes()
    )
    assert entry.headline == registry.Figures("source", "onnx", 154, 0.5, 12.5, None, None)
    with monkeypatch.context() as patch:
        patch.setattr(registry, "figures", lambda *_: pytest.fail("read although it is remembered"))
        assert registry.entries() == [entry]


def test_anybody_can_query_the_index(make, store: Path) -> None:
    install(make())
    registry.entries()
    with sqlite3.connect(store / "index.sqlite") as connection:
        found = connection.execute("SELECT name, version, variant, format, bytes FROM figures").fetchall()
    connection.close()
    assert found == [("net", "1.0.0", "source", "onnx", 154)]


@pytest.mark.parametrize("what", ["gone", "empty", "text", "folder", "old", "cut", "wrong rows", "link"])
def test_an_index_that_is_no_good_is_made_anew(
    what: str, make, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(make())
    path = store / "index.sqlite"
    before = registry.entries()
    if what == "gone":
        path.unlink()
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "text":
        path.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    elif what == "folder":
        path.unlink()
        path.mkdir()
    elif what == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif what == "link":
        path.unlink()
        path.symlink_to("nowhere")
    else:
        statement = "PRAGMA user_version=0" if what == "old" else "UPDATE figures SET accuracy=0.99"
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
        connection.close()
    assert registry.entries() == before
    if what != "folder":
        with monkeypatch.context() as patch:
            patch.setattr(registry, "figures", lambda *_: pytest.fail("the index was not made anew"))
            assert registry.entries() == before


def test_any_flipped_byte_of_the_index_changes_nothing(make, store: Path) -> None:
    for name in ("a", "b"):
        install(make(name=name))
    before, path = registry.entries(), store / "index.sqlite"
    good, chance = path.read_bytes(), random.Random(0)
    for at in [*range(100), *chance.choices(range(len(good)), k=100)]:
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1 :])
        assert registry.entries() == before, at


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "1e999", "[" * 100_000, '{"digest": "other"}',
        '{"verify": 1}', '{"verify": [1, {}]}', '{"verify": [{"variant": [], "format": "onnx"}]}',
    ],
)  # fmt: skip
def test_a_report_that_is_no_report_measures_nothing(text: str, make) -> None:
    folder = make()
    (folder / "attest").mkdir()
    (folder / "attest" / "report.json").write_text(
        text.replace('{"v', f'{{"digest": "{identity(folder)}", "v')
    )
    install(folder)
    [entry] = registry.entries()
    assert entry.headline == registry.Figures("source", "onnx", 154)


@pytest.mark.parametrize(
    "value", ["infinity", "NaN", True, -1, [], 10**400, None, float("nan"), float("inf")], ids=repr
)
def test_a_figure_that_is_no_number_is_not_measured(value: object, make) -> None:
    folder = make()
    report(folder, accuracy=value, latency_us=value, flips=value)
    install(folder)
    [entry] = registry.entries()
    assert entry.headline == registry.Figures("source", "onnx", 154)


def test_what_ran_on_the_target_outranks_the_host(make) -> None:
    folder = make()
    report(folder)
    path = folder / "attest" / "report.json"
    tree = json.loads(path.read_bytes())
    tree["verify"] += [tree["verify"][0] | {"ran_on": "target (ssh board)", "latency_us": 99.0}]
    tree["verify"] += [tree["verify"][0] | {"latency_us": 1.0}]
    path.write_text(json.dumps(tree))
    install(folder)
    [entry] = registry.entries()
    assert entry.headline is not None and entry.headline.latency_us == 99.0


def test_history_is_newest_first_number_by_number(make) -> None:
    for version in ("1.9.0", "1.10.0", "0.1.0", "1.2.3"):
        install(make(version=version))
    install(make(name="other"))
    change.tag("net@1.9.0", "production")
    change.tag("net@1.9.0", "best")
    found = registry.history("net")
    assert [entry.release.version for entry in found] == ["1.10.0", "1.9.0", "1.2.3", "0.1.0"]
    assert [entry.tags for entry in found] == [("latest",), ("best", "production"), (), ()]
    with pytest.raises(BundleError) as caught:
        registry.history("nett")
    assert (caught.value.code, caught.value.hint) == ("bundle_unknown", "did you mean `net`?")


def test_a_bundle_that_is_not_there_is_listed_as_damaged(make, store: Path) -> None:
    done = install(make())
    registry.entries()
    shutil.rmtree(done.path)
    [entry] = registry.entries()
    assert entry.damaged and entry.headline is None
    assert [str(release) for release in change.remove("net@1.0.0")] == ["net@1.0.0-any"]
    assert registry.entries() == []


def test_a_store_that_is_not_there_holds_nothing_and_is_not_made(store: Path) -> None:
    assert registry.entries() == registry.entries(rebuild=True) == []
    assert not store.exists()
    store.mkdir()
    assert registry.entries(rebuild=True) == []
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("word", ["latest", "1.2.3", "1.2.3-any", "", "a b", "-x", "a/b", "x" * 65, "ä"])
def test_what_is_no_tag(word: str, make) -> None:
    install(make())
    with pytest.raises(BundleError) as caught:
        change.tag("net@1.0.0", word)
    assert (caught.value.code, caught.value.subject) == ("tag_invalid", word)


def test_a_tag_is_moved_and_taken_away(make, store: Path) -> None:
    for version in ("1.0.0", "1.1.0"):
        install(make(version=version))
    change.tag("net@1.0.0", "production")
    change.tag("net@latest", "production")
    assert layout.tags(store, "net") == {"production": "1.1.0"}
    assert change.untag("net@production") == "1.1.0"
    for text, hint in (("net@production", ""), ("net@latest", "")):
        with pytest.raises(BundleError) as caught:
            change.untag(text)
        assert (caught.value.code, caught.value.hint) == ("bundle_unknown", caught.value.hint or hint)
    assert not (store / "tags" / "net").exists()


def test_a_tag_goes_with_the_last_target_of_its_version(make, store: Path) -> None:
    for target in ("any", "arm64"):
        install(make(target=target))
    change.tag("net@1.0.0", "production")
    change.remove("net@1.0.0-any")
    assert layout.tags(store, "net") == {"production": "1.0.0"}
    change.remove("net@1.0.0")
    assert layout.tags(store, "net") == {}
    assert list((store / "refs").iterdir()) == list((store / "sha256").iterdir()) == []


@pytest.mark.parametrize("text", ["net@latest", "net@production", "net", "net@2.0.0"])
def test_only_a_version_is_removed(text: str, make) -> None:
    install(make())
    change.tag("net@1.0.0", "production")
    with pytest.raises(BundleError, match="bundle_unknown"):
        change.remove(text)


def test_an_index_kept_is_an_index_made_anew(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random changes, and random harm to the index, in random order."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    chance = random.Random(5)
    pool = [
        make_bundle(tmp_path / f"{name}{version}{target}", name=name, version=version, target=target)
        for name in ("a", "b")
        for version in ("1.0.0", "1.1.0", "1.10.0")
        for target in ("any", "arm64")
    ]
    for step in range(250):
        harm(chance, pool, store)
        kept = registry.entries()
        anew = without_index(monkeypatch)
        assert kept == anew, step
        assert [dataclasses.asdict(entry) for entry in registry.entries(rebuild=True)] == [
            dataclasses.asdict(entry) for entry in anew
        ]


def harm(chance: random.Random, pool: list[Path], store: Path) -> None:
    """Do one random thing to a store."""
    folder = chance.choice(pool)
    what = chance.choice(["1.0.0", "1.1.0", "1.10.0", "1.0.0-any", "latest", "x", "y"])
    text = f"{chance.choice('ab')}@{what}"
    path, blobs = store / "index.sqlite", sorted((store / "sha256").glob("*"))
    what = chance.choice(["install"] * 4 + ["remove", "tag", "untag", "report", "cut", "delete", "damage"])
    try:
        if what == "install":
            install(folder)
        elif what == "remove":
            change.remove(text)
        elif what == "tag":
            change.tag(text, chance.choice("xy"))
        elif what == "untag":
            change.untag(text)
        elif what == "report" and blobs:
            report(chance.choice(blobs), accuracy=chance.random(), flips=chance.randrange(5))
        elif what == "cut" and path.exists():
            path.write_bytes(path.read_bytes()[: chance.randrange(20000)])
        elif what == "delete":
            path.unlink(missing_ok=True)
        elif what == "damage" and blobs:
            shutil.rmtree(chance.choice(blobs))
    except BundleError as error:
        assert error.code == "bundle_unknown", error
