"""The command `build`: what it prints, how it ends. The build itself is tested in tests/build."""

import io
import json
import math
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import bundle.builder
from bundle.__main__ import main
from bundle.builder import BuildResult
from bundle.builder.report import INFINITE, Report, encode, plain
from bundle.builder.table import file_cells, print_report, stage_cells
from bundle.cli import exits, extra, progress
from bundle.spec import table

DIGEST = "0123456789abcdef" * 4


def stage(name: str, **changes) -> dict:
    row = {
        "stage": name,
        "variant": "source",
        "outcome": "kept",
        "reason": "",
        "detail": "",
        "bytes": 605980,
        "worst_error": 0.0,
        "flips": 0,
        "near_ties": 0,
        "accuracy": 0.975,
    }
    return row | changes


@pytest.fixture
def report(tmp_path: Path) -> Report:
    missing = dict.fromkeys(("bytes", "worst_error", "flips", "near_ties", "accuracy"))
    untimed = {"latency_us": None, "latency_ratio": None, "latency_on": ""}
    verify = {"variant": "source", "flips": 0, "accuracy": None, "bytes": 612416, **untimed}
    return {
        "name": "digits",
        "version": "1.0.0",
        "target": "arm64",
        "digest": DIGEST,
        "path": str(tmp_path / "bundles" / "with a space"),
        "stages": [
            stage("check", detail="opset 7 became 18"),
            stage("slim", outcome="skipped", reason="over_budget", **missing),
            stage("convert", worst_error=1.21e-6, near_ties=2),
        ],
        "verify": [
            {**verify, "format": "onnx", "ran_on": "host", "worst_error": math.inf, "passed": False},
            {**verify, "format": "ort", "ran_on": "not run", "worst_error": None, "passed": False},
            {**verify, "format": "ort", "ran_on": "target (qemu)", "worst_error": 0.0, "passed": True},
        ],
        "advice": ["the batch is fixed to 1 [export again with a symbol], gr\u00f6\u00dfer"],
    }


def test_the_cells_of_the_table(report: Report) -> None:
    assert stage_cells(report) == [
        ("check", "kept: opset 7 became 18", "605,980", "0", "0", "97.50 %"),
        ("slim", "skipped: over budget", "-", "-", "-", "-"),
        ("convert", "kept", "605,980", "1.2e-06", "0 (and 2 near ties)", "97.50 %"),
    ]
    assert [cells[:5] for cells in file_cells(report)] == [
        ("source.onnx", "host", "failed", "612,416", "not comparable"),
        ("source.ort", "not run", "not run", "612,416", "-"),
        ("source.ort", "target (qemu)", "passed", "612,416", "0"),
    ]
    report["verify"][0] |= {"latency_us": 24.0, "latency_ratio": 1.0, "latency_on": "host"}
    report["verify"][1] |= {"latency_us": 2400.0, "latency_ratio": 100.0, "latency_on": "host"}
    assert [cells[-2:] for cells in file_cells(report)] == [
        ("24.0 us", "1.00 x"),
        ("2.40 ms", "100.00 x"),
        ("-", "-"),
    ]


def test_what_auto_chose_and_what_was_left_out_is_told(report: Report) -> None:
    report["auto"] = {"chosen": "fp16", "objective": "size", "why": "it is the least"}
    report["skipped_precisions"] = ["int8-static"]
    why = {"outcome": "skipped", "reason": "over_budget", "detail": "9 of 10 decisions flipped"}
    report["stages"].append(stage("quantize", variant="int8-static", **why))
    file = io.StringIO()
    print_report(report, file)
    shown = file.getvalue()
    assert "auto:   `fp16` by size: it is the least\n" in shown
    assert "skipped: `int8-static`, though it was asked for: skipped: 9 of 10 decisions flipped\n" in shown


def test_a_stage_names_its_variant_where_there_are_several(report: Report) -> None:
    report["stages"][2]["variant"] = "int8"
    assert [cells[0] for cells in stage_cells(report)] == [
        "check (source)",
        "slim (source)",
        "convert (int8)",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_pipe_gets_whole_lines_of_plain_text(report: Report, encoding: str) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding)
    print_report(report, file)
    file.flush()
    shown = raw.getvalue().decode(encoding)
    note = report["advice"][0].encode(encoding, "backslashreplace").decode(encoding)
    assert "\x1b" not in shown
    assert f"note: {note}\n" in shown
    assert f"bundle: {report['path']}\n" in shown
    assert f"digest: {DIGEST}\n" in shown
    # A path that the shell would take for two is quoted.
    assert shown.endswith(f" -m bundle self-test '{report['path']}'\n")
    [row] = [line for line in shown.splitlines() if "convert" in line]
    assert all(cell in row for cell in stage_cells(report)[2])


