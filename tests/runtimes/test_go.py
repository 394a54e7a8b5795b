"""What is special to Go in this process: its threads and signal handlers, panics, handles, memory."""

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundle
from bundle.error import BundleError
from bundle.runtimes import go
from tests.runtime.make_bundle import Maker, mlp, one_node
from tests.vectors.kit import answer, build, given
from tests.vectors.model import node

# Begins each child: `folder` is a bundle that negates; `status` reads the masks of signals, in hex.
PREAMBLE = """
import os, signal, sys
import numpy as np
import bundle
from bundle.error import BundleError
folder = sys.argv[1]
x = np.ones((1, 3), np.float32)
def masks(number):
    lines = open("/proc/self/status").read().splitlines()
    words = dict(line.split(":\\t") for line in lines if line.startswith("Sig"))
    return [int(words[name], 16) >> (number - 1) & 1 for name in ("SigIgn", "SigCgt")]
def code(call):
    try:
        call()
    except BundleError as error:
        return error.code
"""


def child(folder: Path, program: str, seconds: float = 60) -> str:
    """Run a program in a new process, which has to end well, in time and without a word on stderr."""
    command = [sys.executable, "-c", PREAMBLE + program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.fixture
def folder(place: Maker) -> Path:
    """A bundle that negates."""
    return place(one_node("Neg"))


def handle_of(folder: Path) -> Any:
    """What the adapter made of an open predictor."""
    predictor: Any = bundle.open(folder, runtime="go")
    return predictor._native


@pytest.mark.parametrize("handle", [0, 2**40])
def test_a_panic_is_an_error_and_the_predictor_lives_on(folder: Path, handle: int) -> None:
    native = handle_of(folder)
    x = np.ones((1, 3), np.float32)
    right, native._handle = native._handle, handle
    for call in (native.described, native.self_test, native.close, lambda: native.predict({"x": x})):
        with pytest.raises(BundleError, match="handle") as caught:
            call()
        assert (caught.value.code, caught.value.subject) == ("internal_error", ".")
    native._handle = right
    np.testing.assert_array_equal(native.predict({"x": x})["y"], -x)


def test_a_handle_of_another_kind_is_an_error(folder: Path) -> None:
    native = handle_of(folder)
    x, y = np.ones((4, 3), np.float32), np.ones((4, 3), np.float32)
    call: Any = native.bind({"x": x}, {"y": y})
    right, call._handle = call._handle, native._handle
    with pytest.raises(BundleError) as caught:
        call.run()
    assert caught.value.code == "internal_error"
    call._handle = right
    call.run()
    np.testing.assert_array_equal(y, -x)


@pytest.mark.parametrize("number", ["SIGPIPE", "SIGINT"])
@pytest.mark.parametrize("way", ["SIG_IGN", "SIG_DFL", "print"])
def test_signals_are_handled_as_before(folder: Path, number: str, way: str) -> None:
    handler = "lambda *_: print('handled')" if way == "print" else f"signal.{way}"
    printed = child(
        folder,
        f"""
signal.signal(signal.{number}, {handler})
before = masks(signal.{number})
predictor = bundle.open(folder, runtime="go")
predictor.predict(x)
assert masks(signal.{number}) == before == {[int(way == "SIG_IGN"), int(way == "print")]}
if {way != "SIG_DFL"}:
    os.kill(os.getpid(), signal.{number})
""",
    )
    assert printed == ("handled" if way == "print" else "")


def test_a_broken_pipe_is_an_exception(folder: Path) -> None:
    program = """
predictor = bundle.open(folder, runtime="go")
predictor.predict(x)
reader, writer = os.pipe()
os.close(reader)
try:
    os.write(writer, b"x")
except BrokenPipeError:
    print("told")
"""
    assert child(folder, program) == "told"


@pytest.mark.parametrize(
    "waiting", ["time.sleep(60)", "while True: predictor.predict(x)", "while True: call.run()"]
)
def test_ctrl_c_raises_keyboard_interrupt(folder: Path, waiting: str) -> None:
    program = f"""
import threading, time
predictor = bundle.open(folder, runtime="go")
y = np.empty((8, 3), np.float32)
call = predictor.bind({{"x": np.ones((8, 3), np.float32)}}, {{"y": y}})
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    {waiting}
except KeyboardInterrupt:
    predictor.predict(x)
    print("interrupted")
"""
    assert child(folder, program, seconds=30) == "interrupted"


FORKED = """
import atexit, gc
predictor = bundle.open(folder, runtime="go")
y = np.empty((8, 3), np.float32)
call = predictor.bind({"x": np.ones((8, 3), np.float32)}, {"y": y})
predictor.predict(x)
process = FORK()
if process == 0:
    calls = [
        lambda: predictor.predict(x), lambda: predictor.predict_into(x, {"y": y[:1]}), call.run,
        lambda: predictor.predict_batch(x), predictor.self_test, lambda: bundle.open(folder, runtime="go"),
    ]
    right = [code(one) for one in calls] == ["process_forked"] * len(calls)
    predictor.close()
    atexit.register(predictor.close)
    kept = predictor
    del predictor, call, calls
    gc.collect()
    LEAVE(0 if right else 1)
_, status = os.waitpid(process, 0)
assert status == 0, status
call.run()
np.testing.assert_array_equal(predictor.predict(x)["y"], -x)
print("parent")
"""


@pytest.mark.parametrize(
    ("fork", "leave"),
    [("os.fork", "sys.exit"), ("os.fork", "os._exit"), ("__import__('ctypes').CDLL(None).fork", "os._exit")],
)
def test_a_forked_process_is_refused_and_ends(folder: Path, fork: str, leave: str) -> None:
    program = FORKED.replace("FORK", fork).replace("LEAVE", leave)
    assert child(folder, program, seconds=30) == "parent"


def test_a_process_forked_before_go_was_loaded_may_load_it(folder: Path) -> None:
    program = """
process = os.fork()
np.testing.assert_array_equal(bundle.open(folder, runtime="go").predict(x)["y"], -x)
if process:
    assert os.waitpid(process, 0)[1] == 0
"""
    assert child(folder, program) == ""


def test_a_subprocess_starts_while_go_runs(folder: Path) -> None:
    program = """
import subprocess, threading
predictor = bundle.open(folder, runtime="go")
done = threading.Event()
def work():
    while not done.is_set():
        predictor.predict(x)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for _ in range(10):
    subprocess.run(["true"], check=True, preexec_fn=lambda: None)
done.set()
for thread in threads: thread.join()
"""
    assert child(folder, program) == ""


@pytest.mark.parametrize("ending", ["", "sys.exit(0)", "predictor.close()", "del predictor"])
def test_the_interpreter_ends_with_open_predictors(folder: Path, ending: str) -> None:
    program = f"""
predictor = bundle.open(folder, runtime="go")
other = bundle.open(folder, runtime="go")
call = other.bind({{"x": np.ones((8, 3), np.float32)}}, {{}})
predictor.predict(x)
{ending}
"""
    assert child(folder, program) == ""


def test_a_bound_call_outlives_its_predictor_and_buffers_in_callers_hands(folder: Path) -> None:
    x, y = np.full((4, 3), 2, np.float32), np.empty((4, 3), np.float32)
    call = bundle.open(folder, runtime="go").bind({"x": x}, {"y": y})
    expected = -x
    del x
    gc.collect()
    call.run()
    np.testing.assert_array_equal(y, expected)


def test_what_is_dropped_is_let_go(folder: Path) -> None:
    binding = go._binding()
    native = handle_of(folder)
    call: Any = native.bind({"x": np.ones((4, 3), np.float32)}, {})
    handles = [native._handle, call._handle]
    del native, call
    gc.collect()
    for handle, function in zip(handles, ["close", "run"], strict=True):
        fault = getattr(binding.functions, f"edgebundle_go_{function}")(handle)
        assert binding.failed(fault).code == "internal_error"


def test_results_are_written_to_their_arrays(folder: Path) -> None:
    native = handle_of(folder)
    frame = native._frame({"x": np.ones((5, 3), np.float32)})
    offered = frame.offer()["y"]
    before = offered.ctypes.data
    functions = native._functions
    fault = functions.edgebundle_go_predict(native._handle, frame.inputs, 1, frame.outputs, 1, frame.rest)
    assert not fault and frame.rest[0] == 0 and frame.outputs[0].written
    assert offered.ctypes.data == before and (offered == -1).all()


def test_sizes_that_only_the_model_knows_and_text_come_in_new_arrays(place: Maker) -> None:
    x = np.array([0, 3, 0, 5, 7], np.float32)
    folder = place(one_node("NonZero", "float32", ("length",), ("axes", "found"), "int64"))
    with bundle.open(folder, runtime="go") as predictor:
        for _ in range(2):
            found = predictor.predict({"x": x})["y"]
            np.testing.assert_array_equal(found, [[1, 3, 4]])
            assert found.flags.owndata and found.flags.writeable
    words = np.array([["", "é", "a\nb"], ["文", "x" * 5000, " "]], object)
    with bundle.open(place(one_node("Identity", "string", ("rows", 3))), runtime="go") as predictor:
        assert predictor.predict({"x": words})["y"].tolist() == words.tolist()
        batch = predictor.predict({"x": words[:1]})["y"]
        assert (batch.dtype, batch.shape) == (np.dtype(object), (1, 3))


def test_an_output_that_no_memory_holds_is_an_error(place: Maker) -> None:
    made = build(
        [given("x", "int64", [4])],
        [answer("y", "float32", ["a", "b", "c", "d"])],
        [node("ConstantOfShape", "x", "y")],
        lambda inputs: inputs,
    )
    with bundle.open(place(made), runtime="go") as predictor:
        with pytest.raises(BundleError) as caught:
            predictor.predict({"x": np.full(4, 2**14, np.int64)})
        assert caught.value.code == "runtime_failure"
        assert predictor.predict({"x": np.full(4, 2, np.int64)})["y"].shape == (2, 2, 2, 2)


@pytest.mark.parametrize("size", [1, 3, 4, 7, 100, None])
def test_pieces_of_a_batch_are_those_of_python(place: Maker, size: int | None) -> None:
    folder = place(mlp())
    x = np.random.default_rng(0).standard_normal((21, 64)).astype(np.float32)
    seen: list[tuple[int, int]] = []
    with bundle.open(folder) as python, bundle.open(folder, runtime="go") as native:

        def progress(done: int, rows: int) -> None:
            seen.append((done, rows))
            native.predict({"x": x[:1]})

        y = native.predict_batch(x, size, progress)["y"]
        assert y.tobytes() == python.predict_batch(x, size)["y"].tobytes() and y.flags.owndata
    step = size or 21
    assert seen == [(min(start + step, 21), 21) for start in range(0, 21, step)]


def test_threads_with_other_shapes_get_their_own_answers(folder: Path) -> None:
    failures: list[str] = []
    with bundle.open(folder, runtime="go") as predictor:

        def work(rows: int) -> None:
            for turn in range(300):
                x = np.full((rows + turn % 2, 3), rows * 1000 + turn, np.float32)
                if not np.array_equal(predictor.predict({"x": x})["y"], -x):
                    failures.append(f"{rows} rows, turn {turn}")

        threads = [threading.Thread(target=work, args=(rows,)) for rows in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def test_the_environment_counts_as_it_is_when_a_bundle_is_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle.open(folder, runtime="go").close()
    monkeypatch.setenv("ORT_DYLIB_PATH", "/nonexistent/libonnxruntime.so")
    with pytest.raises(BundleError) as caught:
        bundle.open(folder, runtime="go")
    assert caught.value.code == "library_not_found"
    monkeypatch.delenv("ORT_DYLIB_PATH")
    bundle.open(folder, runtime="go").close()
    assert "ORT_DYLIB_PATH" not in os.environ


def test_a_library_that_was_not_built_is_missing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edgebundle_go.h").write_bytes(Path(go.__file__).with_name("edgebundle_go.h").read_bytes())
    monkeypatch.setattr(go, "__file__", str(tmp_path / "go.py"))
    go._binding.cache_clear()
    try:
        with pytest.raises(BundleError) as caught:
            bundle.open(folder, runtime="go")
    finally:
        go._binding.cache_clear()
    assert (caught.value.code, caught.value.subject, caught.value.hint) == (
        "runtime_missing",
        "go",
        "make native",
    )
