"""The command `parity`: what it asks, what it says, and that it sees each kind of difference."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.__main__ import main
from bundle.bundle import Bundle
from bundle.cli import exits
from bundle.error import BundleError
from bundle.parity import LANGUAGES, programs
from bundle.parity.cases import random_cases
from bundle.parity.client import Client
from bundle.parity.matrix import Rules, matrix

FAKE = Path(__file__).parent / "fake_driver.py"
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """An executable that starts the fake driver with a fault."""

    def write(fault: str) -> Path:
        path = tmp_path / f"driver-{fault}"
        words = [sys.executable, str(FAKE), fault]
        path.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
        path.chmod(0o755)
        return path

    return write


def cells(tree: dict[str, Any], language: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["case"], row["output"]): row["cells"][language] for row in tree["rows"]}


def test_all_languages_are_identical_on_the_golden_cases(vector: Callable[[str], Path], ask: Ask) -> None:
    status, tree = ask("parity", vector("self_test_passes"))
    assert status == exits.OK and tree["ok"]
    assert tree["runtimes"] == list(LANGUAGES)
    texts = {cell["text"] for row in tree["rows"] for cell in row["cells"].values()}
    assert texts == {"identical"}
    assert len(tree["rows"]) > 1


def test_the_matrix_for_people_has_a_column_for_each_runtime(
    vector: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["parity", str(vector("self_test_passes"))]) == exits.OK
    header, columns, *rows, verdict = capsys.readouterr().out.splitlines()
    assert "4 runtimes" in header and verdict == "parity holds"
    assert columns.split() == ["case", "output", *LANGUAGES]
    assert all(row.split()[2:] == ["identical"] * 4 for row in rows)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("last_bit", "first outside at [0, 0]: "),
        ("nan", "first outside at [0, 0]: nan instead of "),
        ("drop", "outputs [] instead of "),
        ("refuse", "runtime_failure `.` instead of an answer"),
        ("session", "session {"),
    ],
)
def test_a_difference_is_told_and_exits_with_1(
    fault: str, text: str, vector: Callable[[str], Path], program: Callable[[str], Path], ask: Ask
) -> None:
    given = ["--runtimes", "python,go", "--driver", f"go={program(fault)}"]
    status, tree = ask("parity", vector("self_test_passes"), *given)
    assert status == exits.NO
    assert tree["error"]["code"] == "parity_failed"
    wrong = [cell for cell in cells(tree, "go").values() if not cell["same"]]
    assert wrong and wrong[0]["text"].startswith(text), wrong
    assert all(cell["same"] for cell in cells(tree, "python").values())


def test_a_last_bit_is_one_ulp_at_its_place(
    vector: Callable[[str], Path], program: Callable[[str], Path], ask: Ask
) -> None:
    given = ["--runtimes", "python,cpp", "--driver", f"cpp={program('last_bit')}"]
    _, tree = ask("parity", vector("self_test_passes"), *given)
    wrong = next(cell for cell in cells(tree, "cpp").values() if not cell["same"])
    assert wrong["ulp"] == 1 and wrong["flips"] == 0 and wrong["index"][0] == 0
    assert wrong["found"] != wrong["expected"]


def test_behind_a_runner_the_tolerance_counts_and_natives_are_compared_by_bytes(
    vector: Callable[[str], Path], program: Callable[[str], Path], ask: Ask
) -> None:
    near, exact = program("last_bit"), program("none")
    bundle = vector("self_test_close")
    given = ["--runner", "env", "--driver", f"go={near}", "--driver", f"cpp={near}"]
    status, tree = ask("parity", bundle, "--runtimes", "python,go,cpp", *given)
    assert status == exits.OK
    assert any(cell["text"].startswith("within `close`") for cell in cells(tree, "go").values())
    given = ["--runner", "env", "--driver", f"go={near}", "--driver", f"cpp={exact}"]
    status, tree = ask("parity", bundle, "--runtimes", "python,go,cpp", *given)
    assert status == exits.NO
    assert not all(cell["same"] for cell in cells(tree, "cpp").values())


def test_a_program_that_ends_is_an_error(
    vector: Callable[[str], Path], program: Callable[[str], Path], ask: Ask
) -> None:
    given = ["--runtimes", "go", "--driver", f"go={program('die')}"]
    status, tree = ask("parity", vector("self_test_passes"), *given)
    assert status == exits.NO
    assert (tree["error"]["code"], tree["error"]["subject"]) == ("runtime_crashed", "go")
    assert "exit code 3" in tree["error"]["found"]


def test_a_program_that_is_silent_is_an_error_after_its_time(program: Callable[[str], Path]) -> None:
    with Client("go", [str(program("silent"))], timeout=2.0) as client, pytest.raises(BundleError) as caught:
        client.ask({"op": "close", "handle": "h"})
    assert caught.value.code == "runtime_crashed" and "within 2 seconds" in caught.value.found


def test_a_missing_program_names_what_builds_it(
    vector: Callable[[str], Path], ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(programs.VARIABLE, f"rust={tmp_path / 'nothing'}")
    status, tree = ask("parity", vector("self_test_passes"))
    assert status == exits.NO
    assert (tree["error"]["code"], tree["error"]["subject"]) == ("runtime_missing", "rust")
    assert "make native" in tree["error"]["hint"]


def test_programs_of_the_environment_are_taken(
    vector: Callable[[str], Path],
    program: Callable[[str], Path],
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(programs.VARIABLE, f"go={program('none')}:cpp={program('last_bit')}")
    assert ask("parity", vector("self_test_passes"), "--runtimes", "python,go")[0] == exits.OK
    assert ask("parity", vector("self_test_passes"), "--runtimes", "python,cpp")[0] == exits.NO


@pytest.mark.parametrize(
    "arguments",
    [
        ["--runtimes", "python,perl"],
        ["--runtimes", "python,python"],
        ["--runtimes", ","],
        ["--random", "0"],
        ["--driver", "go"],
        ["--random", "1", "--inputs", "x.npz"],
    ],
)
def test_a_wrong_command_line_is_refused(
    arguments: list[str], vector: Callable[[str], Path], ask: Ask
) -> None:
    status, tree = ask("parity", vector("self_test_passes"), *arguments)
    assert status == exits.USAGE and tree["error"]["code"] == "usage_invalid"


def test_inputs_of_a_file_are_asked(vector: Callable[[str], Path], ask: Ask, tmp_path: Path) -> None:
    bundle = vector("self_test_passes")
    [port] = Bundle.open(bundle).manifest.inputs
    shape = [size if isinstance(size, int) else 2 for size in port.shape]
    stacked, alone = tmp_path / "stacked.npz", tmp_path / "alone.npz"
    np.savez(stacked, **{f"inputs/{port.name}": np.ones((3, *shape), np.float32), "labels": np.arange(3)})
    np.savez(alone, **{port.name: np.ones(shape, np.float32)})
    for file, names in ((stacked, {"given-0", "given-1", "given-2"}), (alone, {"given"})):
        status, tree = ask("parity", bundle, "--inputs", file, "--runtimes", "python")
        assert status == exits.OK
        assert {row["case"] for row in tree["rows"]} == {"open", *names}


def test_inputs_that_all_refuse_alike_are_parity(
    vector: Callable[[str], Path], ask: Ask, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.npz"
    np.savez(file, nothing=np.ones(3, np.float32))
    status, tree = ask("parity", vector("self_test_passes"), "--inputs", file)
    assert status == exits.OK
    assert cells(tree, "rust")["given", "."]["text"] == "input_unknown `nothing`"


def test_made_up_cases_are_the_same_for_the_same_seed(vector: Callable[[str], Path]) -> None:
    bundle = Bundle.open(vector("every_dtype"))
    variant = bundle.manifest.default_variant
    first, again, other = (random_cases(bundle, variant, 3, seed) for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        assert all(np.array_equal(one.inputs[name], two.inputs[name]) for name in one.inputs)
    pairs = [(a.inputs[name], b.inputs[name]) for a, b in zip(first, other, strict=True) for name in a.inputs]
    assert any(not np.array_equal(one, two) for one, two in pairs)


@pytest.mark.parametrize("name", ["every_dtype", "string_rows", "batch_along_other_axes", "no_golden_case"])
def test_made_up_cases_are_answered_alike(name: str, vector: Callable[[str], Path], ask: Ask) -> None:
    status, tree = ask("parity", vector(name), "--random", "4")
    assert status == exits.OK
    assert {row["case"] for row in tree["rows"]} == {"open", *(f"random-{index}" for index in range(4))}


def test_bits_of_a_nan_count() -> None:
    outputs = {
        name: {"ok": True, "outputs": {"y": {"dtype": "float32", "shape": [1], "data": data}}}
        for name, data in {"rust": "0000c07f", "go": "0100c07f"}.items()
    }
    opened = {"ok": True, "variant": "source"}
    rows = matrix(["one"], {name: [opened, reply] for name, reply in outputs.items()}, Rules((), ()))
    assert [row.same for row in rows] == [True, False]
