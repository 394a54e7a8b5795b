"""The command `bench`: every combination is timed, and the figures fit together; no time is asserted."""

import itertools
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest

from bundle.__main__ import main
from bundle.bench import figures
from bundle.cli import exits
from bundle.parity import LANGUAGES
from bundle.runtimes import cpp, missing

QUICK = ("--runs", 30, "--warmup", 2)
WAYS = ("predict", "bound")
SLEEPING = 0.003

FUNCTIONS = f"""
import time

import numpy as np

calls = []


def sleeping(inputs):
    assert list(inputs) == ["x"] and inputs["x"].dtype == np.float32
    print("asleep")
    time.sleep({SLEEPING})


def failing(inputs):
    raise KeyError("not today")


def failing_later(inputs):
    calls.append(inputs)
    if len(calls) > 5:
        raise ValueError("no more")


number = 3
"""


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the current directory; its name is new, as a module stays imported."""
    name = f"functions_{time.monotonic_ns()}"
    (tmp_path / f"{name}.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    return name


def who(answer: dict[str, Any]) -> list[str]:
    return [row["runtime"] for row in answer["rows"]]


def check_figures(row: dict[str, Any], runs: int) -> None:
    times = row["us"]
    in_order = [times[name] for name in ("min", "p50", "p90", "p95", "p99", "max")]
    assert in_order == sorted(in_order) and in_order[0] > 0
    assert times["min"] <= times["mean"] <= times["max"]
    assert 0 <= times["std"] <= times["max"]
    assert row["calls"] == runs
    assert row["rows_per_second"] * times["mean"] == pytest.approx(row["rows"] * 1e6)
    assert row["cpu_us"] >= 0
    assert row["peak_memory_bytes"] > 0


@pytest.mark.slow
def test_every_combination_is_timed(vector, ask) -> None:
    flags = ["--threads", "1,2", "--batch", "1,5"]
    status, answer = ask("bench", vector("self_test_passes"), *QUICK, *flags)
    assert status == exits.OK
    found = [
        (row["threads_asked"], row["batch_asked"], row["runtime"], row["call"]) for row in answer["rows"]
    ]
    expected = itertools.product((1, 2), (1, 5), (*LANGUAGES, "onnxruntime"), WAYS)
    assert Counter(found) == Counter(expected)
    assert (answer["runs"], answer["warmup"], answer["left_out"], answer["profiles"]) == (30, 2, [], [])
    for row in answer["rows"]:
        check_figures(row, runs=30)
        assert row["rows"] == row["batch_asked"]
        # Lowered where the process may use no more.
        assert 1 <= row["threads"] <= row["threads_asked"]
        if row["runtime"] == "onnxruntime":
            assert row["ratio"] is None
        else:
            assert 0 < row["ratio"]["q1"] <= row["ratio"]["median"] <= row["ratio"]["q3"]


def test_a_function_that_sleeps_is_slower_by_far(vector, ask, functions: str) -> None:
    against = f"{functions}:sleeping"
    status, answer = ask(
        "bench", vector("self_test_passes"), *QUICK, "--against", against, "--runtimes", "python"
    )
    assert status == exits.OK
    assert [(row["runtime"], row["call"]) for row in answer["rows"]] == [
        ("python", "predict"),
        ("python", "bound"),
        (against, "predict"),
    ]
    *own, function = answer["rows"]
    assert function["us"]["min"] >= SLEEPING * 1e6
    assert function["cpu_us"] < function["us"]["mean"]
    assert all(row["ratio"]["median"] < 1 and row["us"]["p50"] < function["us"]["p50"] for row in own)


@pytest.mark.parametrize("name", ["failing", "failing_later", "number", "absent"])
def test_a_function_that_does_not_answer_is_refused(vector, ask, functions: str, name: str) -> None:
    flags = ["--against", f"{functions}:{name}", "--runtimes", "python"]
    status, answer = ask("bench", vector("self_test_passes"), *QUICK, *flags)
    assert (status, answer["error"]["code"]) == (exits.USAGE, "usage_invalid")
    assert answer["error"]["subject"] == "--against"


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--runs", "0"),
        ("--warmup", "-1"),
        ("--batch", "0"),
        ("--batch", "two"),
        ("--threads", "1,1"),
        ("--runtimes", "java"),
        ("--runtimes", "cpp,cpp"),
        ("--against", "nonsense"),
        ("--against", "there_is_no_such_module:f"),
    ],
)
def test_a_wrong_flag_is_named(vector, ask, flag: str, value: str) -> None:
    status, answer = ask("bench", vector("self_test_passes"), "--runtimes", "python", flag, value)
    assert (status, answer["error"]["code"]) == (exits.USAGE, "usage_invalid")
    assert answer["error"]["subject"] == flag


@pytest.mark.parametrize("name", ["string_rows", "batch_of_fixed_size"])
def test_a_batch_without_a_symbol_has_one_size(vector, ask, name: str) -> None:
    flags = ["--runtimes", "python", *QUICK]
    status, answer = ask("bench", vector(name), *flags, "--batch", 4)
    assert (status, answer["error"]["code"]) == (exits.NO, "batch_unsupported")
    assert ask("bench", vector(name), *flags)[0] == exits.OK


def test_a_bundle_without_cases_needs_inputs(vector, ask, tmp_path: Path) -> None:
    flags = [vector("no_golden_case"), *QUICK, "--runtimes", "python"]
    status, answer = ask("bench", *flags)
    assert (status, answer["error"]["code"]) == (exits.NO, "golden_missing")
    (tmp_path / "rows.json").write_text(json.dumps({"x": [[1.0, 2.0, 3.0]] * 4}))
    status, answer = ask("bench", *flags, "--input", tmp_path / "rows.json")
    assert status == exits.OK
    assert {row["rows"] for row in answer["rows"]} == {4}


@pytest.fixture
def without_cpp(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> None:
        raise missing("cpp", ImportError("no such file"))

    monkeypatch.setattr(cpp, "open", absent)


def test_a_missing_binding_is_an_error_where_it_is_named(vector, ask, without_cpp: None) -> None:
    status, answer = ask("bench", vector("self_test_passes"), *QUICK, "--runtimes", "python,cpp")
    assert (status, answer["error"]["code"]) == (exits.NO, "runtime_missing")
    assert "make native" in answer["error"]["hint"]


@pytest.mark.slow
def test_a_missing_binding_is_left_out_where_nobody_named_it(
    vector, capsys: pytest.CaptureFixture[str], without_cpp: None
) -> None:
    command = [
        "bench",
        str(vector("self_test_passes")),
        "--runs",
        "1",
        "--warmup",
        "0",
        "--threads",
        "1,2",
        "--json",
    ]
    assert main(command) == exits.OK
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert answer["left_out"] == ["cpp"]
    assert "cpp" not in who(answer) and {"python", "rust", "go"} < set(who(answer))
    assert "cpp" in shown.err


def test_what_answers_text_has_no_bound_call(vector, ask) -> None:
    status, answer = ask("bench", vector("every_dtype"), *QUICK)
    assert status == exits.OK
    assert who(answer) == [*LANGUAGES, "onnxruntime"]
    assert {row["call"] for row in answer["rows"]} == {"predict"}


def test_the_table_is_for_people(vector, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", str(vector("self_test_passes")), "--runs", "3", "--runtimes", "python", "--profile"]
    assert main(command) == exits.OK
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    [head] = [line for line in lines if line.split()[:2] == ["runtime", "call"]]
    [row] = [line for line in lines if line.split()[:2] == ["onnxruntime", "bound"]]
    assert {*figures.STATISTICS, "rows/s", "memory", "ratio"} < set(head.split())
    # Numbers end where their names do.
    assert head.index(" mean") + len(" mean") == row.index(row.split()[2]) + len(row.split()[2])
    assert any(line.split()[:2] == ["operator", "share"] for line in lines)
    assert shown.err == ""


@pytest.mark.slow
def test_the_profile_names_the_nodes_of_the_file(digits: Path, ask, tmp_path: Path) -> None:
    golden = digits.with_name("golden.npz")
    flags = ["--target", "any", "--name", "digits", "--version", "1.0.0", "--golden", golden]
    assert ask("build", digits, *flags, "--output", tmp_path)[0] == exits.OK
    flags = ["--runtimes", "python", "--profile", "--option", "graph_optimization_level=disabled"]
    status, answer = ask("bench", tmp_path / "digits-1.0.0-any", *QUICK, *flags, "--batch", "1,2")
    assert status == exits.OK
    model = onnx.load(tmp_path / "digits-1.0.0-any" / "models" / "source.onnx")
    nodes = {node.name: node.op_type for node in model.graph.node}
    assert [found["rows"] for found in answer["profiles"]] == [1, 2]
    for found in answer["profiles"]:
        assert found["runs"] == 30
        assert len(found["nodes"]) == min(len(nodes), 10)
        assert all(nodes[cost["name"]] == cost["operator"] for cost in found["nodes"])
        assert {cost["calls"] for cost in found["nodes"]} == {30}
        assert {cost["name"] for cost in found["operators"]} == set(nodes.values())
        for costs in (found["nodes"], found["operators"]):
            shares = [cost["share"] for cost in costs]
            assert shares == sorted(shares, reverse=True)
        assert sum(cost["share"] for cost in found["operators"]) == pytest.approx(1)
