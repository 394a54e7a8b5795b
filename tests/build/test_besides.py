"""What a build writes besides the bundle: one file to ship, and a page to look at."""

import tarfile
from pathlib import Path

from bundle.builder import build
from bundle.builder.html import MARK
from tests.build.projects import project

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"


def test_the_archive_and_the_page_are_about_the_bundle(tmp_path: Path) -> None:
    besides = {"targets": ["any"], "output": str(tmp_path), "archive": True, "html": True}
    [result] = build(project(DIGITS, tmp_path, build=besides))
    assert result.archive == tmp_path / f"{result.path.name}.bundle"
    with tarfile.open(result.archive) as archive:
        names = archive.getnames()
    assert names[0] == "bundle.json"
    assert not any(name.startswith("attest") for name in names)
    page = (result.path / "attest" / "report.html").read_bytes()
    assert MARK in page and result.digest.encode() in page
    # Somebody will look at the latency of a single file, too.
    assert result.report["verify"][0]["latency_us"] > 0


def test_neither_is_written_unasked(tmp_path: Path) -> None:
    [result] = build(project(DIGITS, tmp_path, "any"))
    assert result.archive is None
    assert [path.name for path in tmp_path.iterdir()] == [result.path.name]
    assert not (result.path / "attest" / "report.html").exists()
