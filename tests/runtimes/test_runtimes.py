"""The predictors of other languages in this process: the surface of `Predictor`, and the same answers."""

import gc
import math
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bundle
from bundle.align import aligned_empty
from bundle.error import BundleError
from bundle.predictor import Predictor
from bundle.runtimes import NATIVE
from tests.runtime.make_bundle import Maker, mlp, one_node, slow
from tests.runtime.test_predictor import grid
from tests.runtimes.conftest import Opener
from tests.vectors.kit import Bundle, answer, build, given
from tests.vectors.model import node

DTYPES = (
    *("bool", "float16", "float32", "float64", "int16", "int32", "int64", "int8"),
    *("uint16", "uint32", "uint64", "uint8"),
)
# The format has no float16 without axes.
FORMS = [
    (dtype, shape)
    for dtype in DTYPES
    for shape in ((), (3,), (2, 0, 3), (1, 2, 3))
    if shape or dtype != "float16"
]
# Other threads look at a clock this often, in seconds, and see a model run for at least so many times that.
TICK, TICKS = 0.001, 10


def two_outputs() -> Bundle:
    """`z = -x` before `a = |x|`: the manifest's order is not that of the names."""
    made = build(
        [given("x", "float32", ["batch", 3])],
        [answer("z", "float32", ["batch", 3]), answer("a", "float32", ["batch", 3])],
        [node("Neg", "x", "z"), node("Abs", "x", "a")],
        lambda inputs: inputs,
    )
    made.tree["batch"] = {"symbol": "batch"}
    return made


def test_what_a_predictor_says_of_itself_is_what_python_says(place: Maker, runtime: str) -> None:
    folder = place(one_node("Neg"))
    with bundle.open(folder) as python, bundle.open(folder, runtime=runtime) as native:
        for name in ("variant", "format", "reason", "inputs", "outputs", "providers", "options", "manifest"):
            assert getattr(native, name) == getattr(python, name), name
        assert native.provider_reasons == {}
        assert native.bundle.path == python.bundle.path
        assert repr(native) == f"<Predictor {native.manifest.name} 1.0.0 (source.onnx, {runtime})>"
        with pytest.raises(AttributeError, match="no attribute `speed`"):
            _ = native.speed  # type: ignore[attr-defined]
    assert "closed" in repr(native)


def test_a_bundle_that_moves_while_it_is_open_says_where_it_was(
    place: Maker, runtime: str, tmp_path: Path
) -> None:
    link = tmp_path / "current"
    link.symlink_to(place(one_node("Neg")))
    with bundle.open(link, runtime=runtime) as predictor:
        link.unlink()
        link.symlink_to(place(one_node("Abs", shape=("rows", 4))))
        assert predictor.inputs[0].shape == ("batch", 3)


def test_outputs_come_in_the_order_of_the_manifest(opened: Opener) -> None:
    with opened(two_outputs()) as predictor:
        assert list(predictor.predict(grid(1, 3))) == ["z", "a"]
        assert list(predictor.predict_batch(grid(4, 3), 1)) == ["z", "a"]


@pytest.mark.parametrize(("dtype", "shape"), FORMS)
def test_every_type_and_rank_goes_in_and_comes_out(
    opened: Opener, dtype: str, shape: tuple[int, ...]
) -> None:
    x = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    with opened(one_node("Identity", dtype, shape)) as predictor:
        y = predictor.predict({"x": x})["y"]
        into = np.full(shape, 1, dtype)
        predictor.predict_into({"x": x}, {"y": into})
    for found in (y, into):
        assert (found.dtype, found.shape, found.tobytes()) == (x.dtype, x.shape, x.tobytes())
    assert y.flags.writeable and y.flags.c_contiguous


