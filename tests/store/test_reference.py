"""From a name to a bundle: what wins, what is told, and that a plain path costs nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bundle
from bundle import target
from bundle.error import BundleError
from bundle.store import change, layout
from bundle.store.install import install
from bundle.store.reference import locate, looks_like_reference
from tests.store.bundles import identity


@pytest.fixture
def filled(make, store: Path) -> dict[str, Path]:
    """A store with versions 1.9.0, 1.10.0 and, of another name, 1.0.0; the folders they came from."""
    made = {
        "net@1.9.0": make(version="1.9.0"),
        "net@1.10.0": make(version="1.10.0"),
        "other.net-2@1.0.0": make(name="other.net-2"),
    }
    for folder in made.values():
        install(folder)
    change.tag("net@1.9.0", "production")
    return made


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("net@1.9.0", "net@1.9.0"),
        ("net@1.9.0-any", "net@1.9.0"),
        ("net@latest", "net@1.10.0"),
        ("net@production", "net@1.9.0"),
        ("other.net-2@latest", "other.net-2@1.0.0"),
    ],
)
def test_a_reference_leads_to_its_bundle(text: str, means: str, filled: dict[str, Path], store: Path) -> None:
    found = locate(text)
    assert found.digest == identity(filled[means])
    assert found.path == str(store / "sha256" / identity(filled[means]))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("nett@latest", "did you mean `net`?"),
        ("net@1.10", "did you mean `1.10.0`?"),
        ("net@prodction", "did you mean `production`?"),
        ("net@1.9.0-x86_64", "`net@1.9.0` takes the one that suits this machine best"),
        ("net@", ""),
        ("net@01.9.0", "did you mean `1.9.0`?"),
        ("net@1.9.0@x", "did you mean `1.9.0`?"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(text: str, hint: str, filled: dict[str, Path]) -> None:
    """Checks R1 and R2."""
    with pytest.raises(BundleError) as caught:
        locate(text)
    assert (caught.value.code, caught.value.subject) == ("bundle_unknown", text)
    assert hint in caught.value.hint
    with pytest.raises(BundleError, match="bundle_unknown"):
        bundle.open(text)


def test_a_path_that_exists_always_wins(
    filled: dict[str, Path], make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert looks_like_reference("net@1.9.0")
    make(label="mine").rename(tmp_path / "net@1.9.0")
    assert locate("net@1.9.0").digest is None
    with bundle.open("net@1.9.0") as predictor:
        assert predictor.manifest.metadata["label"] == "mine"


@pytest.mark.parametrize("text", ["net", "./net@1.0.0", "a/b@1", "@latest", "a\0b@1", "-x@1", "net@a/b"])
def test_other_texts_are_paths(text: str, filled: dict[str, Path]) -> None:
    assert locate(text).path == text
    with pytest.raises(BundleError, match="bundle_not_found"):
        bundle.open(text)


def test_a_path_object_is_a_path_or_a_name(filled: dict[str, Path]) -> None:
    assert locate(Path("net@latest")).digest == identity(filled["net@1.10.0"])


def test_open_and_predict_by_name(
    filled: dict[str, Path], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bundle.open("net@latest") as predictor:
        assert predictor.self_test().passed
    monkeypatch.delenv("EDGEBUNDLE_STORE")
    with bundle.open("net@1.9.0", store=store) as predictor:
        assert predictor.manifest.version == "1.9.0"
    with pytest.raises(BundleError, match="bundle_digest_mismatch"):
        bundle.open("net@1.9.0", store=store, digest="0" * 64)


def test_a_bundle_that_was_changed_in_the_store_is_refused(filled: dict[str, Path], make) -> None:
    """Check R4: even a whole bundle, where it is not the one that was installed."""
    place = Path(locate("net@latest").path)
    (place / "bundle.json").write_bytes((make(version="1.10.0", label="evil") / "bundle.json").read_bytes())
    with pytest.raises(BundleError, match="bundle_digest_mismatch"):
        bundle.open("net@latest")


def test_a_reference_that_leads_nowhere_is_damaged(filled: dict[str, Path], store: Path) -> None:
    """Check R3."""
    place = Path(locate("net@latest").path)
    place.rename(store / "elsewhere")
    with pytest.raises(BundleError) as caught:
        bundle.open("net@latest")
    assert (caught.value.code, caught.value.subject) == ("store_damaged", "net@1.10.0-any")
    (store / "tags" / "net" / "production").write_text("?")
    with pytest.raises(BundleError) as caught:
        bundle.open("net@production")
    assert (caught.value.code, caught.value.subject) == ("store_damaged", "tags/net/production")


def test_a_store_that_cannot_be_read_is_told(
    filled: dict[str, Path], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", refuse)
    with pytest.raises(BundleError) as caught:
        locate("net@latest")
    assert (caught.value.code, caught.value.subject) == ("store_unreadable", "refs/net")


def test_of_several_targets_the_one_of_this_host_is_taken(make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {word: make(target=word) for word in ("any", "arm64", "arm64-dotprod", "x86_64")}
    for folder in made.values():
        install(folder)
    hosts = {
        ("arm64", frozenset({"asimddp"})): "arm64-dotprod",
        ("arm64", frozenset()): "arm64",
        ("x86_64", frozenset()): "x86_64",
        ("riscv64", frozenset()): "any",
    }
    for (arch, features), word in hosts.items():
        monkeypatch.setattr(target, "host_arch", lambda arch=arch: arch)
        monkeypatch.setattr(target, "host_features", lambda features=features: features)
        assert locate("net@latest").digest == identity(made[word])
        assert locate("net@1.0.0-any").digest == identity(made["any"])
    change.remove("net@1.0.0-any")
    assert locate("net@latest").digest == identity(made["arm64"])


def test_the_default_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert layout.default_store() == Path(str(tmp_path.resolve() / "the store"))
    monkeypatch.setenv("EDGEBUNDLE_STORE", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert layout.default_store() == tmp_path / "edgebundle"
    monkeypatch.setenv("HOME", "/people/me")
    for relative in ("", "data"):
        monkeypatch.setenv("XDG_DATA_HOME", relative)
        assert layout.default_store() == Path("/people/me/.local/share/edgebundle")


def test_a_plain_path_loads_nothing_of_the_store(make) -> None:
    program = (
        "import sys, bundle\n"
        f"bundle.open({str(make())!r}).close()\n"
        "print([name for name in sys.modules if name in ('sqlite3', 'bundle.store', 'bundle.target')])\n"
        "bundle.store = None\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_bundle_that_is_removed_while_it_is_open_keeps_answering(
    filled: dict[str, Path], store: Path
) -> None:
    with bundle.open("net@latest") as predictor:
        change.remove("net@1.10.0")
        assert not (store / "sha256" / identity(filled["net@1.10.0"])).exists()
        assert predictor.predict({"x": np.zeros((1, 3), "float32")})["y"].shape == (1, 3)
    assert locate("net@latest").digest == identity(filled["net@1.9.0"])
