"""The command ``init``."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bundle.cli import exits, extra, output
from bundle.error import BundleError

SUMMARY = "writes a commented bundle.toml for a model"
DETAILS = (
    "Every key that build knows stands in it, with its default.\n"
    "The model's inputs and outputs stand at its end."
)
EXAMPLES = ("model.onnx", "models/digits.onnx --output bundle.toml --force")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``init``."""
    parser.add_argument("model", metavar="MODEL", help="the model file")
    parser.add_argument("--output", metavar="FILE", default="bundle.toml", help="default: bundle.toml")
    parser.add_argument("--force", action="store_true", help="write over a file that is already there")


def run(arguments: argparse.Namespace) -> int:
    """Write the file.

    Errors: ``extra_missing``, ``model_unreadable``, ``output_file_unwritable``.
    """
    extra.require("onnx")
    from bundle.cli.onnx_file import describe

    model, path = Path(arguments.model), Path(arguments.output)
    text = template(model, path, describe(model))
    try:
        with path.open("w" if arguments.force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        found, hint = "a file that is already there", "add --force to write over it"
        raise BundleError("output_file_unwritable", str(path), "a new file", found, hint) from error
    except OSError as error:
        found = error.strerror or str(error)
        raise BundleError("output_file_unwritable", str(path), "a file that can be written", found) from error
    if arguments.json:
        output.print_json({"ok": True, "path": str(path)})
    else:
        output.print_text([f"wrote {path}; next: python -m bundle build --config {path}"])
    return exits.OK


def template(model: Path, path: Path, described: dict[str, Any]) -> str:
    """Return the text of a ``bundle.toml`` at ``path`` for a model that ``onnx_file`` described."""
    from bundle.builder.config import NO_LICENSE, name_of

    relative = os.path.relpath(model, path.parent)
    signature = [
        *_ports("input", described["inputs"]),
        *_ports("output", described["outputs"]),
    ]
    return _TEMPLATE.format(
        path=_quote(relative),
        name=_quote(name_of(model)),
        license=_quote(NO_LICENSE),
        output=_quote(described["outputs"][0]["name"] if described["outputs"] else "output"),
        input=_quote(described["inputs"][0]["name"] if described["inputs"] else "input"),
        signature="\n".join(signature),
    )


def _quote(text: str) -> str:
    """Return text as a basic string of TOML, which escapes as JSON does, and DEL as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _ports(kind: str, ports: Iterable[dict[str, Any]]) -> list[str]:
    return [
        f"# {kind} {_quote(port['name'])}: {port['dtype']} {_quote(output.shape_text(port['shape']))[1:-1]}"
        for port in ports
    ]


_TEMPLATE = """\
# What `python -m bundle build` makes of this model. A key behind a `#` shows its default, or an example.
# Paths are relative to this file. A flag of the same name wins over a key.

[model]
path = {path}
name = {name}
version = "0.1.0"           # N.N.N
license = {license}   # SPDX identifier of the model's license
# description = "one line"

[build]
targets = ["arm64"]         # arm64, x86_64 or any; with a CPU class: "arm64:dotprod"
# golden = "cases.npz"      # real inputs; without it they are made up. np.savez writes it: inputs/NAME for
                            # each input; where known outputs/NAME and labels; the first axis is the cases
# output = "bundles"        # the bundle is written to OUTPUT/NAME-VERSION-TARGET
# formats = ["onnx", "ort"]
# optimizer = "onnxslim"    # or "onnxsim", "onnxoptimizer", "ort-basic", "transformers", "none"
# optimizer_options = {{ skip_fusion_patterns = "FusionGemm" }}   # text, by the library's own name
# precisions = ["source"]   # a variant each, the preferred one first: "source", "fp16", "int8-dynamic",
                            # "int8-static", or "auto", which makes them all and keeps one
# objective = "size"        # what auto keeps it by: "size", "latency" or "accuracy"
# calibration = "data.npz"  # for int8-static: real inputs, as golden has them, or .safetensors, a folder of
                            # images, or "module:function" that yields a dict of arrays for each case
# resize = [224, 224]       # of calibration images: height and width; without it the input's
# normalize = "0.5/0.25"    # of calibration images: MEAN/STD after division by 255
# decisions = "decisions.json"   # of an earlier build's attest/: auto makes the same choice again
# runner = "ssh board"      # a command that runs `driver` on the target, which sees the same paths
# driver = "bundle-predict" # the target's: it verifies and times the files there
# with_runtime = false      # true: put the target's libonnxruntime into lib/
# runtime_from = "wheels"   # the folder that holds its wheel; without it it is fetched
# archive = false           # true: write NAME-VERSION-TARGET.bundle, too
# html = false              # true: write attest/report.html, too
# opset = 17                # convert the model to this operator set
# seed = 0                  # for inputs that are made up
# allow_random = false      # true: accept a model that answers differently each time
# trust_pickle = false      # true: unpickle a scikit-learn estimator, which can run code
# allow_nonfinite = [{input}]   # inputs that may hold NaN and infinities

# [labels]                  # for an output: what its indices mean
# {output} = ["first", "second"]

# [decisions]               # for an output: argmax, threshold, equal or none, where the guess is wrong
# {output} = "argmax"

# [session]                 # session defaults of the bundle
# intra_op_threads = 1

# [metadata]
# author = "free text"

# The model has:
{signature}
"""