def test_text_goes_in_and_comes_out(opened: Opener) -> None:
    texts = np.array([["", "Zürich", "日本語"], ["😀" * 1000, "a\nb", " "]], object)
    made = one_node("Identity", "string", ("batch", 3))
    made.tree["batch"] = {"symbol": "batch"}
    with opened(made) as predictor:
        y = predictor.predict(texts)["y"]
        many = predictor.predict_batch(np.repeat(texts, 3, axis=0), 4)["y"]
    assert y.dtype == object and y.tolist() == texts.tolist()
    assert many.tolist() == np.repeat(texts, 3, axis=0).tolist()


@pytest.mark.parametrize("odd", range(1, 16))
def test_every_address_will_do(opened: Opener, odd: int) -> None:
    x = grid(5, 3)
    room, target = np.zeros(x.nbytes + odd, np.uint8), np.zeros(x.nbytes + odd, np.uint8)
    there = room[odd:].view(np.float32).reshape(x.shape)
    there[...] = x
    y = target[odd:].view(np.float32).reshape(x.shape)
    with opened(one_node("Neg")) as predictor:
        np.testing.assert_array_equal(predictor.predict({"x": there})["y"], -x)
        predictor.predict_into({"x": there}, {"y": y})
    np.testing.assert_array_equal(y, -x)


def test_a_piece_that_is_cancelled_ends_the_call(opened: Opener) -> None:
    seen: list[tuple[int, int]] = []

    def progress(done: int, rows: int) -> bool:
        seen.append((done, rows))
        return done < 4

    with opened(mlp()) as predictor:
        with pytest.raises(BundleError) as caught:
            predictor.predict_batch(np.zeros((10, 64), np.float32), 2, progress)
        assert (caught.value.code, caught.value.subject) == ("predict_cancelled", ".")
        assert seen == [(2, 10), (4, 10)]


