"""The command ``edit``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bundle.cli import exits, extra, output
from bundle.cli.values import pair
from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.builder.edit import Edit, Edited

SUMMARY = "changes the edge of an .onnx file: names, axes, outputs, operator set"
DETAILS = (
    "All names are those of IN. Where an edit must not change an answer, both files run on made-up inputs\n"
    "and have to agree; OUT is written only then. An axis is freed only where the model takes another size."
)
EXAMPLES = (
    "model.onnx renamed.onnx --rename-input x:0=image --rename-output Identity=scores",
    "model.onnx small.onnx --outputs features --fix batch=1 --opset 17",
    "model.onnx any-batch.onnx --free image:0=batch",
)

Value = TypeVar("Value")


def _size(text: str) -> tuple[str, int]:
    name, value = _last_pair(text)
    try:
        return name, int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is no integer") from None


def _last_pair(text: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


_PAIRS = (
    ("--rename-input", "OLD=NEW", pair, "give an input another name"),
    ("--rename-output", "OLD=NEW", pair, "give an output another name"),
    ("--fix", "AXIS=N", _size, "give a named axis, or INPUT:AXIS, one size"),
    ("--free", "INPUT:AXIS=NAME", _last_pair, "let an axis have any size, under a name"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``edit``."""
    parser.add_argument("source", metavar="IN", help="the .onnx file")
    parser.add_argument("out", metavar="OUT", help="the file to write; large weights go to OUT.data")
    for name, metavar, kind, text in _PAIRS:
        parser.add_argument(
            name, type=kind, action="append", default=[], metavar=metavar, help=f"{text}; repeatable"
        )
    parser.add_argument(
        "--outputs",
        action="append",
        default=[],
        metavar="A,B",
        help="make these tensors the outputs, inner ones too; what they do not need goes; repeatable",
    )
    parser.add_argument("--opset", type=int, metavar="N", help="convert the model to this operator set")
    parser.add_argument("--force", action="store_true", help="write over OUT, which may be IN")


def run(arguments: argparse.Namespace) -> int:
    """Edit, and print what came of it.

    Errors: ``usage_invalid``, ``extra_missing``, ``output_file_unwritable``, and those of the edit.
    """
    extra.require("onnx")
    from bundle.builder.edit import edit
    from bundle.builder.plainfile import place, refuse_taken
    from bundle.builder.worker import Worker, explaining
    from bundle.builder.workfolder import ending_tidily, work_folder

    wanted = wanted_of(arguments)
    source, out = Path(arguments.source), Path(arguments.out)
    refuse_taken(out, arguments.force)
    with (
        ending_tidily(),
        work_folder() as work,
        Worker(temporary=work) as worker,
        explaining(source.name),
    ):
        edited = edit(source, wanted, work, worker)
        data = place(edited.model, out)
    if arguments.json:
        output.print_json({"ok": True, "path": str(out), "data": data and str(data), **_tree(edited)})
    else:
        output.print_text(_lines(edited, out, data))
    return exits.OK


def wanted_of(arguments: argparse.Namespace) -> Edit:
    """Return what a command line asks for.

    Errors: ``usage_invalid`` where it asks for nothing, or for two things at once.
    """
    from bundle.builder.edit import Edit

    wanted = Edit(
        rename_inputs=_mapping("--rename-input", arguments.rename_input),
        rename_outputs=_mapping("--rename-output", arguments.rename_output),
        fix=_mapping("--fix", arguments.fix),
        free=_mapping("--free", arguments.free),
        outputs=tuple(arguments.outputs),
        opset=arguments.opset,
    )
    if wanted == Edit():
        flags = ", ".join([*(name for name, *_ in _PAIRS), "--outputs", "--opset"])
        raise BundleError("usage_invalid", "edit", f"at least one of {flags}", "none")
    return wanted


def _mapping(flag: str, pairs: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise BundleError("usage_invalid", flag, f"one value for `{name}`", "two")
    return found


def _tree(edited: Edited) -> dict[str, Any]:
    return {
        "removed_inputs": list(edited.removed_inputs),
        "compared_cases": len(edited.likeness.cases),
        "worst_error": edited.likeness.worst_error,
        "notes": _notes(edited),
    }


def _notes(edited: Edited) -> list[str]:
    removed = [f"no output needs the input `{name}`: removed" for name in edited.removed_inputs]
    why = edited.likeness.why_not
    return [*removed, *edited.notes, *([f"not compared with the original: {why}"] if why else [])]


def _lines(edited: Edited, out: Path, data: Path | None) -> list[str]:
    cases, worst = len(edited.likeness.cases), edited.likeness.worst_error
    agreed = [f"same answers in {cases} made-up cases, worst error {worst:.2g}"] if worst is not None else []
    written = f"{out}, weights in {data.name}" if data else str(out)
    return [*(f"note: {note}" for note in _notes(edited)), *agreed, f"wrote {written}"]
