"""bundle.toml: what it may say, what wins, what is refused."""

import argparse
import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from bundle.builder import config
from bundle.builder.project import Project
from bundle.cli import build, project_flags
from bundle.cli.parser import parse
from bundle.error import BundleError
from bundle.manifest import Target
from bundle.spec import table

FULL = """
[model]
path = "m.onnx"
name = "digits"
version = "1.2.3"
license = "MIT"
description = "one line"
[build]
targets = ["arm64", "amd64", "x86_64:generic", "any"]
golden = "sub/cases.npz"
output = "out"
formats = ["ort", "onnx"]
opset = 17
allow_random = true
allow_nonfinite = ["x"]
optimizer = "onnxsim"
optimizer_options = { skip_fuse_bn = "true" }
seed = 7
trust_pickle = true
precisions = ["int8-static", "auto"]
objective = "latency"
calibration = "images"
resize = [32, 48]
normalize = "0.5/0.25"
decisions = "decisions.json"
runner = "ssh board"
driver = "bundle-predict"
archive = true
html = true
[labels]
"probabilities" = ["a", "b"]
[decisions]
"probabilities" = "threshold"
[session]
intra_op_threads = 2
[metadata]
author = "someone"
"""


def project(*arguments: str) -> Project:
    return build.project_of(parse(["build", *arguments]))


def write(folder: Path, text: str) -> Path:
    path = folder / "bundle.toml"
    path.write_text(text, "utf-8")
    return path


def refused(call, *arguments) -> BundleError:
    with pytest.raises(BundleError) as caught:
        call(*arguments)
    return caught.value


def test_the_file_says_everything(tmp_path: Path) -> None:
    found = project("--config", str(write(tmp_path, FULL)))
    assert found == Project(
        model=tmp_path / "m.onnx",
        name="digits",
        version="1.2.3",
        license="MIT",
        description="one line",
        targets=(
            Target("arm64", "v8.0", "linux"),
            Target("x86_64", "generic", "linux"),
            Target("any", "generic", "any"),
        ),
        golden=tmp_path / "sub" / "cases.npz",
        output=tmp_path / "out",
        formats=("onnx", "ort"),
        opset=17,
        allow_random=True,
        allow_nonfinite=("x",),
        labels={"probabilities": ("a", "b")},
        metadata={"author": "someone"},
        optimizer="onnxsim",
        optimizer_options={"skip_fuse_bn": "true"},
        session={"intra_op_threads": 2},
        seed=7,
        decisions={"probabilities": "threshold"},
        trust_pickle=True,
        precisions=("int8-static", "auto"),
        objective="latency",
        calibration=str(tmp_path / "images"),
        resize=(32, 48),
        normalize="0.5/0.25",
        replay=tmp_path / "decisions.json",
        runner="ssh board",
        driver=tmp_path / "bundle-predict",
        archive=True,
        html=True,
    )


def test_flags_say_the_same_as_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = [
        *(
            "m.onnx",
            "--name",
            "digits",
            "--version",
            "1.2.3",
            "--license",
            "MIT",
            "--description",
            "one line",
        ),
        *("--target", "arm64", "--target", "amd64", "--target", "x86_64:generic", "--target", "any"),
        *("--golden", "sub/cases.npz", "--output", "out", "--formats", "ort,onnx", "--opset", "17"),
        *("--allow-random", "--allow-nonfinite", "x", "--optimizer", "onnxsim", "--seed", "7"),
        *("--optimizer-option", "skip_fuse_bn=true"),
        "--trust-pickle",
        *("--precision", "int8-static", "--precision", "auto", "--objective", "latency"),
        *("--calibration", "images", "--resize", "32x48", "--normalize", "0.5/0.25"),
        *("--decisions", "decisions.json", "--runner", "ssh board", "--driver", "bundle-predict"),
        *("--archive", "--html"),
        *(
            "--label",
            "probabilities=a",
            "--label",
            "probabilities=b",
            "--decision",
            "probabilities=threshold",
        ),
        *("--session", "intra_op_threads=2", "--metadata", "author=someone"),
    ]
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", FULL.replace("sub/", ""))
    assert project(*flags) == project("--config", str(write(Path(), FULL)))


def test_every_key_has_a_flag_and_every_flag_a_key() -> None:
    sections = table("project.schema")["properties"]
    keys = {
        (section, key)
        for section, schema in sections.items()
        for key in (schema["properties"] if section in ("build", "model") else [""])
    }
    assert {(flag.section, flag.key) for flag in project_flags.FLAGS} == keys - {("model", "path")}


def test_a_flag_wins_over_its_key(tmp_path: Path) -> None:
    found = project(
        "--config", str(write(tmp_path, FULL)), "--target", "any", "--metadata", "more=text", "--seed", "1"
    )
    assert [target.arch for target in found.targets] == ["any"]
    assert found.metadata == {"author": "someone", "more": "text"}
    assert found.seed == 1


def test_the_file_of_this_folder_is_read_where_no_model_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, FULL)
    assert project().name == "digits"
    # Its labels and golden cases would be those of another model.
    other = project("other.onnx", "--target", "any")
    assert (other.name, other.labels, other.golden) == ("other", {}, None)


