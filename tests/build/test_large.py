"""A model whose weights no single file can hold, built on a machine with little memory."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from bundle.builder.ingest import INLINE_LIMIT
from tests.build import make_models as make
from tests.build.place import Place

#: More than a protobuf message holds, in rows of 4 KiB.
ROWS = -(-INLINE_LIMIT // 4096) + 1


@pytest.mark.slow
def test_weights_above_what_one_file_holds(place: Place) -> None:
    """A model of 2 GiB of external data, in a file of zeros that takes no space."""
    table = TensorProto(name="table", data_type=TensorProto.FLOAT, dims=[ROWS, 1024])
    table.data_location = TensorProto.EXTERNAL
    table.external_data.add(key="location", value="table.bin")
    with (place.folder / "table.bin").open("wb") as file:
        file.truncate(ROWS * 4096)
    node = helper.make_node("Gather", ["table", "ids"], ["y"])
    inputs, outputs = [make.value("ids", ["batch"], make.INT64)], [make.value("y", ["batch", 1024])]
    model = make.model_of([node], inputs, outputs)
    model.graph.initializer.append(table)
    path = make.save(model, place.folder)
    with subprocess.Popen(**place.command(path)) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, own_memory(process.pid))
            time.sleep(0.05)
        assert process.stdout is not None
        (row,) = json.loads(process.stdout.read())["bundles"]
    # A small machine builds it: nothing holds the weights, which are mapped or copied in pieces.
    assert 0 < peak < path.with_name("table.bin").stat().st_size // 8
    assert [(row["stage"], row["reason"]) for row in row["report"]["stages"]] == [
        ("check", ""),
        ("slim", "not_applicable"),
        ("convert", "not_applicable"),
    ]


def own_memory(process: int) -> int:
    """Return the bytes that a process and its children hold and that no file could give back."""
    try:
        rows = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
        children = Path(f"/proc/{process}/task/{process}/children").read_text("utf-8").split()
    except OSError:  # it has ended
        return 0
    own = sum(int(row.split()[1]) * 1024 for row in rows if row.startswith("RssAnon"))
    return own + sum(own_memory(int(child)) for child in children)
