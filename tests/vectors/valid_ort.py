"""Bundles with frozen files: .ort, whole and mapped."""

import tempfile
from functools import cache
from pathlib import Path

from tests.vectors.bases import scale
from tests.vectors.case import Case, open_, predict, self_test, valid
from tests.vectors.kit import MODEL, Bundle, grid, variant

ORT = "models/source.ort"
# The file is frozen for one architecture and holds nothing that another could not run.
FOREIGN = {"allow_foreign_target": True}


@cache
def frozen(source: bytes) -> bytes:
    """A model in ORT format, as the builder writes it."""
    from bundle.builder.convert import freeze

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "model.onnx"), Path(folder, "model.ort")
        before.write_bytes(source)
        freeze(before, after, "0")
        return after.read_bytes()


def scale_with_ort(*, onnx: bool = True) -> Bundle:
    """`scale` for x86_64 with an .ort file."""
    made = scale()
    made.tree["target"] = {"arch": "x86_64", "cpu_class": "generic", "os": "linux"}
    made.files[ORT] = frozen(made.files[MODEL])
    files = {"onnx": MODEL, "ort": ORT}
    if not onnx:
        del files["onnx"], made.files[MODEL]
    made.tree["variants"] = [variant("source", files, 1)]
    return made.seal()


def opened(made: Bundle, options: dict, form: str) -> Case:
    """A case that opens, predicts and tests itself."""
    steps = [open_(FOREIGN | options, {"format": form}), predict(made, {"x": grid(3, 3)}), self_test()]
    return Case(steps, bundle=made)


@valid("P4")
def ort_file_preferred() -> Case:
    """Both files are there and the frozen one fits: it is taken."""
    return opened(scale_with_ort(), {}, "ort")


@valid("P4")
def ort_file_asked_for() -> Case:
    """An explicit format, in a bundle with nothing else."""
    return opened(scale_with_ort(onnx=False), {"format": "ort"}, "ort")


@valid("P4")
def onnx_file_asked_for_beside_an_ort_file() -> Case:
    """An explicit format decides against the preferred one."""
    return opened(scale_with_ort(), {"format": "onnx"}, "onnx")


@valid("P4", "P5")
def ort_file_mapped() -> Case:
    """`mapped` asks for the .ort file and maps it."""
    return opened(scale_with_ort(), {"mapped": True}, "ort")
