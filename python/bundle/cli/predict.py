"""The command ``predict``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bundle.cli import exits, opening, output, progress

if TYPE_CHECKING:
    from bundle.predictor import Predictor

SUMMARY = "predicts from a file of inputs"
DETAILS = (
    "Files are .npz, .safetensors or .json.\n"
    'JSON is an object of nested lists by name, with numbers that JSON lacks as "NaN", "Infinity"\n'
    'and "-Infinity", or of the tensors of DRIVER.md; the answer has the form of the question.'
)
EXAMPLES = (
    "bundles/digits-1.0.0-arm64 --input images.npz --output answers.npz",
    "bundles/digits-1.0.0-arm64 --input images.json --batch-size 32",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``predict``."""
    opening.add_arguments(parser)
    parser.add_argument("--input", metavar="FILE", required=True, help="the inputs; `-` for JSON from stdin")
    parser.add_argument("--output", metavar="FILE", help="default: JSON on stdout")
    parser.add_argument("--batch-size", type=int, metavar="N", help="predict in pieces of N rows")
    parser.add_argument("--cast", action="store_true", help="convert float64 to float32, and to wider types")


def run(arguments: argparse.Namespace) -> int:
    """Predict and write the answer.

    Errors: ``input_file_unreadable``, ``output_file_unwritable``, and those of opening and predicting.
    """
    from bundle.cli import tensor_file

    if arguments.output is not None:
        tensor_file.check_ending(arguments.output)
    with opening.open_predictor(arguments, cast=arguments.cast or None) as predictor:
        given = tensor_file.read(arguments.input, predictor.inputs)
        outputs = _predict(predictor, given.tensors, arguments.batch_size)
    if arguments.output is None:
        output.print_json(tensor_file.json_tree(outputs, given.exact))
        return exits.OK
    tensor_file.write(arguments.output, outputs, given.exact)
    if arguments.json:
        output.print_json({"ok": True, "path": arguments.output, "outputs": tensor_file.summary(outputs)})
    else:
        lines = [
            f"{row['name']}: {row['dtype']} {output.shape_text(row['shape'])}"
            for row in tensor_file.summary(outputs)
        ]
        output.print_text([*lines, f"wrote {arguments.output}"])
    return exits.OK


def _predict(predictor: Predictor, inputs: dict[str, Any], batch_size: int | None) -> dict[str, Any]:
    if batch_size is None:
        return predictor.predict(inputs)
    with progress.bar("predicting") as show:
        return predictor.predict_batch(inputs, batch_size, progress=show)
