import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bundle as package
from bundle import bundle as opening
from bundle import files
from bundle.bundle import Bundle
from bundle.error import BundleError
from bundle.host_specific import SIGNS
from tests.contract import example
from tests.contract.example import GOLDEN, MODEL

MANIFEST = "bundle.json"
ORT = "models/source.ort"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return example.write(tmp_path / "bundle")


def refusal(path, **options) -> tuple[str, str]:
    with pytest.raises(BundleError) as caught:
        Bundle.open(path, **options)
    assert str(caught.value).encode()  # a message that can be printed
    return caught.value.code, caught.value.subject


def test_a_good_folder_opens(folder: Path) -> None:
    bundle = Bundle.open(folder)
    assert bundle.path == folder.resolve() and bundle.mode == "full"
    assert bundle.digest == hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    assert bundle.file_path(MODEL) == folder.resolve() / MODEL
    assert bundle.read(MODEL) == example.contents()[MODEL]
    assert Bundle.open(str(folder), digest=bundle.digest, mode="quick").mode == "quick"


def test_a_link_to_the_folder_is_resolved_once(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(folder)
    bundle = Bundle.open(link)
    link.unlink()
    assert bundle.read(MODEL)


@pytest.mark.parametrize("options", [{"digest": "A" * 64}, {"digest": ""}, {"digest": 1}, {"mode": "fast"}])
def test_options_are_judged_before_the_folder(tmp_path: Path, options) -> None:
    assert refusal(tmp_path / "none", **options) == ("option_invalid", *options)


@pytest.mark.parametrize(
    "name", ["none", "file", "dangling", "loop", "zero\0byte", "half\ud800pair", "file/inside"]
)
def test_what_is_no_folder_is_not_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("none")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BundleError) as caught:
        Bundle.open(tmp_path / name)
    assert (caught.value.code, caught.value.subject) == ("bundle_not_found", ".")


def replace(path: Path, kind: str) -> None:
    """Put something else where a file or folder was."""
    moved = path.with_name("moved")
    path.rename(moved)
    if kind == "link":
        moved.rename(path.parent.parent / "moved")
        path.symlink_to("../moved")
    elif kind == "dangling link":
        path.symlink_to("none")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "file":
        path.touch()


KINDS = {
    "nothing": "file_missing",
    "link": "file_not_regular",
    "dangling link": "file_not_regular",
    "loop": "file_not_regular",
    "folder": "file_not_regular",
    "pipe": "file_not_regular",
}


@pytest.mark.parametrize("path", [MANIFEST, MODEL, GOLDEN])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(20)
def test_only_a_regular_file_will_do(folder: Path, path: str, kind: str) -> None:
    replace(folder / path, kind)
    assert refusal(folder) == (KINDS[kind], path)


@pytest.mark.parametrize("kind", ["nothing", "link", "dangling link", "loop", "file", "pipe"])
def test_the_folder_of_a_file_is_a_real_one(folder: Path, kind: str) -> None:
    replace(folder / "golden", kind)
    assert refusal(folder) == (KINDS.get(kind, "file_not_regular"), GOLDEN)


def test_a_manifest_of_any_size_is_read_no_further_than_needed(folder: Path) -> None:
    os.truncate(folder / MANIFEST, 1 << 40)
    assert refusal(folder, digest="0" * 64) == ("manifest_too_large", "")


def test_the_identity_is_compared_before_the_manifest_is_parsed(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b"{")
    assert refusal(folder, digest="0" * 64) == ("bundle_digest_mismatch", MANIFEST)
    assert refusal(folder) == ("manifest_malformed", "")


def test_the_first_missing_file_in_manifest_order_is_told(folder: Path) -> None:
    (folder / MODEL).unlink()
    (folder / GOLDEN).unlink()
    assert refusal(folder) == ("file_missing", GOLDEN)


UNEXPECTED = {
    "file": ([b"notes.txt"], "notes.txt"),
    "hidden": ([b".hidden"], ".hidden"),
    "inside": ([b"models/extra"], "models/extra"),
    "folder is named, not entered": ([b"notes/a"], "notes"),
    "known folder without a file": ([b"lib/"], "lib"),
    "empty folder": ([b"models/empty/"], "models/empty"),
    "attest below": ([b"models/attest/a"], "models/attest"),
    "byte order of the whole path": ([b"models/zzz", b"models-old"], "models-old"),
    "upper case first": ([b"a", b"B"], "B"),
    "no UTF-8": ([b"caf\xe9"], "caf\ufffd"),
    "no UTF-8 is ordered by bytes": ([b"\xff", "\uffff".encode()], "\uffff"),
    "control characters": ([b"a\nb"], "a\nb"),
}


@pytest.mark.parametrize("case", UNEXPECTED.values(), ids=UNEXPECTED)
def test_nothing_else_may_be_there(folder: Path, case) -> None:
    names, subject = case
    for name in names:
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        if name.endswith(b"/"):
            path.mkdir()
        else:
            path.parent.mkdir(exist_ok=True)
            path.touch()
    assert refusal(folder) == ("file_unexpected", subject)


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link", "pipe"])
def test_statements_are_not_looked_at(folder: Path, kind: str) -> None:
    (folder / "attest").mkdir()
    if kind == "folder":
        (folder / "attest" / "report.json").touch()
    else:
        replace(folder / "attest", kind)
        (folder / "moved").rmdir()
    Bundle.open(folder)


