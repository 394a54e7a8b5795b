"""The command `report`: what a build measured, as a table, as JSON and as a page."""

import copy
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.__main__ import main
from bundle.builder import html, report_file
from bundle.builder.html import render
from bundle.builder.report import plain
from bundle.cli import exits, extra
from bundle.error import BundleError
from bundle.spec import table
from tests.build import make_reports as make

PAGE = "page.html"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a report."""
    path = tmp_path / "bundle"
    put(path, make.report())
    return path


def put(folder: Path, report: Any) -> None:
    (folder / "attest").mkdir(parents=True, exist_ok=True)
    text = report if isinstance(report, str) else json.dumps(report)
    (folder / report_file.NAME).write_text(text, "utf-8", errors="surrogatepass")


def test_the_same_table_as_after_the_build(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder)]) == exits.OK
    shown = capsys.readouterr().out
    for word in (
        "page-orientation 2.1.0 for arm64-dotprod",
        "112 of 341 nodes",
        "int8-static.ort",
        make.DIGEST,
    ):
        assert word in shown
    assert f"self-test {folder}" in shown


def test_as_json(folder: Path, ask) -> None:
    report = plain(make.failed())
    put(folder, report)
    status, answer = ask("report", folder)
    assert (status, answer) == (exits.OK, {"ok": True, "report": {**report, "path": str(folder)}})
    assert report_file.read(folder)["verify"][1]["worst_error"] == math.inf


def test_a_page(folder: Path, tmp_path: Path, ask, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / PAGE
    assert ask("report", folder, "--html", page) == (exits.OK, {"ok": True, "path": str(page)})
    assert page.read_text("utf-8") == render(make.report())
    put(folder, make.report(name="newer"))
    assert main(["report", str(folder), "--html", str(page)]) == exits.OK
    assert capsys.readouterr().out == f"wrote {page}\n"
    assert "<h1>newer" in page.read_text("utf-8")
    assert sorted(os.listdir(tmp_path)) == ["bundle", PAGE]


def test_a_page_replaces_nothing_but_a_page(folder: Path, tmp_path: Path, ask) -> None:
    thesis, link = tmp_path / "thesis.html", tmp_path / "link.html"
    thesis.write_text("<p>mine</p>")
    link.symlink_to(thesis)
    for path in (thesis, link, tmp_path, tmp_path / "absent" / PAGE, Path("/dev/null")):
        status, answer = ask("report", folder, "--html", path)
        assert (status, answer["error"]["code"]) == (exits.NO, "output_file_unwritable"), path
        assert answer["error"]["subject"] == str(path)
    assert ask("report", folder, "--html", "")[1]["error"]["code"] == "output_file_unwritable"
    assert thesis.read_text() == "<p>mine</p>"
    assert link.is_symlink()


def test_a_full_disk_leaves_the_older_page(
    folder: Path, tmp_path: Path, ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / PAGE
    assert ask("report", folder, "--html", page)[0] == exits.OK
    before = page.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    status, answer = ask("report", folder, "--html", page)
    assert (status, answer["error"]["code"]) == (exits.NO, "output_file_unwritable")
    assert "No space left" in answer["error"]["found"]
    assert page.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["bundle", PAGE]


def test_no_report(tmp_path: Path, vector, ask) -> None:
    status, answer = ask("report", vector("self_test_passes"))
    assert (status, answer["error"]["code"]) == (exits.NO, "file_missing")
    assert (answer["error"]["subject"], "attest/" in answer["error"]["hint"]) == (report_file.NAME, True)
    assert ask("report", tmp_path / "absent")[1]["error"]["code"] == "bundle_not_found"
    (tmp_path / "attest").mkdir()
    os.mkfifo(tmp_path / report_file.NAME)
    assert ask("report", tmp_path)[1]["error"]["code"] == "file_not_regular"


def test_a_report_about_another_bundle_is_refused(folder: Path, ask) -> None:
    manifest = b"{}"
    (folder / "bundle.json").write_bytes(manifest)
    status, answer = ask("report", folder)
    assert (status, answer["error"]["code"]) == (exits.NO, "bundle_digest_mismatch")
    put(folder, make.report(digest=hashlib.sha256(manifest).hexdigest()))
    assert ask("report", folder)[0] == exits.OK


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in make.report().items() if name != key}


def with_row(**said: Any) -> dict[str, Any]:
    return make.report(stages=[make.stage("check", **said)])


@pytest.mark.parametrize(
    ("report", "pointer", "words"),
    [
        ("", "", "Expecting value"),
        ('{"name": "cut', "", "Unterminated"),
        ("\ud800", "", "invalid UTF-8 at byte 0"),
        ("[" * 200_000, "", "without an end"),
        ('{"a": NaN}', "", "NaN"),
        ('{"a": 1e999}', "", "1e999"),
        (f'{{"a": {"9" * 5000}}}', "", "9999"),
        ([], "", "an array"),
        (without("verify"), "#/verify", "nothing"),
        (make.report(name=3), "#/name", "`3`"),
        (make.report(digest="0" * 63), "#/digest", "000"),
        (make.report(advice="one"), "#/advice", "`"),
        (make.report(advice=[{}]), "#/advice/0", "an object"),
        (with_row(outcome="perhaps"), "#/stages/0/outcome", "perhaps"),
        (with_row(bytes=-1), "#/stages/0/bytes", "-1"),
        (with_row(bytes=1.5), "#/stages/0/bytes", "1.5"),
        (with_row(flips=True), "#/stages/0/flips", "true"),
        (with_row(accuracy=1.5), "#/stages/0/accuracy", "1.5"),
        (with_row(worst_error="large"), "#/stages/0/worst_error", "large"),
        (with_row(worst_error="x" * 999), "#/stages/0/worst_error", "..."),
    ],
    ids=range(20),
)
def test_a_malformed_report_is_refused_where_it_is_wrong(
    folder: Path, report: Any, pointer: str, words: str, ask
) -> None:
    put(folder, report)
    status, answer = ask("report", folder)
    error = answer["error"]
    assert (status, error["code"]) == (exits.NO, "report_malformed")
    assert error["subject"] == report_file.NAME + pointer
    assert words in error["found"]
    assert len(error["message"]) < 400


def places(node: Any, path: tuple = ()) -> list[tuple]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


PLACES = [place for place in places(make.report()) if place]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: not value.is_integer()),
    st.sampled_from(["infinity", "onnx", "kept", "", make.DIGEST, [], {}, [1], {"a": 1}]),
)


@settings(deadline=None)
@given(place=st.sampled_from(PLACES), value=VALUES, drop=st.booleans())
def test_a_report_is_taken_where_a_validator_takes_it(place: tuple, value: Any, drop: bool) -> None:
    tree = make.report()
    parent = tree
    for key in place[:-1]:
        parent = parent[key]
    if drop and isinstance(parent, dict):
        del parent[place[-1]]
    else:
        parent[place[-1]] = copy.deepcopy(value)
    schema = table("report.schema")
    taken = jsonschema.Draft202012Validator(schema).is_valid(tree)
    try:
        report_file.check(tree, schema)
    except BundleError:
        assert not taken
    else:
        assert taken
        assert render({**tree, "path": ""})


def test_the_schema_says_nothing_that_is_not_checked() -> None:
    def words(schema: Any, names: bool = False) -> set[str]:
        if isinstance(schema, list):
            return set().union(*(words(part) for part in schema))
        if not isinstance(schema, dict):
            return set()
        found = set() if names else set(schema)
        inner = ("properties", "$defs")
        return found.union(*(words(part, not names and key in inner) for key, part in schema.items()))

    assert words(table("report.schema")) <= report_file.WORDS | report_file.SILENT


def test_without_the_libraries(folder: Path, tmp_path: Path, ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra.importlib.util, "find_spec", lambda name: None)
    assert main(["report", str(folder)]) == exits.NO
    status, answer = ask("report", folder, "--html", tmp_path / PAGE)
    assert (status, answer["error"]["code"]) == (exits.NO, "extra_missing")
    assert "edgebundle[report]" in answer["error"]["hint"]
    assert not (tmp_path / PAGE).exists()
    assert ask("report", folder)[0] == exits.OK


def test_the_mark_of_a_page_stands_where_it_is_looked_for() -> None:
    assert html.MARK in render(make.empty()).encode()[:256]
