"""The flags that say what bundle.toml says, for the commands that take some or all of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

from bundle.cli.values import pair, setting, size
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.builder.config import Tree
    from bundle.builder.project import Project


class Flag(NamedTuple):
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

FLAGS = (
    Flag(
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
    Flag("--name", "model", "name", {"help": "default: the file's name"}),
    Flag("--version", "model", "version", {"metavar": "N.N.N", "help": "default: 0.1.0"}),
    Flag(
        "--license",
        "model",
        "license",
        {"help": "SPDX identifier of the model's license; default: NOASSERTION"},
    ),
    Flag("--description", "model", "description", {"metavar": "TEXT", "help": "one line"}),
    Flag(
        "--golden",
        "build",
        "golden",
        {"metavar": "CASES.npz", "help": "real inputs, as said above; without it they are made up"},
    ),
    Flag(
        "--output", "build", "output", {"metavar": "DIR", "help": "folder for the bundles; default: bundles"}
    ),
    Flag(
        "--formats",
        "build",
        "formats",
        {"type": _words, "metavar": "F,F", "help": "onnx,ort (default) or one of them"},
    ),
    Flag(
        "--opset",
        "build",
        "opset",
        {"type": int, "metavar": "N", "help": "convert the model to this operator set"},
    ),
    Flag(
        "--optimizer",
        "build",
        "optimizer",
        {
            "metavar": "NAME",
            "help": "onnxslim (default), onnxsim, onnxoptimizer, ort-basic, transformers or none",
        },
    ),
    Flag(
        "--optimizer-option",
        "build",
        "optimizer_options",
        _pairs(pair, "KEY=VALUE", "an option of the optimizer, by its library's name, as fixed_point=true"),
    ),
    Flag(
        "--precision",
        "build",
        "precisions",
        {
            "action": "append",
            "metavar": "P",
            "help": "a variant of the model: source (default), fp16, int8-dynamic, int8-static, or auto, "
            "which measures them all and keeps one; repeatable, the preferred one first",
        },
    ),
    Flag(
        "--objective",
        "build",
        "objective",
        {"metavar": "O", "help": "what auto chooses by: size (default), latency or accuracy"},
    ),
    Flag(
        "--calibration",
        "build",
        "calibration",
        {
            "metavar": "DATA",
            "help": "representative inputs for int8-static: .npz, .safetensors, a folder of images, or "
            "MODULE:FUNCTION that yields a dict of arrays for each case",
        },
    ),
    Flag(
        "--resize",
        "build",
        "resize",
        {"type": size, "metavar": "HxW", "help": "of calibration images; default: the input's size"},
    ),
    Flag(
        "--normalize",
        "build",
        "normalize",
        {"metavar": "MEAN/STD", "help": "of calibration images, after division by 255, as 0.5/0.25"},
    ),
    Flag(
        "--decisions",
        "build",
        "decisions",
        {"metavar": "FILE", "help": "attest/decisions.json of an earlier build: auto chooses the same again"},
    ),
    Flag(
        "--runner",
        "build",
        "runner",
        {"metavar": "CMD", "help": "command that runs --driver on the target, which sees the same paths"},
    ),
    Flag(
        "--driver",
        "build",
        "driver",
        {"metavar": "PATH", "help": "the target's bundle-predict: it verifies and times the files there"},
    ),
    Flag(
        "--with-runtime",
        "build",
        "with_runtime",
        {**_SWITCH, "help": "put the target's libonnxruntime into lib/, so that a device needs nothing else"},
    ),
    Flag(
        "--runtime-from",
        "build",
        "runtime_from",
        {
            "metavar": "DIR",
            "help": "folder that holds the wheel for --with-runtime; without it it is fetched",
        },
    ),
    Flag("--archive", "build", "archive", {**_SWITCH, "help": "write NAME-VERSION-TARGET.bundle, too"}),
    Flag("--html", "build", "html", {**_SWITCH, "help": "write attest/report.html, too"}),
    Flag(
        "--allow-random",
        "build",
        "allow_random",
        {
            "action": "store_true",
            "default": None,
            "help": "accept a model that answers differently each time",
        },
    ),
    Flag(
        "--allow-nonfinite",
        "build",
        "allow_nonfinite",
        {
            "action": "append",
            "metavar": "INPUT",
            "help": "this input may hold NaN and infinities; repeatable",
        },
    ),
    Flag(
        "--seed",
        "build",
        "seed",
        {"type": int, "metavar": "N", "help": "for inputs that are made up; default: 0"},
    ),
    Flag(
        "--trust-pickle",
        "build",
        "trust_pickle",
        {
            "action": "store_true",
            "default": None,
            "help": "unpickle MODEL (.joblib, .pkl), which can run any code: only of people you trust",
        },
    ),
    Flag("--metadata", "metadata", "", _pairs(pair, "KEY=TEXT", "free text in the bundle")),
    Flag("--label", "labels", "", _pairs(pair, "OUTPUT=TEXT", "what the output's next index means")),
    Flag("--decision", "decisions", "", _pairs(pair, "OUTPUT=WORD", "argmax, threshold, equal or none")),
    Flag(
        "--session", "session", "", _pairs(setting, "NAME=VALUE", "a session default, as intra_op_threads=2")
    ),
)


def add(parser: argparse.ArgumentParser, *names: str) -> None:
    """Declare these flags, or all."""
    for flag in FLAGS:
        if not names or flag.name in names:
            parser.add_argument(flag.name, **flag.options)


def project_of(tree: Tree, flags: Tree, command: str) -> Project:
    """Return the project of a tree, over which the flags win.

    Args:
        tree: what a file, or the command itself, says.
        flags: what ``flag_tree`` returned.
        command: the name of the command, for a hint.

    Errors: ``usage_invalid`` with the flag, ``config_invalid`` with the place in the file.
    """
    from bundle.builder import config

    merged = config.merge(tree, flags)
    try:
        config.check_tree(merged)
    except BundleError as error:
        raise _blame_flag(error, flags, command) from error
    return config.make_project(merged)


def flag_tree(arguments: argparse.Namespace) -> Tree:
    """Return what the flags say, as bundle.toml would say it."""
    tree: Tree = {}
    if arguments.model is not None:
        tree["model"] = {"path": arguments.model}
    for flag in FLAGS:
        # A command may take some of the flags only.
        value = getattr(arguments, flag.name[2:].replace("-", "_"), None)
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


def _blame_flag(error: BundleError, flags: Tree, command: str) -> BundleError:
    """Return the error with the flag as its subject where a flag, and not the file, is at fault."""
    section, _, rest = error.subject.removeprefix("/").partition("/")
    key = rest.partition("/")[0].replace("~1", "/").replace("~0", "~")
    if key not in flags.get(section, {}):
        return error
    names = [flag.name for flag in FLAGS if flag.section == section and flag.key in ("", key)]
    subject = names[0] if names else "MODEL"
    # The hint of bundle.toml is not that of a flag; a suggestion is.
    suggested = error.hint.startswith("did you mean")
    hint = error.hint if suggested else f"`python -m bundle {command} --help` shows it"
    return BundleError("usage_invalid", subject, error.expected, error.found, hint)
