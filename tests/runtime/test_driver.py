"""The program `bundle-predict`."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bundle import driver
from bundle.protocol import Driver
from bundle.spec import table
from tests.runtime.make_bundle import Maker
from tests.vectors.bases import scale
from tests.vectors.kit import grid


def ask(program: Driver, **request: object) -> dict:
    return program.answer(json.dumps(request).encode())


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    status = driver.main(arguments)
    return status, json.loads(capsys.readouterr().out)


def test_it_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    status, reply = run(capsys, "--describe")
    assert status == 0
    assert reply["language"] == "python"
    assert reply["format_versions"] == [1]
    rows = {row["code"]: row for row in table("errors")["errors"]}
    assert set(reply["codes"]) <= set(rows)
    assert reply["codes"] == sorted(reply["codes"])
    stages = {rows[code]["stage"] for code in reply["codes"]}
    assert stages == {"manifest", "open", "library", "predict", "update", "cli"}
    assert "library_conflict" not in reply["codes"], "a code of other languages"


@pytest.mark.parametrize(
    ("line", "subject"),
    [
        (b"", "."),
        (b"[1]", "."),
        (b"\xff", "."),
        (b"[" * 100_000, "."),
        (b'{"op": 3}', "."),
        (b"{}", "."),
        (b'{"op": "dance"}', "dance"),
        (b'{"op": "open", "handle": 3}', "open"),
        (b'{"op": "parse", "manifest": "zz"}', "parse"),
        (b'{"op": "predict", "handle": "h"}', "h"),
    ],
)
def test_lines_that_are_no_requests(line: bytes, subject: str) -> None:
    reply = Driver().answer(line)
    assert (reply["ok"], reply["error"]["code"], reply["error"]["subject"]) == (
        False,
        "usage_invalid",
        subject,
    )


@pytest.mark.parametrize(
    "tensor",
    [
        3,
        {"dtype": "float23", "shape": [1], "data": ""},
        {"dtype": "float32", "shape": [-1], "data": ""},
        {"dtype": "float32", "shape": [10**18], "data": ""},
        {"dtype": "float32", "shape": [1], "data": "00"},
        {"dtype": "float32", "shape": [1], "data": "0000000g"},
        {"dtype": "float32", "shape": [1], "data": ["00"]},
        {"dtype": "float32", "shape": [1], "data": "00000000", "offset": 16},
        {"dtype": "string", "shape": [10**18], "data": []},
        {"dtype": "string", "shape": [1], "data": [3]},
    ],
)
def test_tensors_that_are_none(place: Maker, tensor: object) -> None:
    program = Driver()
    assert ask(program, op="open", bundle=str(place(scale())), handle="h")["ok"]
    reply = ask(program, op="predict", handle="h", inputs={"x": tensor})
    assert (reply["error"]["code"], reply["error"]["subject"]) == ("usage_invalid", "predict")


def test_handles(place: Maker) -> None:
    program, folder = Driver(), str(place(scale()))
    tensor = {"dtype": "float32", "shape": [1, 3], "data": grid(1, 3).tobytes().hex()}
    request = {"op": "predict", "handle": "h", "inputs": {"x": tensor}, "id": [None]}
    assert ask(program, op="open", bundle=folder, handle="h", id=1)["id"] == 1
    first = ask(program, **request)
    assert first["id"] == [None]
    assert bytes.fromhex(first["outputs"]["y"]["data"]) == np.array([-3, -1, 1], np.float32).tobytes()
    failed = ask(program, op="open", bundle=folder, handle="h", options={"variant": None})
    assert (failed["error"]["code"], failed["error"]["subject"]) == ("option_invalid", "variant")
    assert ask(program, **request)["error"]["code"] == "predictor_closed"
    failed = ask(program, op="open", bundle=folder, handle="new", options={"digest": None})
    assert failed["error"]["subject"] == "digest"
    assert ask(program, op="close", handle="new")["error"]["code"] == "usage_invalid"
    assert ask(program, op="close", handle="h")["ok"]


def test_a_person_asks_once(place: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(place(scale()))
    file = tmp_path / "x.json"
    file.write_text('{"x": [[1, 2, 3]]}')
    assert run(capsys, folder, "--input", str(file)) == (0, {"y": [[3, 5, 7]]})
    status, reply = run(capsys, folder, "--input", str(file), "--options", '{"variant": "int4"}')
    assert (status, reply["error"]["code"]) == (1, "variant_unknown")
    status, reply = run(capsys, folder, "--input", str(tmp_path / "none.json"))
    assert (status, reply["error"]["code"]) == (1, "usage_invalid")
    status, reply = run(capsys, folder, "--input", str(file), "--options", "[]")
    assert (status, reply["error"]["subject"]) == (1, "--options")


def test_a_self_test_from_the_command_line(place: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    status, reply = run(capsys, "--self-test", str(place(scale())))
    assert (status, reply["ok"], reply["passed"]) == (0, True, True)
    made = scale()
    made.golden_case("changed", {"x": grid(1, 3)}, source={"y": grid(1, 3)})
    status, reply = run(capsys, "--self-test", str(place(made)))
    assert (status, reply["ok"], reply["passed"]) == (1, True, False)
    status, reply = run(capsys, "--self-test", "nowhere")
    assert (status, reply["error"]["code"]) == (1, "bundle_not_found")


def test_other_arguments_get_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert driver.main(["--help"]) == 0
    assert "--describe" in capsys.readouterr().out
    assert driver.main(["--frobnicate"]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: usage_invalid: `--frobnicate`: ") and shown.out == ""
    assert driver.main(["--self-test", "nowhere"]) == 1
    assert capsys.readouterr().err.startswith("hint: name the folder that holds bundle.json")
    assert driver.main(["--frobnicate"]) == 2
    assert "--describe" in capsys.readouterr().err


def test_the_program_ends_with_its_input() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "bundle.driver"], input=b'{"op":"?","id":7}\n', capture_output=True, check=True
    )
    assert json.loads(ended.stdout)["id"] == 7
    assert io.BytesIO(ended.stdout).readlines() == [ended.stdout]
