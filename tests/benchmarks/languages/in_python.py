"""A predictor from Python: `in_python.py RUNTIME …`, or `onnxruntime` for its own Python package alone."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import math
import sys
import time
from pathlib import Path

import numpy as np

import bundle
from bundle.align import aligned_empty
from bundle.library import load
from bundle.session import bare_session


def shape(text):
    return tuple(int(size) for size in text.split("x"))


def values(shape):
    made = aligned_empty(shape, np.dtype(np.float32))
    made.reshape(-1)[...] = np.arange(math.prod(shape)) % 17 / 16
    return made


def of_bundle(runtime, folder, feeds, result, piece):
    """The calls of a predictor."""
    opened = bundle.open(folder, runtime=runtime, format="onnx")
    one, many = feeds
    return {
        "bound": opened.bind(one, result).run,
        "predict": lambda: opened.predict(one),
        "whole": lambda: opened.predict(many),
        "pieces": lambda: opened.predict_batch(many, piece),
        "open": lambda: bundle.open(folder, runtime=runtime, format="onnx").close(),
    }


def of_onnxruntime(path, feeds, result):
    """The same calls of an `InferenceSession`."""
    load()
    session = bare_session(path)
    one, many = feeds
    binding = session.io_binding()
    for name, array in one.items():
        binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    for name, array in result.items():
        binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    names = list(result)
    return {
        "bound": lambda: session.run_with_iobinding(binding),
        "predict": lambda: dict(zip(names, session.run(names, one), strict=True)),
        "whole": lambda: dict(zip(names, session.run(names, many), strict=True)),
        "open": lambda: bare_session(path),
    }


def main(runtime, folder, model, name, given, output, answered, rows, piece):
    feeds = {name: values(shape(given))}, {name: values((int(rows), *shape(given)[1:]))}
    result = {output: values(shape(answered))}
    if runtime == "onnxruntime":
        calls = of_onnxruntime(Path(folder, model), feeds, result)
    else:
        calls = of_bundle(runtime, folder, feeds, result, int(piece))
    for question in sys.stdin:
        kind, count = question.split()
        if kind == "answer":
            print(calls["predict"]()[output].tobytes().hex(), flush=True)
            continue
        call, clock = calls[kind], time.perf_counter_ns
        start = clock()
        for _ in range(int(count)):
            call()
        print(clock() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
