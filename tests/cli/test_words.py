"""Words that nobody knows: each is met with what would do, and often with the right one."""

from pathlib import Path

import pytest

from bundle.__main__ import main
from bundle.builder import config
from bundle.cli import build, exits
from bundle.cli.parser import parse
from bundle.error import BundleError


def refused(call, *arguments) -> BundleError:
    with pytest.raises(BundleError) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["biuld"], "`COMMAND`: expected one of init, build, ", "did you mean `build`?"),
        (["selftest", "x"], "found `selftest`", "did you mean `self-test`?"),
        (
            ["build", "m.onnx", "--tagret", "any"],
            "`--tagret`: expected a flag of `python -m bundle build`",
            "`--target`?",
        ),
        (["verify", "x", "--qick=1"], "`--qick`", "did you mean `--quick`?"),
        (["verify", "a", "b"], "`b`: expected no further argument of `python -m bundle verify`", "verify"),
        (["--qick", "verify", "a"], "`--qick`", ""),
        ([], "`COMMAND`: expected one of init, build, ", "python -m bundle --help"),
        (
            ["self-test", "a", "--format", "otr"],
            "`--format`: expected one of onnx, ort",
            "did you mean `ort`?",
        ),
        (["verify", "a", "--digest"], "`--digest`: expected a value, found nothing", "verify --help"),
        (["build", "--seed", "x"], "`--seed`: expected an integer, found `x`", "build --help"),
        (["predict", "a"], "`--input`: expected this argument, found nothing", "predict --help"),
    ],
)
def test_a_misspelt_word_is_met_with_the_right_one(
    arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == exits.USAGE
    shown = capsys.readouterr().err.splitlines()
    assert message in shown[0]
    assert hint in shown[1]


@pytest.mark.parametrize("arguments", [["help"], ["help", "build"], ["-V"]])
def test_other_words_for_help_and_version(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == exits.OK
    assert ("usage: python -m bundle" in capsys.readouterr().out) == (arguments != ["-V"])


def test_the_help_of_build_says_what_is_required_and_what_a_golden_file_holds(capsys) -> None:
    assert main(["build", "--help"]) == exits.OK
    shown = capsys.readouterr().out
    assert "usage: python -m bundle build MODEL --target T " in shown
    assert all(word in shown for word in ("inputs/NAME", "outputs/NAME", "labels", "np.savez", "NaN"))
    assert main(["verify", "--help"]) == exits.OK
    assert exits.MEANINGS[exits.SKIPPED] not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "expected", "hint"),
    [
        (["--version", "v1"], "three numbers such as 1.0.0", "--help"),
        (["--name", "My Model"], "letters, digits", "--help"),
        (["--target", "arm46"], "arm64", "did you mean `arm64`?"),
        (["--target", "arm64:dotprd"], "dotprod", "did you mean `arm64:dotprod`?"),
        (["--optimizer", "onnxslm"], "onnxslim", "did you mean `onnxslim`?"),
        (["--session", "intra_op_thread=2"], "intra_op_threads", "did you mean `intra_op_threads`?"),
    ],
)
def test_a_refusal_says_what_would_do(flags: list[str], expected: str, hint: str) -> None:
    error = refused(
        build.project_of,
        parse(["build", "model.onnx", *([] if "--target" in flags else ["--target", "any"]), *flags]),
    )
    assert error.code == "usage_invalid"
    assert expected in error.expected
    assert hint in error.hint


def test_a_misspelt_key_is_met_with_the_right_one(tmp_path: Path) -> None:
    path = tmp_path / "bundle.toml"
    path.write_text("[model]\nnmae = 'a'")
    error = refused(config.read_tree, path)
    assert (error.subject, error.hint) == ("/model/nmae", "did you mean `name`?")
    (tmp_path / "binary.toml").write_bytes(b"\x9d\x00")
    assert "UTF-8" in refused(config.read_tree, tmp_path / "binary.toml").found
