"""A model file on its own: written beside its destination, then put in place with one rename."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from onnx import ModelProto

from bundle import durable
from bundle.builder.external import append_region, external_tensors, locate
from bundle.builder.graph import load_graph, save_graph
from bundle.builder.model import Model
from bundle.error import BundleError
from bundle.locked import make_locked, remove_abandoned

_PREFIX = ".edgebundle-"


def refuse_taken(out: Path, force: bool) -> None:
    """Refuse a destination before the work begins: a folder, no folder around it, a file that must stay.

    Errors: ``output_file_unwritable``.
    """
    hint = ""
    if out.is_dir():
        found = "a folder"
    elif not out.parent.is_dir():
        found = "no such folder"
    elif os.path.lexists(out) and not force:
        found, hint = "a file that is already there", "add --force to write over it"
    else:
        return
    raise BundleError("output_file_unwritable", str(out), "a new file", found, hint)


def place(model: Model, out: Path) -> Path | None:
    """Copy a model to ``out``; a kill or a full disk at any moment leaves what was there before.

    External weights go into one file beside it, under a name that is free: an older model keeps its own
    until the new one is in place, and what else uses that file keeps it for good.

    Returns:
        the file of the weights; None where they are in the model.

    Errors: ``output_file_unwritable``.
    """
    try:
        remove_abandoned(out.parent, _PREFIX)
        folder, lock = make_locked(out.parent, _PREFIX)
    except OSError as error:
        raise _unwritable(out, error) from error
    try:
        return _write(model, out, folder)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _write(model: Model, out: Path, folder: Path) -> Path | None:
    if not model.data:
        durable.write_files(folder, {out.name: model.path})
        os.replace(folder / out.name, out)
        durable.sync_folder(out.parent)
        return None
    graph = load_graph(model.path)
    data = _free_name(out)
    gather_data(graph, model.path.parent, folder / data.name)
    save_graph(graph, folder / out.name)
    for path in (folder / data.name, folder / out.name):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    # The graph comes last: until then nothing refers to the new weights.
    os.replace(folder / data.name, data)
    try:
        os.replace(folder / out.name, out)
    except OSError:
        data.unlink()
        raise
    durable.sync_folder(out.parent)
    return data


def gather_data(graph: ModelProto, source: Path, target: Path) -> None:
    """Copy the external weights of a graph in the folder ``source`` to the new file ``target``.

    Errors: those of ``locate``.
    """
    # Every region is looked at before the first byte is copied.
    pairs = [(tensor, locate(tensor, source)) for tensor in external_tensors(graph)]
    with target.open("xb") as file:
        for tensor, region in pairs:
            append_region(tensor, region, file, target.name)


def _free_name(out: Path) -> Path:
    """Return the first of ``OUT.data``, ``OUT.2.data``, ... that is not there."""
    path, number = out.with_name(f"{out.name}.data"), 1
    while os.path.lexists(path):
        number += 1
        path = out.with_name(f"{out.name}.{number}.data")
    return path


def _unwritable(out: Path, error: OSError) -> BundleError:
    found = error.strerror or str(error)
    return BundleError("output_file_unwritable", str(out), "a file that can be written", found)
