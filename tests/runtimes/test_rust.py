"""What is special to Rust in this process: panics, the interpreter's lock, its end, forks and signals."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundle
from bundle.align import aligned_empty
from bundle.error import BundleError
from bundle.runtimes import _rust
from tests.runtime.make_bundle import Maker, mlp, slow

# Begins each child: `folder` is a bundle of three layers over 64 numbers.
PREAMBLE = """
import os, signal, sys, threading, time
import numpy as np
import bundle
from bundle.align import aligned_empty
from bundle.error import BundleError
folder = sys.argv[1]
x, y = aligned_empty((8, 64), np.dtype("float32")), aligned_empty((8, 10), np.dtype("float32"))
x[...] = 1
predictor = bundle.open(folder, runtime="rust")
call = predictor.bind({"x": x}, {"y": y})
def for_ever(work):
    while True:
        work()
def code(work):
    try:
        work()
    except BundleError as error:
        return error.code
"""


def child(folder: Path, program: str) -> str:
    """Run a program in a new process, which has to end well, in time and without a word on stderr."""
    command = [sys.executable, "-c", PREAMBLE + program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def native(folder: Path, **options: Any) -> Any:
    """The binding itself, which trusts `NativePredictor` with less than others might."""
    opened: Any = bundle.open(folder, runtime="rust", **options)
    return opened._native


def refused(work: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(BundleError) as caught:
        work()
    return caught.value.code, caught.value.subject


@pytest.fixture
def layers(place: Maker) -> Path:
    return place(mlp())


def panicking(done: int, rows: int) -> bool:
    # PyO3 goes on with the panic that this stands for, here in the middle of a batch without the lock.
    raise _rust.PanicException(f"planted at {done} of {rows}")


def test_a_panic_is_an_error_and_the_predictor_lives_on(layers: Path, capfd: pytest.CaptureFixture) -> None:
    opened, x = native(layers), np.ones((4, 64), np.float32)
    before = opened.predict({"x": x})["y"]
    for _ in range(3):
        with pytest.raises(BundleError, match="a panic: planted at 2 of 4") as caught:
            opened.predict_batch({"x": x}, 2, panicking)
        assert (caught.value.code, caught.value.subject) == ("internal_error", ".")
    assert "resuming a panic" in capfd.readouterr().err, "no panic was planted"
    np.testing.assert_array_equal(opened.predict({"x": x})["y"], before)
    # The call that ended so is no longer in flight.
    opened.close()
    assert refused(lambda: opened.predict({"x": x})) == ("predictor_closed", ".")


def test_a_panic_in_a_thread_ends_neither_it_nor_the_process(layers: Path) -> None:
    opened, codes = native(layers), []

    def work() -> None:
        try:
            opened.predict_batch({"x": np.ones((4, 64), np.float32)}, 1, panicking)
        except BundleError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["internal_error"] * 4


def test_what_a_callback_raises_comes_out(layers: Path) -> None:
    def failing(done: int, rows: int) -> bool:
        raise LookupError(done, rows)

    x = {"x": np.ones((4, 64), np.float32)}
    with pytest.raises(LookupError) as caught:
        native(layers).predict_batch(x, 3, failing)
    assert caught.value.args == (3, 4)
    assert refused(lambda: native(layers).predict_batch(x, 3, lambda *_: False)) == ("predict_cancelled", ".")


CALLS = ["predict", "predict_into", "bind", "predict_batch"]


@pytest.mark.parametrize("name", CALLS)
def test_the_interpreter_runs_on_while_the_model_does(place: Maker, name: str) -> None:
    made = slow()
    made.tree["batch"] = {"symbol": "batch"}
    opened = native(place(made))
    x, y = aligned_empty((64, 1024), np.dtype("float32")), aligned_empty((64, 1024), np.dtype("float32"))
    x[...] = 1
    calls = {
        "predict": lambda: opened.predict({"x": x}),
        "predict_into": lambda: opened.predict_into({"x": x}, {"y": y}),
        "bind": opened.bind({"x": x}, {"y": y}).run,
        "predict_batch": lambda: opened.predict_batch({"x": x}, 64, None),
    }
    # One moment of a busy machine proves nothing; with the lock held no try succeeds.
    assert any(stillness(calls[name]) < 0.5 for _ in range(5))


def stillness(call: Callable[[], object]) -> float:
    """The longest time that this thread could do nothing while another one called, as part of the whole."""
    ended = threading.Event()
    thread = threading.Thread(target=lambda: (call(), ended.set()))
    begin = time.perf_counter()
    thread.start()
    longest = last = 0.0
    while not ended.is_set():
        now = time.perf_counter() - begin
        longest, last = max(longest, now - last), now
        time.sleep(0.0005)
    whole = time.perf_counter() - begin
    thread.join()
    return max(longest, whole - last) / whole


ENDINGS = {
    "predict": "predictor.predict(x)",
    "run": "call.run()",
    "batch": "predictor.predict_batch(x, 1, lambda *_: True)",
}


@pytest.mark.parametrize("work", ENDINGS)
def test_the_interpreter_ends_while_threads_predict(layers: Path, work: str) -> None:
    program = f"""
for _ in range(3):
    threading.Thread(target=for_ever, args=(lambda: {ENDINGS[work]},), daemon=True).start()
time.sleep(0.2)
print("ends")
"""
    assert child(layers, program) == "ends"


def test_the_interpreter_ends_with_predictors_that_nobody_lets_go(layers: Path) -> None:
    program = """
other = bundle.open(folder, runtime="rust", intra_op_threads=2)
other.predict(x)
ring = [other]
ring.append(ring)
sys.modules["kept"] = call
"""
    assert child(layers, program) == ""


def test_a_process_forked_in_the_middle_of_calls_is_refused_and_ends(layers: Path) -> None:
    program = """
threading.Thread(target=for_ever, args=(call.run,), daemon=True).start()
works = [
    lambda: predictor.predict(x), lambda: predictor.predict_into(x, {"y": y}), call.run,
    lambda: predictor.predict_batch(x), lambda: predictor.bind({"x": x}, {"y": y}),
]
for _ in range(10):
    process = os.fork()
    if process == 0:
        right = [code(work) for work in works] == ["process_forked"] * len(works)
        predictor.close()
        del predictor, call, works
        sys.exit(0 if right else 1)
    assert os.waitpid(process, 0)[1] == 0
print("parent")
"""
    assert child(layers, program) == "parent"


def test_ctrl_c_ends_a_long_batch(layers: Path) -> None:
    program = """
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
begin = time.monotonic()
try:
    while True:
        predictor.predict_batch(np.ones((200000, 64), np.float32), 1)
except KeyboardInterrupt:
    print(time.monotonic() - begin < 5, predictor.predict(x)["y"].shape)
"""
    assert child(layers, program) == "True (8, 10)"
