"""What is special to Go in this process: its threads and signal handlers, panics, handles, memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bundle
from bundle.error import BundleError
from bundle.runtimes import go
from tests.runtime.make_bundle import Maker, one_node
from tests.runtimes.children import HEARS_CONTROL_C

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
    command = [sys.executable, "-c", HEARS_CONTROL_C + PREAMBLE + program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.fixture
def folder(place: Maker) -> Path:
    """A bundle that negates."""
    return place(one_node("Neg"))


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