def test_defaults(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = project("models/My Model (2).onnx", "--target", "aarch64:dotprod")
    assert (found.name, found.version, found.license) == ("My-Model-2", "0.1.0", config.NO_LICENSE)
    assert (found.output, found.formats, found.optimizer) == (Path("bundles"), ("onnx", "ort"), "onnxslim")
    assert found.targets == (Target("arm64", "dotprod", "linux"),)


def test_without_a_model_and_without_the_file_one_sentence_says_what_to_do(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = refused(project)
    assert (error.code, error.subject) == ("usage_invalid", "MODEL")
    assert "init" in error.hint
    # Of two faults the model is the one to see first.
    error = refused(project, "model.onnx")
    assert (error.code, error.subject, error.found) == ("model_unreadable", "model.onnx", "no such file")
    error = refused(project, ".")
    assert (error.code, error.subject, error.found) == ("model_unreadable", ".", "a folder")
    error = refused(project, ".", "--target", "any")
    assert (error.code, error.found) == ("model_unreadable", "a folder")
    (tmp_path / "model.onnx").touch()
    error = refused(project, "model.onnx")
    assert (error.code, error.subject) == ("usage_invalid", "--target")


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("colour = 1", "/colour"),
        ("[model]\ncolour = 1", "/model/colour"),
        ("[model]\nversion = '1.0'", "/model/version"),
        ("[model]\nversion = 1", "/model/version"),
        ("[model]\nname = 'a b'", "/model/name"),
        ("[model]\npath = 1.5", "/model/path"),
        ("[model]\ndescription = 2026-01-01", "/model/description"),
        ("model = 'm.onnx'", "/model"),
        ("[build]\ntargets = []", "/build/targets"),
        ("[build]\ntargets = 'arm64'", "/build/targets"),
        ("[build]\ntargets = ['any', 'sparc']", "/build/targets/1"),
        ("[build]\ntargets = ['arm64:v9']", "/build/targets/0"),
        ("[build]\ntargets = ['any']\nformats = ['ort']", "/build/formats"),
        ("[build]\nformats = ['onnx', 'pt']", "/build/formats/1"),
        ("[build]\nopset = true", "/build/opset"),
        ("[build]\nseed = -1", "/build/seed"),
        ("[build]\noptimizer = 'best'", "/build/optimizer"),
        ("[build]\noptimizer_options = {size_threshold = 1}", "/build/optimizer_options/size_threshold"),
        ("[build]\noptimizer_options = {size_threshold = 'a'}", "/build/optimizer_options/size_threshold"),
        ("[build]\noptimizer_options = {passes = 'nop'}", "/build/optimizer_options/passes"),
        ("[build]\nallow_random = 1", "/build/allow_random"),
        ("[labels]\ny = ['a', 1]", "/labels/y/1"),
        ("[labels]\n'a/b' = 1", "/labels/a~1b"),
        ("[decisions]\ny = 'max'", "/decisions/y"),
        ("[session]\nintra_op_threads = 0", "/session/intra_op_threads"),
        ("[session]\nspinning = true", "/session/spinning"),
        ("[metadata]\nsize = 3", "/metadata/size"),
        ("[metadata]\n'\u00e4' = 'x'", "/metadata/\u00e4"),
    ],
)
def test_what_the_file_may_not_say(tmp_path: Path, text: str, subject: str) -> None:
    error = refused(config.read_tree, write(tmp_path, text))
    assert (error.code, error.subject) == ("config_invalid", subject)


@pytest.mark.parametrize("data", [b"[model", b"\xff", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bundle.toml"
    path.write_bytes(data)
    error = refused(config.read_tree, path)
    assert (error.code, error.subject) == ("config_invalid", str(path))
    assert refused(config.read_tree, tmp_path / "absent.toml").code == "config_invalid"
    assert refused(config.read_tree, tmp_path).code == "config_invalid"


@pytest.mark.parametrize(
    ("flags", "subject"),
    [
        (["--version", "1"], "--version"),
        (["--name", "a b"], "--name"),
        (["--target", "sparc"], "--target"),
        (["--formats", "onnx,"], "--formats"),
        (["--optimizer", "best"], "--optimizer"),
        (["--label", "y="], None),
        (["--decision", "y=max"], "--decision"),
        (["--session", "intra_op_threads=many"], "--session"),
        (["--session", "intra_op_threads=1.5"], "--session"),
        (["--metadata", "\u00e4=x"], "--metadata"),
        (["--metadata", "x"], "--metadata"),
        (["--opset", "x"], "--opset"),
    ],
)
def test_what_a_flag_may_not_say(flags: list[str], subject: str | None) -> None:
    arguments = ["model.onnx", "--target", "any", *flags]
    if subject is None:
        assert project(*arguments)
        return
    error = refused(project, *arguments)
    assert (error.code, error.subject) == ("usage_invalid", subject)


def test_the_fault_of_the_file_is_not_put_on_the_flags(tmp_path: Path) -> None:
    path = write(tmp_path, FULL.replace('"1.2.3"', '"1"'))
    error = refused(project, "--config", str(path), "--name", "x")
    assert (error.code, error.subject) == ("config_invalid", "/model/version")


def test_the_file_of_the_repository_is_right(root: Path) -> None:
    found = config.make_project(config.read_tree(root / "bundle.toml"))
    assert found.model.is_file()
    assert found.golden and found.golden.is_file()


def test_stock_validators_take_the_schema(root: Path) -> None:
    from referencing import Registry, Resource

    schema, other = (
        json.loads((root / "spec" / f"{name}.schema.json").read_text()) for name in ("project", "bundle")
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    registry = Registry().with_resource("bundle.schema.json", Resource.from_contents(other))
    validator = jsonschema.Draft202012Validator(schema, registry=registry)
    validator.validate(tomllib.loads(FULL))
    assert not validator.is_valid({"colour": 1})
    assert not validator.is_valid({"decisions": {"y": "max"}})


def test_values_of_flags_that_are_more_than_a_word() -> None:
    from bundle.cli.values import pair, setting

    assert pair("a=b=c") == ("a", "b=c")
    assert setting("mapped=true") == ("mapped", True)
    assert setting("level=all") == ("level", "all")
    with pytest.raises(argparse.ArgumentTypeError):
        pair("a")
