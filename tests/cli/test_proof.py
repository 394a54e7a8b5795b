"""The commands `verify` and `self-test`."""

import shutil
from pathlib import Path

import pytest

from bundle.__main__ import main
from bundle.cli import exits


def test_verify_says_what_it_is(vector, ask, capsys: pytest.CaptureFixture[str]) -> None:
    folder = vector("self_test_passes")
    status, answer = ask("verify", folder)
    assert status == exits.OK
    assert answer["name"] == "vector"
    assert answer["path"] == str(folder)
    assert main(["verify", str(folder), "--digest", answer["digest"]]) == exits.OK
    assert f"digest: {answer['digest']}\n" in capsys.readouterr().out


def test_verify_says_what_is_beside_the_identity(vector, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(vector("attest_is_ignored"))]) == exits.OK
    assert "attest/ is beside them: no part of the identity" in capsys.readouterr().out
    assert main(["verify", str(vector("self_test_passes"))]) == exits.OK
    assert "attest" not in capsys.readouterr().out


def test_verify_refuses_another_identity(vector, ask) -> None:
    status, answer = ask("verify", vector("self_test_passes"), "--digest", "0" * 64)
    assert (status, answer["error"]["code"]) == (exits.NO, "bundle_digest_mismatch")


def test_verify_finds_a_flipped_bit_unless_it_is_quick(vector, tmp_path: Path, ask) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(vector("self_test_passes"), copy)
    path = copy / "golden" / "first.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    status, answer = ask("verify", copy)
    assert (status, answer["error"]["code"]) == (exits.NO, "file_digest_mismatch")
    assert ask("verify", copy, "--quick")[1]["mode"] == "quick"


def test_self_test_passes(vector, ask, capsys: pytest.CaptureFixture[str]) -> None:
    folder = vector("self_test_passes")
    status, answer = ask("self-test", folder)
    assert (status, answer["ok"], answer["passed"]) == (exits.OK, True, True)
    assert [case["name"] for case in answer["cases"]] == ["first", "second"]
    assert (answer["variant"], answer["format"]) == ("source", "onnx")
    assert main(["self-test", str(folder)]) == exits.OK
    assert capsys.readouterr().out.endswith("self-test passed\n")


def test_self_test_takes_the_options_of_opening(vector, ask) -> None:
    status, answer = ask(
        "self-test",
        vector("ort_file_preferred"),
        "--format",
        "onnx",
        "--threads",
        1,
        "--option",
        "cpu_arena=true",
    )
    assert (status, answer["format"]) == (exits.OK, "onnx")
    for flags, code in (
        (["--threads", 0], "option_invalid"),
        (["--option", "colour=red"], "option_invalid"),
        (["--variant", "int4"], "variant_unknown"),
        (["--provider", "CUDAExecutionProvder"], "provider_unknown"),
    ):
        status, answer = ask("self-test", vector("self_test_passes"), *flags)
        assert (status, answer["error"]["code"]) == (exits.NO, code)


def test_self_test_fails(vector, ask, capsys: pytest.CaptureFixture[str]) -> None:
    folder = vector("self_test_exact")
    status, answer = ask("self-test", folder)
    assert (status, answer["ok"], answer["passed"]) == (exits.NO, False, False)
    assert answer["error"]["code"] == "self_test_failed"
    failed = [case for case in answer["cases"] if not case["passed"]]
    assert answer["error"]["subject"].startswith(f"{failed[0]['name']}/")
    capsys.readouterr()
    assert main(["self-test", str(folder)]) == exits.NO
    captured = capsys.readouterr()
    assert captured.out.endswith("self-test failed\n")
    assert captured.err.startswith("error: self_test_failed: ")