@pytest.mark.parametrize("active", [True, False])
def test_the_next_line_works_as_typed(
    active: bool, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("python", "python3"):
        (folder / name).symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(folder / "python3"))
    monkeypatch.setenv("PATH", str(folder) if active else str(tmp_path))
    monkeypatch.chdir(tmp_path)
    report["path"] = str(tmp_path / "bundles" / "digits-1.0.0-any")
    file = io.StringIO()
    print_report(report, file)
    program = "python" if active else ".venv/bin/python3"
    assert file.getvalue().endswith(f"next:   {program} -m bundle self-test bundles/digits-1.0.0-any\n")
    assert f"bundle: {report['path']}\n" in file.getvalue()


def test_a_closed_pipe_ends_a_build_as_it_ends_every_command(report: Report) -> None:
    program = (
        "import json, sys\nfrom pathlib import Path\n"
        "import bundle.builder\nfrom bundle.__main__ import main\n"
        "report = json.load(sys.stdin)\n"
        "result = bundle.builder.BuildResult(Path(report['path']), report['digest'], 'any', report)\n"
        "bundle.builder.build = lambda project, progress=None: [result] * 99\n"
        "sys.exit(main(['build', 'm.onnx', '--target', 'any']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()
    process.stdin.write(json.dumps({**report, "verify": []}))
    process.stdin.close()
    shown = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), shown) == (exits.PIPE_CLOSED, "")


def test_what_was_guessed_is_told(report: Report) -> None:
    file = io.StringIO()
    print_report(report, file, {"two words": "argmax"})
    line = "guess:  `two words` decides by argmax; --decision 'two words=none' if it decides nothing\n"
    assert line in file.getvalue()


def test_the_report_has_the_structure_that_is_written_down(report: Report) -> None:
    schema = table("report.schema")
    jsonschema.Draft202012Validator.check_schema(schema)
    tree = json.loads(encode(report))
    jsonschema.validate(tree, schema)
    assert "path" not in tree
    assert tree["verify"][0]["worst_error"] == INFINITE
    # What the rows are typed as here is what the schema requires there.
    for row, name in (("stages", "stage"), ("verify", "file")):
        assert set(tree[row][0]) == set(schema["$defs"][name]["required"])


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, report: Report):
    """Stand in for the build; what it was asked for is kept."""
    asked = []

    def build(project, *, progress=None):
        asked.append((project, progress))
        return [BuildResult(Path(report["path"]), DIGEST, "arm64", report) for _ in project.targets]

    monkeypatch.setattr(bundle.builder, "build", build)
    return asked


def test_build_prints_a_table_for_each_target(built, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "m.onnx", "--target", "arm64", "--target", "any"]) == exits.OK
    shown = capsys.readouterr().out
    assert shown.count("digits 1.0.0 for arm64") == 2
    [(project, shown_progress)] = built
    assert [target.arch for target in project.targets] == ["arm64", "any"]
    assert shown_progress is None


def test_build_for_machines(built, ask, report: Report) -> None:
    status, answer = ask("build", "m.onnx", "--target", "arm64")
    assert status == exits.OK
    entry = {"path": report["path"], "digest": DIGEST, "target": "arm64", "report": plain(report)}
    assert answer == {"ok": True, "bundles": [entry]}


def test_a_skipped_precision_has_its_own_exit_code(built, report: Report) -> None:
    report["skipped_precisions"] = ["int8"]
    assert main(["build", "m.onnx", "--target", "any"]) == exits.SKIPPED


def test_build_says_what_is_not_installed(built, monkeypatch: pytest.MonkeyPatch, ask) -> None:
    monkeypatch.setattr(extra.importlib.util, "find_spec", lambda name: None if name == "onnxslim" else name)
    status, answer = ask("build", "m.onnx", "--target", "any")
    assert status == exits.NO
    assert (answer["error"]["code"], answer["error"]["subject"]) == ("extra_missing", "onnxslim")
    assert "pip install" in answer["error"]["hint"]
    assert built == []


def test_an_error_of_the_build_passes_through(ask, tmp_path: Path) -> None:
    status, answer = ask("build", tmp_path / "absent.onnx", "--target", "any", "--output", tmp_path)
    assert (status, answer["error"]["code"]) == (exits.NO, "model_unreadable")


def test_progress_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress.status() as show, progress.bar("x") as advance:
        assert (show, advance) == (None, None)
    monkeypatch.setattr(progress, "visible", lambda: True)
    with progress.status() as show:
        assert show
        show("slim [source]")
    with progress.bar("predicting") as advance:
        assert advance
        advance(1, 2)


@pytest.mark.slow
def test_a_model_of_ones_own_builds(digits: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bundle", "build", str(digits), "--target", "any", "--name", "mine"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == exits.OK, done.stderr
    assert done.stderr == ""
    folder = tmp_path / "bundles" / "mine-0.1.0-any"
    assert f"bundle: {folder}\n" in done.stdout
    jsonschema.validate(json.loads((folder / "attest" / "report.json").read_text()), table("report.schema"))
    assert main(["verify", str(folder)]) == main(["self-test", str(folder)]) == exits.OK
