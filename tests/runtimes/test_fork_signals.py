"""Forks, signals and the end of the interpreter with a native predictor open, in processes of their own."""

import pytest

from tests.runtimes.children import python, started

# A bundle that is there in every checkout, open in every program as `predictor`, with inputs that fit.
OPENED = """
import os, signal, sys, threading, time
import numpy as np
import bundle
folder, runtime = "spec/cases/valid/self_test_passes/bundle", {runtime!r}
def inputs_for(predictor):
    return {{port.name: np.ones([size if type(size) is int else 2 for size in port.shape], port.dtype)
            for port in predictor.inputs}}
{before}
predictor = bundle.open(folder, runtime=runtime)
inputs = inputs_for(predictor)
predictor.predict(inputs)
"""
# The model of `slow` of tests/runtime, which takes some tenths of a second.
SLOW = """
from pathlib import Path
from tempfile import mkdtemp
from tests.runtime.make_bundle import slow, write
lasting = bundle.open(write(slow(), Path(mkdtemp()) / "bundle"), runtime=runtime)
rows = np.ones((256, 1024), np.float32)
"""


@pytest.fixture(autouse=True)
def in_the_checkout(root, monkeypatch):
    monkeypatch.chdir(root)


def program(runtime: str, body: str, before: str = "") -> str:
    return OPENED.format(runtime=runtime, before=before) + body


def test_a_forked_child_is_refused_and_ends(runtime: str) -> None:
    """Also with every kind of object alive, and without a shortcut at the end."""
    body = """
targets = {port.name: np.zeros([size if type(size) is int else 2 for size in port.shape], port.dtype)
           for port in predictor.outputs}
from bundle.align import aligned
call = predictor.bind({name: aligned(array) for name, array in inputs.items()},
                      {name: aligned(array) for name, array in targets.items()})
def code(work):
    try:
        work()
    except bundle.BundleError as error:
        return error.code
child = os.fork()
if not child:
    works = [lambda: predictor.predict(inputs), lambda: predictor.predict_into(inputs, {}),
             lambda: predictor.bind(inputs, {}), lambda: predictor.predict_batch(inputs, 1), call.run,
             predictor.self_test]
    found = [code(work) for work in works]
    predictor.close()
    found.append(code(lambda: predictor.predict(inputs)))
    del call, predictor
    sys.exit(0 if found == ["process_forked"] * 6 + ["predictor_closed"] else str(found))
print(os.waitpid(child, 0)[1])
predictor.predict(inputs)
call.run()
"""
    assert python(program(runtime, body)) == "0\n"


def test_a_forked_child_that_opens_again_works_or_is_refused(runtime: str) -> None:
    body = """
child = os.fork()
if not child:
    try:
        bundle.open(folder, runtime=runtime).predict(inputs)
        found = "works"
    except bundle.BundleError as error:
        found = error.code
    print(found, flush=True)
    sys.exit(0)
print(os.waitpid(child, 0)[1])
"""
    # The runtime of Go has threads that a forked process does not have.
    expected = "process_forked" if runtime == "go" else "works"
    assert python(program(runtime, body)) == f"{expected}\n0\n"


def test_processes_that_fork_while_a_model_runs_end(runtime: str) -> None:
    body = """
thread = threading.Thread(target=lambda: [lasting.predict(rows) for _ in range(2)])
thread.start()
children = []
for _ in range(5):
    time.sleep(0.02)
    child = os.fork()
    if not child:
        try:
            predictor.predict(inputs)
        except bundle.BundleError as error:
            os._exit(0 if error.code == "process_forked" else 1)
        os._exit(2)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
thread.join()
"""
    assert python(program(runtime, SLOW + body)) == f"{[0] * 5}\n"


def test_a_pool_of_forked_processes_ends(runtime: str) -> None:
    body = """
import multiprocessing
def work(number):
    try:
        predictor.predict(inputs)
    except bundle.BundleError as error:
        return error.code
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(set(pool.map(work, range(4))))
"""
    assert python(program(runtime, body)) == "{'process_forked'}\n"


# Of the handlers that the kernel knows, those of SIGINT and SIGPIPE; Python's own view says nothing of them.
DISPOSITIONS = """
def dispositions():
    lines = dict(line.split(":\\t") for line in open("/proc/self/status") if ":\\t" in line)
    bits = [(name, int(lines[name], 16)) for name in ("SigIgn", "SigCgt", "SigBlk")]
    mine = (signal.SIGINT, signal.SIGPIPE)
    return ([(name, [value >> (number - 1) & 1 for number in mine]) for name, value in bits],
            [signal.getsignal(number) for number in mine])
"""


@pytest.mark.parametrize("setting", ["", "signal.signal(signal.SIGPIPE, signal.SIG_DFL)"])
def test_signals_are_handled_as_before(runtime: str, setting: str) -> None:
    body = "predictor.close()\nprint(before == dispositions(), before)\n"
    printed = python(program(runtime, body, f"{DISPOSITIONS}\n{setting}\nbefore = dispositions()"))
    assert printed.startswith("True "), printed


def test_a_broken_pipe_is_an_exception(runtime: str) -> None:
    body = """
reader, writer = os.pipe()
os.close(reader)
try:
    os.write(writer, b"x")
except BrokenPipeError:
    print("raised")
"""
    assert python(program(runtime, body)) == "raised\n"


def test_control_c_while_a_model_runs_is_an_exception(runtime: str) -> None:
    body = """
threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    for _ in range(100):
        lasting.predict(rows)
    print("nothing")
except KeyboardInterrupt:
    print("raised", lasting.predict(rows)["y"].shape)
"""
    assert python(program(runtime, SLOW + body)) == "raised (256, 1024)\n"


def test_control_c_ends_a_program(runtime: str) -> None:
    done = started(program(runtime, "os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"))
    assert done.returncode == -2 and done.stderr.rstrip().endswith("KeyboardInterrupt"), done


ENDS = {
    "an open predictor": "",
    "a bound call": "call = predictor.bind(inputs, {})\n",
    "a cycle": "predictor.itself = predictor\n",
    "in a module": "sys.modules['kept'] = predictor\nbundle.kept = predictor\n",
    "many": "all = [bundle.open(folder, runtime=runtime) for _ in range(20)]\n",
}


@pytest.mark.parametrize("kind", ENDS)
def test_the_interpreter_ends_with_things_open(runtime: str, kind: str) -> None:
    assert python(program(runtime, ENDS[kind] + "print('ended')\n")) == "ended\n"


def test_the_interpreter_ends_while_a_model_runs(runtime: str) -> None:
    body = """
def on():
    while True:
        lasting.predict(rows)
for _ in range(2):
    threading.Thread(target=on, daemon=True).start()
time.sleep(0.2)
print("ended")
"""
    assert python(program(runtime, SLOW + body)) == "ended\n"


def test_the_interpreter_ends_while_short_calls_come_and_go(runtime: str) -> None:
    body = """
def on():
    while True:
        predictor.predict(inputs)
for _ in range(4):
    threading.Thread(target=on, daemon=True).start()
time.sleep(0.1)
print("ended")
"""
    assert python(program(runtime, body)) == "ended\n"


def test_what_is_called_at_exit_still_works(runtime: str) -> None:
    body = """
import atexit
atexit.register(predictor.close)
atexit.register(lambda: print(len(predictor.predict(inputs))))
"""
    assert python(program(runtime, body)) == "1\n"
