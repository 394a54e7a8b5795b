"""The command `runtime fetch` with a folder of wheels, which needs no network."""

from pathlib import Path

import pytest

from bundle import wheel
from bundle.cli import exits


def test_a_folder_without_the_wheel(ask, tmp_path: Path) -> None:
    status, tree = ask(
        "runtime", "fetch", "--target", "arm64", "--from", tmp_path, "--output", tmp_path / "out"
    )
    assert (status, tree["error"]["code"]) == (exits.NO, "wheel_unavailable")
    assert tree["error"]["subject"] == wheel.pinned("arm64").file
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["arm64", "x86_64:avx2"])
def test_another_file_of_that_name(target: str, ask, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = wheel.pinned(target.partition(":")[0])
    Path(known.file).write_bytes(b"PK")
    status, tree = ask("runtime", "fetch", "--target", target, "--from", tmp_path)
    assert (status, tree["error"]["code"], tree["error"]["subject"]) == (
        exits.NO,
        "wheel_mismatch",
        known.file,
    )
    assert [path.name for path in tmp_path.iterdir()] == [known.file]


def test_a_target_that_has_no_wheel(ask) -> None:
    status, tree = ask("runtime", "fetch", "--target", "any")
    assert (status, tree["error"]["code"]) == (exits.USAGE, "usage_invalid")
