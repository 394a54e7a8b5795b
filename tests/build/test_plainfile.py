"""A model file on its own: in place as a whole, or not at all."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bundle.builder.external import onnx_model
from bundle.builder.plainfile import place, refuse_taken
from bundle.builder.signature import open_session
from tests.build import make_models as make
from tests.build.edits import refusal


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_model_is_put_in_place_with_its_weights(tmp_path: Path, elsewhere: Path) -> None:
    model = onnx_model(make.external_data(tmp_path))
    out = elsewhere / "small.onnx"
    assert place(model, out) == elsewhere / "small.onnx.data"
    assert names(elsewhere) == ["small.onnx", "small.onnx.data"]
    case = {"x": make.weights(2, 8)}
    answers = [open_session(each).run(None, case)[0] for each in (model, onnx_model(out))]
    assert np.array_equal(*answers)
    # A second model takes another file for its weights: of the first one nothing is written over.
    first = (elsewhere / "small.onnx.data").read_bytes()
    assert place(model, out) == elsewhere / "small.onnx.2.data"
    assert (elsewhere / "small.onnx.data").read_bytes() == first
    assert open_session(onnx_model(out))


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    out = make.save(make.mlp(), tmp_path)
    error = refusal(refuse_taken, out, False)
    assert (error.code, error.hint) == ("output_file_unwritable", "add --force to write over it")
    refuse_taken(out, True)
    assert refusal(refuse_taken, tmp_path, True).found == "a folder"
    assert refusal(refuse_taken, tmp_path / "absent" / "m.onnx", True).found == "no such folder"


@pytest.mark.parametrize("external", [False, True])
def test_a_failure_half_way_leaves_what_was_there(
    external: bool, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make.external_data(tmp_path) if external else make.save(make.mlp(), tmp_path)
    out = elsewhere / "m.onnx"
    out.write_bytes(b"the older one")
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if target == out:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    error = refusal(place, onnx_model(path), out)
    assert (error.code, error.found) == ("output_file_unwritable", "No space left on device")
    assert (names(elsewhere), out.read_bytes()) == (["m.onnx"], b"the older one")


def test_a_kill_half_way_leaves_what_was_there(tmp_path: Path, elsewhere: Path) -> None:
    source, out = make.external_data(tmp_path), elsewhere / "m.onnx"
    out.write_bytes(b"the older one")
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from bundle.builder.external import onnx_model\nfrom bundle.builder.plainfile import place\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "place(onnx_model(Path(sys.argv[1])), Path(sys.argv[2]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(source), str(out)])
    assert done.returncode == -signal.SIGKILL
    assert out.read_bytes() == b"the older one"
    assert len(names(elsewhere)) == 2
    # The next one takes away what the killed one left.
    place(onnx_model(source), out)
    assert names(elsewhere) == ["m.onnx", "m.onnx.data"]
