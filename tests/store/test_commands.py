"""The commands of the store: what they print, and with what they end."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.__main__ import main
from bundle.cli import exits
from tests.build import make_reports
from tests.store.bundles import identity
from tests.store.test_registry import report

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command in this process with `--json`; return its exit code and the object on stdout."""

    def call(*arguments: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = main([*map(str, arguments), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return call


def test_from_a_folder_to_a_name_and_back(make, tmp_path: Path, store: Path, ask: Ask) -> None:
    folder = make()
    report(folder)
    _, archived = ask("archive", folder, "--output", tmp_path, "--with-attest")
    path = Path(archived["path"])
    assert (archived["bytes"], path.name) == (path.stat().st_size, "net-1.0.0-any.bundle")
    _, installed = ask("install", path, "--digest", identity(folder))
    assert installed == {
        "ok": True,
        "name": "net",
        "version": "1.0.0",
        "target": "any",
        "digest": identity(folder),
        "path": str(store / "sha256" / identity(folder)),
        "fresh": True,
        "replaced": None,
    }
    assert ask("tag", "net@latest", "production")[1]["version"] == "1.0.0"
    _, listed = ask("list")
    [row] = listed["bundles"]
    assert (listed["store"], row["tags"], row["damaged"]) == (str(store), ["latest", "production"], False)
    assert ask("history", "net")[1]["versions"] == [row]
    assert row["figures"][0] == {
        "variant": "source",
        "format": "onnx",
        "bytes": 154,
        "accuracy": 0.5,
        "latency_us": 12.5,
        "worst_error": None,
        "flips": None,
    }
    assert ask("untag", "net@production")[1]["version"] == "1.0.0"
    assert ask("remove", "net@1.0.0")[1]["removed"] == ["net@1.0.0-any"]
    assert ask("list", "--rebuild")[1]["bundles"] == []


def test_people_read_the_same(make, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make()
    report(folder)
    assert main(["list"]) == exits.OK
    assert capsys.readouterr().out == f"{store} holds no bundle\n"
    assert main(["install", str(folder)]) == exits.OK
    assert capsys.readouterr().out.splitlines()[0] == "installed net@1.0.0-any"
    assert main(["install", str(folder)]) == exits.OK
    assert capsys.readouterr().out.splitlines()[0] == "was installed already: net@1.0.0-any"
    assert main(["install", str(make(label="new")), "--replace"]) == exits.OK
    assert capsys.readouterr().out.splitlines()[-1] == f"in the place of {identity(folder)}"
    assert main(["tag", "net@1.0.0", "old"]) == exits.OK
    assert capsys.readouterr().out == "net@old is net@1.0.0\n"
    for command in (["list"], ["history", "net"]):
        assert main(command) == exits.OK
        shown = capsys.readouterr().out
        assert "1.0.0" in shown and "latest, old" in shown
    assert main(["untag", "net@old"]) == exits.OK
    assert capsys.readouterr().out == "net@old was version 1.0.0\n"
    assert main(["remove", "net@1.0.0"]) == exits.OK
    assert capsys.readouterr().out == "removed net@1.0.0-any\n"


@pytest.mark.parametrize(
    "command",
    ["verify", "self-test", "inspect", "predict", "archive", "parity", "compare", "report", "doctor"],
)
def test_every_command_that_takes_a_bundle_takes_a_name(
    command: str, make, tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str], ask: Ask
) -> None:
    folder = make()
    (folder / "attest").mkdir()
    text = json.dumps(make_reports.report() | {"digest": identity(folder)})
    (folder / "attest" / "report.json").write_text(text)
    ask("install", folder)
    more: list[str] = []
    if command == "predict":
        (tmp_path / "x.json").write_text('{"x": [[1, 2, 3]]}')
        more = ["--input", str(tmp_path / "x.json")]
    elif command == "archive":
        more = ["--output", str(tmp_path)]
    elif command == "parity":
        more = ["--runtimes", "python"]
    elif command == "compare":
        more = [str(folder)]
    assert main([command, "net@latest", *more]) == exits.OK
    assert main([command, "net@1.0.0", "--store", str(store), *more]) == exits.OK
    capsys.readouterr()
    assert main([command, "nett@latest", *more]) == exits.NO
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: bundle_unknown: `nett@latest`: ")
    assert hint == "hint: did you mean `net`?"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["install", "nothing.bundle"], "archive_not_found"),
        (["install", "FOLDER", "--max-bytes", "many"], "usage_invalid"),
        (["archive", "net@1.0.0"], "bundle_unknown"),
        (["remove", "net@1.0.0"], "bundle_unknown"),
        (["tag", "net@1.0.0", "latest"], "tag_invalid"),
        (["untag", "net@x"], "bundle_unknown"),
        (["history", "net"], "bundle_unknown"),
    ],
)
def test_a_refusal_is_one_sentence_with_a_hint(arguments: list[str], code: str, ask: Ask, make) -> None:
    arguments = [str(make()) if word == "FOLDER" else word for word in arguments]
    status, answer = ask(*arguments)
    assert (status != exits.OK, answer["error"]["code"]) == (True, code)


def test_max_bytes_and_a_conflict_are_told(make, tmp_path: Path, ask: Ask) -> None:
    _, archived = ask("archive", make(), "--output", tmp_path)
    status, answer = ask("install", archived["path"], "--max-bytes", "1000")
    assert (status, answer["error"]["code"]) == (exits.NO, "archive_too_large")
    ask("install", archived["path"])
    _, answer = ask("install", make(label="new"))
    assert answer["error"]["code"] == "version_conflict" and "--replace" in answer["error"]["hint"]


def test_the_store_needs_neither_the_builder_nor_onnxruntime(make, tmp_path: Path) -> None:
    heavy = ["onnx", "onnxruntime", "onnxslim", "rich", "google", "sympy", "jsonschema", "safetensors"]
    program = (
        "import sys\n"
        # None in this table makes an import fail as if the module were not installed.
        f"sys.modules.update(dict.fromkeys({heavy}))\n"
        "from bundle.__main__ import main\n"
        f"assert main(['archive', {str(make())!r}, '--output', {str(tmp_path)!r}]) == 0\n"
        f"assert main(['install', {str(tmp_path / 'net-1.0.0-any.bundle')!r}]) == 0\n"
        "for line in ('verify net@latest', 'tag net@1.0.0 x', 'list', 'history net', 'untag net@x'):\n"
        "    assert main(line.split()) == 0, line\n"
        "assert main(['remove', 'net@1.0.0']) == 0\n"
        "assert not any(name.startswith('bundle.builder') for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
