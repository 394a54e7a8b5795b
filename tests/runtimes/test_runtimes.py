"""The predictors of other languages in this process: the surface of `Predictor`, and the same answers."""

from pathlib import Path

import numpy as np
import pytest

import bundle
from bundle.error import BundleError
from tests.runtime.make_bundle import Maker, one_node
from tests.runtimes.conftest import Opener

DTYPES = [
    "bool", "float16", "float32", "float64", "int16", "int32", "int64", "int8", "uint16", "uint32", "uint64", "uint8",
]  # fmt: skip


def grid(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)


def test_what_a_predictor_says_of_itself_is_what_python_says(place: Maker, runtime: str) -> None:
    folder = place(one_node("Neg"))
    with bundle.open(folder) as python, bundle.open(folder, runtime=runtime) as native:
        for name in ("variant", "format", "reason", "inputs", "outputs", "providers", "options", "manifest"):
            assert getattr(native, name) == getattr(python, name), name
        assert native.bundle.path == python.bundle.path
        assert repr(native) == f"<Predictor {native.manifest.name} 1.0.0 (source.onnx, {runtime})>"
    assert "closed" in repr(native)


def test_it_opens_predicts_and_closes(opened: Opener) -> None:
    x = grid(2, 3)
    with opened(one_node("Neg")) as predictor:
        [(name, y)] = predictor.predict({"x": x}).items()
        assert name == "y" and y.dtype == np.float32
        np.testing.assert_array_equal(y, -x)
        np.testing.assert_array_equal(predictor.predict(x)["y"], -x)
    predictor.close()
    with pytest.raises(BundleError) as caught:
        predictor.predict({"x": x})
    assert (caught.value.code, caught.value.subject) == ("predictor_closed", ".")


# The format has no float16 without axes.
FORMS = [
    (dtype, shape)
    for dtype in DTYPES
    for shape in [(), (3,), (2, 0, 3), (1, 2, 3)]
    if shape or dtype != "float16"
]


@pytest.mark.parametrize(("dtype", "shape"), FORMS)
def test_every_type_and_rank_goes_in_and_comes_out(
    opened: Opener, dtype: str, shape: tuple[int, ...]
) -> None:
    x = grid(*shape, dtype=dtype)
    with opened(one_node("Identity", dtype, shape)) as predictor:
        y = predictor.predict({"x": x})["y"]
    assert (y.dtype, y.shape, y.tobytes()) == (x.dtype, x.shape, x.tobytes())


def test_an_unknown_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="`python`, `rust`, `go`, `cpp`") as caught:
        bundle.open(tmp_path, runtime="fortran")
    assert (caught.value.code, caught.value.subject) == ("option_invalid", "runtime")
