"""The command line as a whole: help, exit codes, errors."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from bundle.__main__ import main
from bundle.cli import exits, parser, verify
from bundle.cli.output import columns, size_text
from bundle.error import BundleError
from bundle.spec import table

HEAVY = ("numpy", "onnx", "onnxruntime", "rich")


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bundle", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


def test_help_loads_no_library() -> None:
    program = (
        "import sys\nfrom bundle.__main__ import main\nstatus = main(['--help'])\n"
        f"print(status, [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "0 []\n"
    for code, meaning in exits.MEANINGS.items():
        assert f"{code:<5} {meaning}" in done.stdout


def test_proof_and_prediction_need_numpy_and_onnxruntime_alone(vector, tmp_path: Path) -> None:
    builder = ["onnx", "onnxslim", "rich", "google", "sympy", "jsonschema", "safetensors"]
    inputs = tmp_path / "x.json"
    inputs.write_text('{"x": [[1, 2, 3]]}')
    program = (
        "import sys\n"
        # None in this table makes an import fail as if the module were not installed.
        f"sys.modules.update(dict.fromkeys({builder}))\n"
        "from bundle.__main__ import main\n"
        f"folder = {str(vector('self_test_passes'))!r}\n"
        "assert main(['verify', folder]) == 0\n"
        "assert main(['self-test', folder]) == 0\n"
        f"assert main(['predict', folder, '--input', {str(inputs)!r}, '--batch-size', '1']) == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("module", parser.COMMANDS, ids=lambda module: module.__name__)
def test_every_command_has_an_example_that_parses(module, capsys: pytest.CaptureFixture[str]) -> None:
    name = module.__name__.rpartition(".")[2].replace("_", "-")
    assert main([name, "--help"]) == exits.OK
    shown = capsys.readouterr().out
    assert "exit codes:" in shown
    for example in module.EXAMPLES:
        assert f"python -m bundle {name} {example}" in shown
        assert parser.parse([name, *example.split()]).run is module.run


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert main(["--version"]) == exits.OK
    assert capsys.readouterr().out == f"edgebundle {version('edgebundle')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["bild"],
        ["verify"],
        ["verify", "a", "b"],
        ["verify", "a", "--qick"],
        ["self-test", "a", "--format", "x"],
    ],
)
def test_a_wrong_command_line_is_one_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == exits.USAGE
    captured = capsys.readouterr()
    error, hint = captured.err.splitlines()
    assert error.startswith("error: usage_invalid: ")
    assert hint.startswith("hint: ")
    assert captured.out == ""


def test_a_hint_is_the_same_in_python_as_on_the_command_line(tmp_path: Path, ask) -> None:
    import pickle

    import bundle

    with pytest.raises(BundleError) as caught:
        bundle.open(tmp_path / "absent")
    _, answer = ask("verify", tmp_path / "absent")
    assert caught.value.hint == answer["error"]["hint"] != ""
    assert BundleError("option_invalid", "a", "b", "c").hint == ""
    own = BundleError("bundle_not_found", "a", "b", "c", "look elsewhere")
    assert own.hint == pickle.loads(pickle.dumps(own)).hint == "look elsewhere"
    assert str(BundleError("manifest_malformed", "", "b", "c")) == "manifest_malformed: expected b, found c"


def test_a_provider_that_is_left_out_is_told(vector, tmp_path: Path, capsys, caplog) -> None:
    folder, inputs = str(vector("self_test_passes")), tmp_path / "x.json"
    inputs.write_text('{"x": [[1, 2, 3]]}')
    wanted = ["--provider", "CoreMLExecutionProvider"]
    assert main(["predict", folder, "--input", str(inputs), *wanted]) == exits.OK
    assert capsys.readouterr().err.startswith("note: CoreMLExecutionProvider is left out: not in this ONNX")
    assert [(record.name, record.levelname) for record in caplog.records] == [("bundle", "WARNING")]


@pytest.mark.slow
def test_an_early_interrupt_leaves_no_traceback(vector) -> None:
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "bundle",
        "self-test",
        str(vector("self_test_passes")),
    ]
    attentive = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    for moment in ("bundle.cli.exits", "bundle.cli.build", "numpy"):
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=attentive,  # noqa: PLW1509  no thread is running here
        )
        assert process.stderr
        for line in process.stderr:
            if line.split("|")[-1].strip() == moment:
                break
        process.send_signal(signal.SIGINT)
        shown = process.stderr.read()
        process.stderr.close()
        assert process.wait() in (-signal.SIGINT, exits.INTERRUPTED, exits.OK), shown
        assert "Traceback" not in shown


def test_an_error_is_an_object_for_machines(tmp_path: Path, ask) -> None:
    status, answer = ask("verify", tmp_path / "absent")
    assert status == exits.NO
    assert answer["ok"] is False
    assert answer["error"]["code"] == "bundle_not_found"
    assert set(answer["error"]) == {"code", "subject", "expected", "found", "message", "hint"}


def test_a_usage_error_is_an_object_for_machines(ask) -> None:
    status, answer = ask("verify")
    assert (status, answer["error"]["code"]) == (exits.USAGE, "usage_invalid")


def test_a_traceback_is_shown_where_it_is_asked_for(tmp_path: Path) -> None:
    plain = run("verify", str(tmp_path / "absent"))
    debug = run("--debug", "verify", str(tmp_path / "absent"))
    assert plain.returncode == debug.returncode == exits.NO
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (KeyboardInterrupt(), exits.INTERRUPTED, None),
        (PermissionError(13, "Permission denied", "/x"), exits.NO, "system_error"),
        (OSError(28, "No space left on device"), exits.NO, "system_error"),
        (RuntimeError("first\nsecond"), exits.NO, "internal_error"),
        (BundleError("config_invalid", "/model", "a", "b"), exits.USAGE, "config_invalid"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_nothing_escapes(raised, status, code, monkeypatch, capsys) -> None:
    def fail(arguments) -> int:
        raise raised

    monkeypatch.setattr(verify, "run", fail)
    assert main(["verify", "x"]) == status
    lines = capsys.readouterr().err.splitlines()
    assert not any("Traceback" in line for line in lines)
    if code:
        assert lines[0].startswith(f"error: {code}: ")


def test_a_reader_that_goes_away_is_no_error(vector) -> None:
    command = [sys.executable, "-m", "bundle", "verify", str(vector("self_test_passes"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == exits.PIPE_CLOSED
    process.stderr.close()


@pytest.mark.slow
def test_an_interrupt_from_the_keyboard_ends_quietly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    vector = Path(__file__).parents[2] / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"
    command = [sys.executable, "-m", "bundle", "predict", str(vector), "--input", str(pipe)]
    # A shell's background job hands down an ignored SIGINT, and a CI job may be one.
    attentive = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=attentive,  # noqa: PLW1509  no thread is running here
    )
    assert process.stderr
    # Opening a pipe waits for its other side, so here the program reads its input file.
    with pipe.open("wb"):
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "interrupted\n"
        assert process.wait() == exits.INTERRUPTED
    process.stderr.close()


def test_a_terminal_without_the_characters_is_no_reason_to_fail(tmp_path: Path) -> None:
    done = run(
        "verify",
        str(tmp_path / "gibt-es-nicht-\u00e4\U0001f600"),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == exits.NO
    assert done.stderr.startswith("error: bundle_not_found")


def test_every_code_of_the_command_line_has_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    codes = {entry["code"] for entry in table("errors")["errors"] if entry["stage"] == "cli"}
    assert codes >= exits.USAGE_CODES
    assert sorted(code for code in codes if f'"{code}"' not in tests) == []


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999_999, "999,999 B"), (10**6, "1.0 MB"), (5 * 10**9, "5.0 GB")]
)
def test_sizes_read_well(count: int, text: str) -> None:
    assert size_text(count) == text


def test_columns_line_up() -> None:
    assert columns([("a", "bb"), ("ccc", "d", "e")]) == ["  a    bb", "  ccc  d   e"]
    assert columns([]) == []


def test_json_is_one_line_without_nan(vector, ask) -> None:
    _, answer = ask("verify", vector("self_test_passes"))
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
