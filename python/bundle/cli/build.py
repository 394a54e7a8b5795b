"""The command ``build``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bundle.cli import exits, extra, output, progress
from bundle.cli.values import pair, setting, size
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.builder.config import Tree
    from bundle.builder.project import Project

SUMMARY = "makes a bundle for each target"
DETAILS = (
    "Without MODEL it builds what bundle.toml in this folder describes.\n"
    "With MODEL that file is read only where --config names it. A flag wins over its key in the file.\n"
    "\n"
    "CASES.npz, as np.savez writes it, holds an array `inputs/NAME` for each input of the model, and where\n"
    "they are known `outputs/NAME` (what the framework answered) and `labels` (the right classes).\n"
    "The first axis counts the cases: inputs/image of [6, 1, 28, 28] is six cases for a model that takes\n"
    "[batch, 28, 28]. An input that holds NaN or infinity in some case may hold them in the bundle, too;\n"
    "for every other input of floats the bundle refuses such values."
)
#: The target has no default, as a bundle says where it was proven to run.
USAGE = (
    "%(prog)s MODEL --target T [--golden CASES.npz] [option ...]\n"
    "       %(prog)s [--config FILE] [option ...]"
)
EXIT_CODES = (exits.PRECISION_SKIPPED,)
EXAMPLES = (
    "model.onnx --target arm64",
    "model.onnx --target arm64:dotprod --target x86_64 --name digits --version 1.0.0 --golden cases.npz",
)


class _Flag(NamedTuple):
    """A flag and the key of bundle.toml that says the same; no key: the flag fills the whole section."""

    name: str
    section: str
    key: str
    options: dict[str, Any]


def _words(text: str) -> list[str]:
    return text.split(",")


def _pairs(kind: Any, metavar: str, text: str) -> dict[str, Any]:
    return {"type": kind, "action": "append", "metavar": metavar, "help": f"{text}; repeatable"}


#: Absent is not false: bundle.toml may say it.
_SWITCH: dict[str, Any] = {"action": "store_true", "default": None}

_FLAGS = (
    _Flag(
        "--target",
        "build",
        "targets",
        {
            "action": "append",
            "metavar": "T",
            "help": "required where bundle.toml does not say it: arm64, x86_64 or any, with a CPU class: "
            "arm64:dotprod; repeatable",
        },
    ),
    _Flag("--name", "model", "name", {"help": "default: the file's name"}),
    _Flag("--version", "model", "version", {"metavar": "N.N.N", "help": "default: 0.1.0"}),
    _Flag(
        "--license",
        "model",
        "license",
        {"help": "SPDX identifier of the model's license; default: NOASSERTION"},
    ),
    _Flag("--description", "model", "description", {"metavar": "TEXT", "help": "one line"}),
    _Flag(
        "--golden",
        "build",
        "golden",
        {"metavar": "CASES.npz", "help": "real inputs, as said above; without it they are made up"},
    ),
    _Flag(
        "--output", "build", "output", {"metavar": "DIR", "help": "folder for the bundles; default: bundles"}
    ),
    _Flag(
        "--formats",
        "build",
        "formats",
        {"type": _words, "metavar": "F,F", "help": "onnx,ort (default) or one of them"},
    ),
    _Flag(
        "--opset",
        "build",
        "opset",
        {"type": int, "metavar": "N", "help": "convert the model to this operator set"},
    ),
    _Flag(
        "--optimizer",
        "build",
        "optimizer",
        {
            "metavar": "NAME",
            "help": "onnxslim (default), onnxsim, onnxoptimizer, ort-basic, transformers or none",
        },
    ),
    _Flag(
        "--optimizer-option",
        "build",
        "optimizer_options",
        _pairs(pair, "KEY=VALUE", "an option of the optimizer, by its library's name, as fixed_point=true"),
    ),
    _Flag(
        "--precision",
        "build",
        "precisions",
        {
            "action": "append",
            "metavar": "P",
            "help": "a variant of the model: source (default), fp16, int8-dynamic, int8-static, or auto, which "
            "measures them all and keeps one; repeatable, the preferred one first",
        },
    ),
    _Flag(
        "--objective",
        "build",
        "objective",
        {"metavar": "O", "help": "what auto chooses by: size (default), latency or accuracy"},
    ),
    _Flag(
        "--calibration",
        "build",
        "calibration",
        {
            "metavar": "DATA",
            "help": "representative inputs for int8-static: .npz, .safetensors, a folder of images, or "
            "MODULE:FUNCTION that yields a dict of arrays for each case",
        },
    ),
    _Flag(
        "--resize",
        "build",
        "resize",
        {"type": size, "metavar": "HxW", "help": "of calibration images; default: the input's size"},
    ),
    _Flag(
        "--normalize",
        "build",
        "normalize",
        {"metavar": "MEAN/STD", "help": "of calibration images, after division by 255, as 0.5/0.25"},
    ),
    _Flag(
        "--decisions",
        "build",
        "decisions",
        {"metavar": "FILE", "help": "attest/decisions.json of an earlier build: auto chooses the same again"},
    ),
    _Flag(
        "--runner",
        "build",
        "runner",
        {"metavar": "CMD", "help": "command that runs --driver on the target, which sees the same paths"},
    ),
    _Flag(
        "--driver",
        "build",
        "driver",
        {"metavar": "PATH", "help": "the target's bundle-predict: it verifies and times the files there"},
    ),
    _Flag("--archive", "build", "archive", {**_SWITCH, "help": "write NAME-VERSION-TARGET.bundle, too"}),
    _Flag("--html", "build", "html", {**_SWITCH, "help": "write attest/report.html, too"}),
    _Flag(
        "--allow-random",
        "build",
        "allow_random",
        {
            "action": "store_true",
            "default": None,
            "help": "accept a model that answers differently each time",
        },
    ),
    _Flag(
        "--allow-nonfinite",
        "build",
        "allow_nonfinite",
        {
            "action": "append",
            "metavar": "INPUT",
            "help": "this input may hold NaN and infinities; repeatable",
        },
    ),
    _Flag(
        "--seed",
        "build",
        "seed",
        {"type": int, "metavar": "N", "help": "for inputs that are made up; default: 0"},
    ),
    _Flag(
        "--trust-pickle",
        "build",
        "trust_pickle",
        {
            "action": "store_true",
            "default": None,
            "help": "unpickle MODEL (.joblib, .pkl), which can run any code: only of people you trust",
        },
    ),
    _Flag("--metadata", "metadata", "", _pairs(pair, "KEY=TEXT", "free text in the bundle")),
    _Flag("--label", "labels", "", _pairs(pair, "OUTPUT=TEXT", "what the output's next index means")),
    _Flag("--decision", "decisions", "", _pairs(pair, "OUTPUT=WORD", "argmax, threshold, equal or none")),
    _Flag(
        "--session", "session", "", _pairs(setting, "NAME=VALUE", "a session default, as intra_op_threads=2")
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``build``."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="the model file")
    parser.add_argument("--config", metavar="FILE", help="default without MODEL: bundle.toml")
    for flag in _FLAGS:
        parser.add_argument(flag.name, **flag.options)


def run(arguments: argparse.Namespace) -> int:
    """Build, and print a table for each bundle.

    Errors: ``usage_invalid``, ``config_invalid``, ``extra_missing``, and those of the build.
    """
    project = project_of(arguments)
    extra.require("onnx", "rich")
    from bundle.builder import optimizers

    optimizers.require(project.optimizer)
    from bundle.builder import build
    from bundle.builder.report import plain
    from bundle.builder.table import print_report

    with progress.status() as show:
        results = build(project, progress=show)
    if arguments.json:
        bundles = [
            {
                "path": str(result.path),
                "digest": result.digest,
                "target": result.target,
                "report": plain(result.report),
            }
            for result in results
        ]
        output.print_json({"ok": True, "bundles": bundles})
    else:
        for result in results:
            print_report(result.report, sys.stdout, result.guessed)
        sys.stdout.flush()
    skipped = any(result.report.get("skipped_precisions") for result in results)
    return exits.PRECISION_SKIPPED if skipped else exits.OK


def project_of(arguments: argparse.Namespace) -> Project:
    """Return what a command line and its bundle.toml ask for.

    Errors: ``usage_invalid`` with the flag, ``config_invalid`` with the place in the file.
    """
    from bundle.builder import config

    flags = _flag_tree(arguments)
    path = arguments.config
    if path is None and arguments.model is None and Path(config.FILE_NAME).is_file():
        path = config.FILE_NAME
    tree = config.merge(config.read_tree(Path(path)) if path else {}, flags)
    try:
        config.check_tree(tree)
    except BundleError as error:
        raise _blame_flag(error, flags) from error
    return config.make_project(tree)


def _flag_tree(arguments: argparse.Namespace) -> Tree:
    """Return what the flags say, as bundle.toml would say it."""
    tree: Tree = {}
    if arguments.model is not None:
        tree["model"] = {"path": arguments.model}
    for flag in _FLAGS:
        value = getattr(arguments, flag.name[2:].replace("-", "_"))
        if value is None:
            continue
        section = tree.setdefault(flag.section, {})
        if flag.key:
            # Of pairs, each is a tuple.
            section[flag.key] = dict(value) if flag.options.get("type") is pair else value
        elif flag.section == "labels":
            for name, text in value:
                section.setdefault(name, []).append(text)
        else:
            section.update(value)
    return tree


def _blame_flag(error: BundleError, flags: Tree) -> BundleError:
    """Return the error with the flag as its subject where a flag, and not the file, is at fault."""
    section, _, rest = error.subject.removeprefix("/").partition("/")
    key = rest.partition("/")[0].replace("~1", "/").replace("~0", "~")
    if key not in flags.get(section, {}):
        return error
    names = [flag.name for flag in _FLAGS if flag.section == section and flag.key in ("", key)]
    subject = names[0] if names else "MODEL"
    # The hint of bundle.toml is not that of a flag; a suggestion is.
    hint = error.hint if error.hint.startswith("did you mean") else "`python -m bundle build --help` shows it"
    return BundleError("usage_invalid", subject, error.expected, error.found, hint)
