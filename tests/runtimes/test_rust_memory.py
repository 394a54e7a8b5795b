"""What is special to Rust in this process: its memory, what it does with arrays, and its build."""

import gc
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.align import aligned_empty
from bundle.runtimes import _rust
from tests.native.programs import passed
from tests.runtime.make_bundle import Maker, one_node
from tests.runtimes.test_rust import native, refused
from tests.vectors.kit import answer, build, given
from tests.vectors.model import node


@pytest.fixture
def folder(place: Maker) -> Path:
    """A bundle that negates."""
    return place(one_node("Neg"))


def test_memory_that_runs_out_is_an_error(place: Maker) -> None:
    made = build(
        [given("x", "int64", [1])],
        [answer("y", "float32", ["rows"])],
        [node("ConstantOfShape", "x", "y")],
        lambda inputs: inputs,
    )
    program = """
import resource, sys, numpy as np, bundle
from bundle.error import BundleError
predictor = bundle.open(sys.argv[1], runtime="rust")
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
# Room for the library's own result, and none for a copy of it.
resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20),) * 2)
for count in (50 << 20, 1 << 40):
    try:
        predictor.predict(np.array([count]))
    except BundleError as error:
        print(error.code, error.found)
print(predictor.predict(np.array([3]))["y"])
"""
    command = [sys.executable, "-c", program, str(place(made))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    ours, theirs, alive = done.stdout.splitlines()
    assert ours == f"runtime_failure no memory for {200 << 20} bytes"
    assert theirs.startswith("runtime_failure")
    assert alive == "[0. 0. 0.]"


def test_an_output_is_rusts_own_memory_and_outlives_everything(folder: Path) -> None:
    opened = native(folder)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    y = opened.predict({"x": x})["y"]
    opened.close()
    del opened
    gc.collect()
    assert type(y.base).__name__ == "Memory" and y.flags.writeable
    np.testing.assert_array_equal(y, -x)
    y += 1
    np.testing.assert_array_equal(y, 1 - x)


def test_a_bound_call_keeps_its_model_and_arrays(folder: Path) -> None:
    x, y = aligned_empty((4, 3), np.dtype("float32")), aligned_empty((4, 3), np.dtype("float32"))
    x[...] = 2
    call, expected = native(folder).bind({"x": x}, {"y": y}), -x
    del x
    gc.collect()
    call.run()
    np.testing.assert_array_equal(y, expected)


def test_text_of_a_bound_call_is_read_at_every_run(place: Maker) -> None:
    opened = native(place(one_node("Identity", "string", ("rows",))))
    words = np.array(["", "é", "文\n"], object)
    call = opened.bind({"x": words}, {})
    call.run()
    words[1] = 7
    assert refused(call.run) == ("input_dtype_mismatch", "x")
    words[1] = "half a pair: \ud800"
    assert refused(call.run) == ("input_value", "x")
    words[1] = "U+0000: \0"
    assert refused(call.run) == ("input_value", "x")
    words[1] = "right"
    call.run()


def test_arrays_that_the_binding_is_never_given_do_no_harm(folder: Path) -> None:
    opened, x = native(folder), np.ones((2, 3), np.float32)
    for wrong in ([[1.0] * 3] * 2, x.astype(">f4"), x.astype("c8"), x.astype("U5"), x.astype(object), None):
        assert refused(partial(opened.predict, {"x": wrong})) == ("input_dtype_mismatch", "x")
    assert refused(lambda: opened.predict({"x": x.T.copy().T})) == ("buffer_unsuitable", "x")
    assert refused(lambda: opened.predict({"\ud800": x})) == ("input_unknown", "\ufffd\ufffd\ufffd")
    sealed = np.ones((2, 3), np.float32)
    sealed.flags.writeable = False
    for wrong in (sealed, x.T.copy().T, x.astype(">f4"), [x], x[:1], np.ones((2, 3), object)):
        assert refused(partial(opened.predict_into, {"x": x}, {"y": wrong})) == ("buffer_unsuitable", "y")
    assert sealed.sum() == 6
    with pytest.raises(TypeError):
        opened.predict({1: x})
    with pytest.raises(TypeError):
        opened.predict([x])


def test_options_of_any_kind_are_judged_and_never_fatal(folder: Path) -> None:
    ring: list[Any] = []
    ring.append(ring)
    for value in (None, 1.5, 2**70, ring, {1: 2}, object(), b"rust", float("nan")):
        work = partial(_rust.Native, str(folder), {"providers": value})
        assert refused(work) == ("option_invalid", "providers")


def test_the_module_is_for_every_python_and_needs_the_system_alone() -> None:
    path = Path(str(_rust.__file__))
    assert path.name == "_rust.abi3.so"
    printed = passed(["readelf", "--dynamic", "--wide", path])
    needed = set(re.findall(r"\(NEEDED\).*\[(\w+).*\]", printed))
    assert needed <= {"ld", "libc", "libgcc_s", "libm"}


def test_both_lists_of_crates_have_the_same_versions(root: Path) -> None:
    def listed(path: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for line in (root / path).read_text("utf-8").splitlines():
            name, version = line.split(" = ")
            found.setdefault(name, set()).add(version)
        return found

    own, theirs = listed("rust/python/versions.txt"), listed("rust/versions.txt")
    shared = own.keys() & theirs.keys()
    assert "ort" in shared
    assert {name for name in shared if not own[name] <= theirs[name]} == set()
