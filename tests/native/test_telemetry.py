"""Telemetry is off before a library is loaded, and what cannot be loaded is told, never crashed on."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.native.programs import PROGRAMS, ROOT, answers, environment, onnxruntime_library, passed

BUNDLE = ROOT / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"
SOURCE = Path(__file__).with_name("fake_onnxruntime.c")
FOREIGN = ROOT / "build" / "arm64" / "site" / "onnxruntime" / "capi"
Maker = Callable[[Path], Path]

pytestmark = pytest.mark.parametrize("language", PROGRAMS)


def compile_fake(folder: Path, base: str = "&old", name: str = "libonnxruntime.so.1") -> Path:
    library = folder / name
    passed(["cc", "-shared", "-fPIC", "-Wall", "-Werror", f"-DBASE={base}", SOURCE, "-o", library])
    return library


def open_with(library: Path | str | None, **options: Any) -> dict[str, Any]:
    named = {} if library is None else {"library": str(library)}
    return {"op": "open", "bundle": str(BUNDLE), "handle": "h", "options": {**named, **options}}


def refusal(reply: dict[str, Any]) -> tuple[str, str]:
    assert reply["ok"] is False, reply
    return reply["error"]["code"], reply["error"]["subject"]


@pytest.mark.parametrize("before", [None, "0", ""], ids=["unset", "zero", "empty"])
@pytest.mark.parametrize("place", ["option", "variable"])
def test_telemetry_is_off_before_a_library_is_loaded(
    language: str, place: str, before: str | None, tmp_path: Path
) -> None:
    fake, record = compile_fake(tmp_path), tmp_path / "record"
    named = str(fake) if place == "variable" else None
    variables = environment(ORT_DYLIB_PATH=named, ORT_DISABLE_TELEMETRY=before, FAKE_RECORD=str(record))
    request = open_with(fake if place == "option" else None)
    [reply] = answers(PROGRAMS[language], [request], variables)
    assert record.read_text("ascii") == "1"
    assert refusal(reply) == ("library_too_old", ".")


def test_a_library_without_any_api_is_refused(language: str, tmp_path: Path) -> None:
    [reply] = answers(PROGRAMS[language], [open_with(compile_fake(tmp_path, "NULL"))], environment())
    assert refusal(reply) == ("library_malformed", ".")


def test_a_library_that_ran_with_telemetry_is_refused(language: str, tmp_path: Path) -> None:
    fake = compile_fake(tmp_path)
    variables = environment(ORT_DISABLE_TELEMETRY=None, LD_PRELOAD=str(fake))
    requests = [open_with(fake), open_with(fake, allow_telemetry=True)]
    first, second = answers(PROGRAMS[language], requests, variables)
    assert refusal(first) == ("telemetry_active", ".")
    assert refusal(second) == ("library_too_old", ".")


def truncated(folder: Path) -> Path:
    whole = onnxruntime_library().read_bytes()
    path = folder / "libonnxruntime.so.1"
    path.write_bytes(whole[: len(whole) // 2])
    return path


def cut_by_a_byte(folder: Path) -> Path:
    path = folder / "libonnxruntime.so.1"
    path.write_bytes(onnxruntime_library().read_bytes()[:-1])
    return path


def text(folder: Path) -> Path:
    path = folder / "libonnxruntime.so.1"
    path.write_text("not a library\n", "utf-8")
    return path


def empty(folder: Path) -> Path:
    path = folder / "libonnxruntime.so.1"
    path.touch()
    return path


def other_library(folder: Path) -> Path:
    source, path = folder / "other.c", folder / "libonnxruntime.so.1"
    source.write_text("int other(void) { return 1; }\n", "ascii")
    passed(["cc", "-shared", "-fPIC", source, "-o", path])
    return path


def foreign(folder: Path) -> Path:
    [library] = FOREIGN.glob("libonnxruntime.so.*")
    return library


def missing(folder: Path) -> Path:
    return folder / "libonnxruntime.so.1"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (truncated, "library_malformed"),
        (cut_by_a_byte, "library_malformed"),
        (text, "library_malformed"),
        (empty, "library_malformed"),
        (other_library, "library_malformed"),
        (foreign, "library_architecture"),
        (missing, "library_not_found"),
    ],
)
@pytest.mark.parametrize("place", ["option", "variable"])
def test_a_file_that_is_no_library_for_here_is_refused(
    language: str, place: str, make: Maker, code: str, tmp_path: Path
) -> None:
    library = make(tmp_path)
    variables = environment(ORT_DYLIB_PATH=str(library) if place == "variable" else None)
    requests = [
        open_with(library if place == "option" else None),
        # What failed leaves nothing behind: the right library still loads.
        open_with(onnxruntime_library()),
    ]
    first, second = answers(PROGRAMS[language], requests, variables)
    assert refusal(first) == (code, ".")
    assert code != "library_not_found" or str(library) in first["error"]["message"]
    assert second["ok"], second


def test_the_failure_to_find_a_library_names_every_place(language: str) -> None:
    variables = environment(ORT_DYLIB_PATH=None, LD_LIBRARY_PATH=None)
    [reply] = answers(PROGRAMS[language], [open_with(None)], variables)
    assert refusal(reply) == ("library_not_found", ".")
    places = ("library", "ORT_DYLIB_PATH", "libonnxruntime.so.1", "libonnxruntime.so")
    said = " ".join(str(reply["error"][part]) for part in ("expected", "found", "message"))
    assert [place for place in places if place not in said] == []


def test_the_systems_loader_is_asked_when_nothing_is_named(language: str, tmp_path: Path) -> None:
    (tmp_path / "libonnxruntime.so").symlink_to(onnxruntime_library())
    variables = environment(ORT_DYLIB_PATH="", LD_LIBRARY_PATH=str(tmp_path))
    [reply] = answers(PROGRAMS[language], [open_with(None)], variables)
    assert reply["ok"], reply


def test_a_relative_path_is_made_absolute(language: str, tmp_path: Path) -> None:
    (tmp_path / "here.so").symlink_to(onnxruntime_library())
    variables = environment(ORT_DYLIB_PATH=None)
    [reply] = answers(PROGRAMS[language], [open_with("here.so")], variables, tmp_path)
    assert reply["ok"], reply


def test_a_second_library_is_refused_when_it_differs(language: str, tmp_path: Path) -> None:
    same, other = tmp_path / "libsame.so", tmp_path / "libother.so"
    shutil.copy(onnxruntime_library(), same)
    # Bytes after the last section change the digest and nothing else.
    other.write_bytes(same.read_bytes() + b"\0")
    requests = [open_with(onnxruntime_library()), open_with(same), open_with(other), open_with(None)]
    replies = answers(PROGRAMS[language], requests, environment())
    assert [reply["ok"] for reply in replies] == [True, True, False, True], replies
    assert refusal(replies[2]) == ("library_conflict", ".")