@pytest.mark.parametrize("failure", [ZeroDivisionError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_what_progress_raises_is_raised(opened: Opener, failure: BaseException) -> None:
    def progress(done: int, rows: int) -> bool:
        raise failure

    with opened(mlp()) as predictor:
        with pytest.raises(type(failure)) as caught:
            predictor.predict_batch(np.zeros((10, 64), np.float32), 2, progress)
        assert caught.value is failure
        assert predictor.predict(np.zeros((1, 64), np.float32))["y"].shape == (1, 10)


def calls(predictor: Predictor) -> dict[str, Callable[[], object]]:
    """Every kind of call that takes some tenths of a second."""
    x, y = (aligned_empty((256, 1024), np.dtype(np.float32)) for _ in range(2))
    x[...] = 1
    return {
        "predict": lambda: predictor.predict({"x": x}),
        "predict_into": lambda: predictor.predict_into({"x": x}, {"y": y}),
        "predict_batch": lambda: predictor.predict_batch({"x": x}),
        "run": predictor.bind({"x": x}, {"y": y}).run,
    }


@pytest.mark.parametrize("kind", ["predict", "predict_into", "predict_batch", "run"])
def test_python_goes_on_while_the_model_runs(opened: Opener, kind: str) -> None:
    made = slow()
    made.tree["batch"] = {"symbol": "batch"}
    with opened(made) as predictor:
        call = calls(predictor)[kind]
        thread = threading.Thread(target=call)
        thread.start()
        ticks = 0
        while thread.is_alive():
            time.sleep(TICK)
            ticks += 1
        assert ticks > TICKS


def test_two_calls_are_in_flight_at_once(opened: Opener) -> None:
    both = threading.Barrier(2, timeout=60)
    with opened(mlp()) as predictor:

        def call() -> None:
            predictor.predict_batch(np.zeros((4, 64), np.float32), 2, lambda done, rows: both.wait() >= 0)

        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not both.broken


def test_close_waits_for_the_calls_in_flight(opened: Opener) -> None:
    inside, order = threading.Event(), []

    def progress(done: int, rows: int) -> bool:
        inside.set()
        time.sleep(TICK * TICKS)
        order.append(done)
        return True

    predictor = opened(mlp())
    x = np.zeros((6, 64), np.float32)
    thread = threading.Thread(target=lambda: predictor.predict_batch(x, 2, progress))
    thread.start()
    inside.wait()
    predictor.close()
    order.append("closed")
    thread.join()
    assert order == [2, 4, 6, "closed"]
    predictor.close()


def test_a_bound_call_outlives_what_made_it(opened: Opener) -> None:
    x, y = (aligned_empty((2, 3), np.dtype(np.float32)) for _ in range(2))
    x[...] = grid(2, 3)
    predictor = opened(one_node("Neg"))
    held = sys.getrefcount(x)
    call = predictor.bind({"x": x}, {"y": y})
    assert sys.getrefcount(x) > held, "the call keeps its arrays alive"
    call.run()
    np.testing.assert_array_equal(y, -x)
    predictor.close()
    with pytest.raises(BundleError) as caught:
        call.run()
    assert caught.value.code == "predictor_closed"
    # What was caught holds the frames of a call that is written in Python.
    del call, caught
    gc.collect()
    assert sys.getrefcount(x) == held


def test_a_bound_call_of_a_predictor_that_nobody_holds_still_runs(opened: Opener) -> None:
    x, y = (aligned_empty((2, 3), np.dtype(np.float32)) for _ in range(2))
    x[...] = 2
    opened(one_node("Neg")).bind({"x": x}, {"y": y}).run()
    assert (y == -2).all()


def test_the_self_test_is_the_one_of_python(runtime: str, root: Path) -> None:
    cases = root / "spec" / "cases" / "valid"
    folders = [folder / "bundle" for folder in cases.glob("*self_test*") if (folder / "bundle").is_dir()]
    assert folders
    for folder in folders:
        with bundle.open(folder) as python, bundle.open(folder, runtime=runtime) as native:
            expected, found = python.self_test(), native.self_test()
        assert found.tree() == expected.tree()
        assert [case.synthetic for case in found.cases] == [case.synthetic for case in expected.cases]
        for one, other in zip(expected.cases, found.cases, strict=True):
            sources = [
                [output.source and output.source.worst for output in case.outputs] for case in (one, other)
            ]
            assert sources[0] == pytest.approx(sources[1], rel=1e-8)


def test_the_wheels_library_is_loaded_and_pythons_own_is_not(runtime: str, root: Path) -> None:
    from tests.runtimes.children import python

    folder = root / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"
    printed = python(
        "import sys, bundle\n"
        f"bundle.open({str(folder)!r}, runtime={runtime!r}).self_test()\n"
        "print('onnxruntime' in sys.modules)\n"
        "print({line.split('/')[-1].strip() for line in open('/proc/self/maps') if 'onnxruntime' in line})\n"
    ).splitlines()
    assert printed[0] == "False"
    assert "libonnxruntime.so" in printed[1] and "pybind11_state" not in printed[1]


def test_an_unknown_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="`python`, `rust`, `go`, `cpp`") as caught:
        bundle.open(tmp_path, runtime="fortran")
    assert (caught.value.code, caught.value.subject) == ("option_invalid", "runtime")


def test_python_may_be_named_too(place: Maker) -> None:
    with bundle.open(place(one_node("Neg")), runtime="python") as predictor:
        assert type(predictor) is Predictor


def test_all_runtimes_live_side_by_side(place: Maker) -> None:
    folder = place(one_node("Neg"))
    predictors = [bundle.open(folder, runtime=name) for name in ("python", *NATIVE)]
    for _ in range(3):
        answers = [predictor.predict(grid(2, 3))["y"].tobytes() for predictor in predictors]
        assert len(set(answers)) == 1
    for predictor in predictors:
        predictor.close()


def test_a_bound_call_that_two_threads_run_crashes_nothing(opened: Opener) -> None:
    x, y = (aligned_empty((2, 3), np.dtype(np.float32)) for _ in range(2))
    x[...] = 2
    with opened(one_node("Neg")) as predictor:
        call = predictor.bind({"x": x}, {"y": y})
        threads = [threading.Thread(target=lambda: [call.run() for _ in range(500)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        call.run()
    assert (y == -2).all()