def test_sizes_come_before_digests(folder: Path) -> None:
    golden, model = example.contents()[GOLDEN], example.contents()[MODEL]
    (folder / GOLDEN).write_bytes(golden[:-1] + b"\1")
    assert refusal(folder) == ("file_digest_mismatch", GOLDEN)
    (folder / MODEL).write_bytes(model + b"a")
    assert refusal(folder) == ("file_size_mismatch", MODEL)
    (folder / MODEL).write_bytes(b"")
    assert refusal(folder, mode="quick") == ("file_size_mismatch", MODEL)


def test_the_quick_mode_takes_another_content(folder: Path) -> None:
    (folder / MODEL).write_bytes(bytes(len(example.contents()[MODEL])))
    assert refusal(folder) == ("file_digest_mismatch", MODEL)
    Bundle.open(folder, mode="quick")


def with_model(folder: Path, content: bytes, **more: bytes) -> Path:
    return example.write(folder, example.contents() | {MODEL: content} | more)


@pytest.mark.parametrize("offset", [0, 100, (1 << 20) - 21, (1 << 20) - 1, 1 << 20, (3 << 20) - 10])
def test_blocked_operators_are_found_wherever_they_stand(tmp_path: Path, offset: int) -> None:
    content = bytearray(max(offset + 21, 200))
    content[offset : offset + 21] = SIGNS["onnx"]
    assert refusal(with_model(tmp_path, bytes(content))) == ("host_specific_model", MODEL)
    Bundle.open(tmp_path, mode="quick")


def test_the_name_of_the_domain_alone_is_no_fault(tmp_path: Path) -> None:
    Bundle.open(with_model(tmp_path, SIGNS["onnx"][1:] + SIGNS["ort"]))


@pytest.mark.parametrize("path", ["models/notes.txt", "config/a.ort", "models/a.ORT"])
def test_only_models_are_searched(tmp_path: Path, path: str) -> None:
    Bundle.open(with_model(tmp_path, b"", **{path: SIGNS["ort"] + SIGNS["onnx"]}))


def test_every_digest_outranks_blocked_operators(tmp_path: Path) -> None:
    with_model(tmp_path, SIGNS["onnx"], **{ORT: SIGNS["ort"], "models/z/a.ort": b"abc"})
    assert refusal(tmp_path) == ("host_specific_model", MODEL)
    (tmp_path / "models/z/a.ort").write_bytes(b"abd")
    assert refusal(tmp_path) == ("file_digest_mismatch", "models/z/a.ort")


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20, (3 << 20) + 7])
def test_digests_of_any_size_are_sha_256(tmp_path: Path, size: int) -> None:
    content = hashlib.shake_128(b"seed").digest(size)
    (tmp_path / "file").write_bytes(content)
    with files.opened(str(tmp_path / "file"), "file") as file:
        assert files.digest(file, b"not there at all") == (hashlib.sha256(content).hexdigest(), False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(20)
def test_a_file_that_changes_between_two_checks_is_told(folder: Path, monkeypatch, kind: str) -> None:
    monkeypatch.setattr(opening, "_check_sizes", lambda *_: replace(folder / MODEL, kind))
    assert refusal(folder) == (KINDS[kind], MODEL)


def test_a_folder_that_goes_away_between_two_checks_is_told(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(files, "check_regular", lambda *_: (folder / "models").rename(folder / "away"))
    code, subject = refusal(folder)
    assert code == "file_missing" and subject in {MANIFEST, MODEL, "models"}


@pytest.mark.parametrize("call", ["open", "listdir", "scandir"])
def test_what_the_system_refuses_is_told_with_its_words(folder: Path, monkeypatch, call: str) -> None:
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(f"bundle.bundle.os.{call}", refuse)
    with pytest.raises(BundleError) as caught:
        Bundle.open(folder)
    expected = {"listdir": ("file_missing", "."), "scandir": ("bundle_not_found", ".")}
    error = caught.value
    assert (error.code, error.subject) == expected.get(call, ("file_missing", MANIFEST))
    assert error.found == "Permission denied"


def test_the_package_resolves_its_names_at_first_use() -> None:
    script = (
        "import sys, bundle; assert 'numpy' not in sys.modules and 'bundle.manifest' not in sys.modules;"
        "assert all(getattr(bundle, name) for name in bundle.__all__)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(AttributeError):
        package.colour  # noqa: B018


def test_a_predictor_comes_from_a_path_or_from_an_open_bundle(root: Path) -> None:
    path = root / "spec" / "cases" / "valid" / "rank_zero" / "bundle"
    with package.open(path) as one, Bundle.open(path).predictor(format="onnx") as other:
        assert one.variant == other.variant and other.format == "onnx"
