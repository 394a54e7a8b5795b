"""The library out of a wheel: only what has the pinned hash, whole or not at all."""

import hashlib
import importlib.util
import json
import os
import re
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from bundle import wheel
from bundle.__main__ import main
from bundle.cli import exits
from bundle.doctor import examine_device
from bundle.doctor.runtime import Device
from bundle.error import BundleError
from bundle.library import host_arch
from bundle.ort_format import newest_read
from bundle.pins import pins_of
from bundle.spec import table

CONTENT = {
    "onnxruntime/LICENSE": b"as it pleases\n",
    "onnxruntime/ThirdPartyNotices.txt": b"and theirs\n",
    "onnxruntime/capi/libonnxruntime.so.9.9.9": b"a library\n" * 1000,
    "onnxruntime/__init__.py": b"raise SystemExit('code of the wheel ran')\n",
}
PLACED = {"LICENSE", "ThirdPartyNotices.txt", wheel.LIBRARY}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def made(tmp_path: Path) -> wheel.Wheel:
    """A wheel in the folder `wheels`."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / "onnxruntime-9.9.9-cp311-cp311-manylinux_2_28_aarch64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in CONTENT.items():
            archive.writestr(name, data)
    members = {name: digest(data) for name, data in CONTENT.items() if not name.endswith(".py")}
    return wheel.Wheel("9.9.9", path.name, digest(path.read_bytes()), members, {})


def refused(made: wheel.Wheel, tmp_path: Path, source: Path | None) -> BundleError:
    """The refusal of a fetch, which leaves nothing behind."""
    with pytest.raises(BundleError) as error:
        wheel.fetch(made, tmp_path / "out", source)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".fetch-*"))
    return error.value


def test_the_library_and_its_terms_are_taken(made: wheel.Wheel, tmp_path: Path) -> None:
    out = tmp_path / "not" / "yet" / "there"
    assert wheel.fetch(made, out, tmp_path / "wheels") == out / wheel.LIBRARY
    assert {path.name for path in out.iterdir()} == PLACED
    assert (out / wheel.LIBRARY).read_bytes() == CONTENT["onnxruntime/capi/libonnxruntime.so.9.9.9"]
    # Others' files in the folder stay, older ones of this name are replaced.
    (out / "other").write_text("mine")
    (out / "LICENSE").write_text("older")
    wheel.fetch(made, out, tmp_path / "wheels")
    assert {path.name for path in out.iterdir()} == {*PLACED, "other"}
    assert (out / "LICENSE").read_bytes() == CONTENT["onnxruntime/LICENSE"]


def test_another_wheel_under_the_same_name(made: wheel.Wheel, tmp_path: Path) -> None:
    path = tmp_path / "wheels" / made.file
    path.write_bytes(path.read_bytes() + b"\0")
    error = refused(made, tmp_path, tmp_path / "wheels")
    assert (error.code, error.subject) == ("wheel_mismatch", made.file)


def test_another_library_in_the_wheel(made: wheel.Wheel, tmp_path: Path) -> None:
    members = {name: "0" * 64 if "/capi/" in name else value for name, value in made.members.items()}
    error = refused(replace(made, members=members), tmp_path, tmp_path / "wheels")
    assert error.code == "wheel_mismatch" and error.subject.endswith("libonnxruntime.so.9.9.9")


def test_a_folder_without_the_wheel(made: wheel.Wheel, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nothing"):
        error = refused(made, tmp_path, tmp_path / folder)
        assert (error.code, error.subject) == ("wheel_unavailable", made.file)
        assert "--from" in error.hint


def test_no_client_and_no_network(made: wheel.Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An index that nobody serves: what pip says is told.
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    error = refused(made, tmp_path, None)
    assert error.code == "wheel_unavailable" and "onnxruntime==9.9.9" in error.found
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pip" else find(name))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(made, tmp_path, None)
    assert error.code == "wheel_unavailable" and "neither pip nor uv" in error.found


def test_a_place_that_cannot_be_written_to(made: wheel.Wheel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BundleError, match="output_file_unwritable"):
        wheel.fetch(made, tmp_path / "file" / "out", tmp_path / "wheels")
    with pytest.raises(BundleError, match="output_file_unwritable"):
        wheel.fetch(made, tmp_path / "file", tmp_path / "wheels")


def test_the_pinned_wheels_are_those_of_the_requirements(root: Path) -> None:
    text = (root / "requirements" / "build.txt").read_text("utf-8")
    [entry] = (each for each in re.split(r"\n(?=\S)", text) if each.startswith("onnxruntime=="))
    known = table("wheels")
    assert entry.startswith(f"onnxruntime=={known['version']} ")
    assert known["wheels"].keys() == {arch for arch in table("targets")["targets"] if arch != "any"}
    for row in known["wheels"].values():
        assert f"--hash=sha256:{row['sha256']}" in entry
    # The table that says which ORT format a library reads knows this version, too.
    assert newest_read(known["version"]) is not None


def test_what_is_installed_here_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bundle.wheel._download", lambda *_: pytest.fail("it is installed"))
    out = tmp_path / "out"
    assert main(["runtime", "fetch", "--output", str(out), "--json"]) == exits.OK
    tree = json.loads(capsys.readouterr().out)
    assert tree["target"] == host_arch() and tree["path"] == str(out / wheel.LIBRARY)
    pinned = wheel.pinned(host_arch())
    assert pinned is not None and pins_of(out / wheel.LIBRARY) == pinned.runtime
    assert tree["sha256"] == pinned.runtime["sha256"]


def test_a_wheel_of_which_only_the_terms_are_installed(
    made: wheel.Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is with one of another architecture: nothing is written into this environment."""
    package = tmp_path / "site" / "onnxruntime"
    (package / "capi").mkdir(parents=True)
    own = {name: data for name, data in CONTENT.items() if "/capi/" not in name}
    own["onnxruntime/capi/libonnxruntime.so.9.9.9"] = b"another library\n"
    for name, data in own.items():
        (tmp_path / "site" / name).write_bytes(data)
        os.utime(tmp_path / "site" / name, (0, 0))
    spec = importlib.util.spec_from_file_location("onnxruntime", package / "__init__.py")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    archive = tmp_path / "wheels" / made.file
    monkeypatch.setattr("bundle.wheel._download", lambda pin, _, into: wheel._unpack(pin, archive, into))
    wheel.fetch(made, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == PLACED
    for name, data in own.items():
        assert (tmp_path / "site" / name).read_bytes() == data
        assert os.stat(tmp_path / "site" / name).st_mtime == 0


def test_a_temporary_folder_that_is_full(
    made: wheel.Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    (tmp_path / "taken").mkdir()
    with pytest.raises(BundleError, match="output_file_unwritable"):
        wheel.take(made, tmp_path / "taken", tmp_path / "wheels")


@pytest.mark.parametrize("word", ["any", "riscv64"])
def test_a_target_without_a_wheel(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runtime", "fetch", "--target", word]) == exits.USAGE
    assert "arm64, x86_64" in capsys.readouterr().err


@pytest.mark.network
@pytest.mark.parametrize("client", ["pip", "uv"])
def test_the_library_of_another_platform_is_fetched(
    client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = next(arch for arch in table("wheels")["wheels"] if arch != host_arch())
    if client == "uv":
        find = importlib.util.find_spec
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pip" else find(name))
    monkeypatch.chdir(tmp_path)
    assert main(["runtime", "fetch", "--target", other]) == exits.OK
    [folder] = [Path(name) for name in os.listdir(tmp_path)]
    assert str(folder / wheel.LIBRARY) in capsys.readouterr().out
    pinned = wheel.pinned(other)
    assert pinned is not None and pins_of(folder / wheel.LIBRARY) == pinned.runtime
    # The doctor knows it for what it is.
    [finding] = [each for each in examine_device(Device(folder / wheel.LIBRARY)) if each.code]
    assert finding.code == "library_architecture"
