"""Updating from Python, from the command line and from a program's own command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bundle
from bundle.__main__ import main
from bundle.cli import exits
from bundle.parity.client import Client
from tests.native.programs import environment
from tests.update.device import Archives, running


def command(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


def test_in_python(tmp_path: Path, archives: Archives) -> None:
    done = bundle.update(tmp_path / "device", archives("1.0.0"))
    assert (done.name, done.version, done.previous, done.changed) == ("net", "1.0.0", None, True)
    done = bundle.update(str(tmp_path / "device"), str(archives("1.1.0")), format="onnx", intra_op_threads=1)
    assert (done.digest, done.previous) == (archives.digest("1.1.0"), "1.0.0")
    assert bundle.rollback(tmp_path / "device").version == "1.0.0"
    with bundle.open(tmp_path / "device" / "current") as predictor:
        assert predictor.manifest.version == "1.0.0" and predictor.self_test().passed
    with pytest.raises(bundle.BundleError, match="name_mismatch"):
        bundle.update(tmp_path / "device", archives("2.0.0", name="other"))


def test_from_the_command_line(
    tmp_path: Path, archives: Archives, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "device"
    assert command(capsys, "update", folder, archives("1.0.0"))[0] == exits.OK
    status, out, _ = command(capsys, "update", folder, archives("1.1.0"), "--json")
    assert status == exits.OK
    assert json.loads(out) == {
        "ok": True,
        "digest": archives.digest("1.1.0"),
        "name": "net",
        "version": "1.1.0",
        "previous": "1.0.0",
        "changed": True,
    }
    status, out, _ = command(capsys, "update", folder, archives("1.1.0"))
    assert out.splitlines()[0] == "ran already: net@1.1.0"
    status, out, _ = command(capsys, "rollback", folder)
    assert (status, out.splitlines()[0]) == (exits.OK, "runs net@1.0.0")
    assert running(folder) == archives.digest("1.0.0")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--digest", "0" * 64], "bundle_digest_mismatch"),
        (["--max-bytes", "100"], "archive_too_large"),
        (["--format", "ort"], "format_unavailable"),
        (["--variant", "int4"], "variant_unknown"),
        (["--option", "colour=1"], "option_invalid"),
        (["--option", "mode=quick"], "option_invalid"),
    ],
)
def test_what_the_flags_say(
    words: list[str], code: str, tmp_path: Path, archives: Archives, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = command(capsys, "update", tmp_path / "device", archives("1.0.0"), *words, "--json")
    assert (status, json.loads(out)["error"]["code"]) == (exits.NO, code)
    assert code in err


def test_one_version_and_another_bundle(
    tmp_path: Path, archives: Archives, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, other = tmp_path / "device", archives("1.0.0", label="other")
    assert command(capsys, "rollback", folder)[0] == exits.NO
    assert command(capsys, "update", folder, archives("1.0.0"))[0] == exits.OK
    status, _, err = command(capsys, "update", folder, other)
    assert status == exits.NO and "version_conflict" in err
    assert command(capsys, "update", folder, other, "--replace")[0] == exits.OK


def once(program: Client, *words: object) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [*program.command, *map(str, words)], capture_output=True, text=True, timeout=60, env=environment()
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def test_from_a_script_on_the_device(program: Client, tmp_path: Path, archives: Archives) -> None:
    """The flags of `bundle-predict`, in every language."""
    folder = tmp_path / "device"
    assert once(program, "--update", folder, archives("1.0.0"))[0] == 0
    status, reply = once(program, "--update", folder, archives("1.1.0"), "--options", '{"format":"onnx"}')
    assert (status, reply["ok"], reply["previous"], reply["changed"]) == (0, True, "1.0.0", True)
    status, reply = once(program, "--rollback", folder)
    assert (status, reply["version"], reply["previous"]) == (0, "1.0.0", "1.1.0")
    status, reply = once(program, "--update", folder, archives("0.1.0"))
    assert (status, reply["error"]["code"]) == (1, "version_older")  # type: ignore[index]
    status, reply = once(program, "--rollback", tmp_path / "none")
    assert (status, reply["error"]["code"]) == (1, "store_unwritable")  # type: ignore[index]


@pytest.mark.parametrize("words", [["--update"], ["--update", "x"], ["--rollback"], ["--rollback", "x", "y"]])
def test_words_that_are_no_command_line(words: list[str], program: Client) -> None:
    done = subprocess.run([*program.command, *words], capture_output=True, timeout=60, env=environment())
    assert done.returncode != 0 and done.stdout == b""


def test_opening_loads_nothing_of_updates() -> None:
    program = "import sys, bundle.predictor\nprint([name for name in sys.modules if 'device' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "bundle.device" not in done.stdout
