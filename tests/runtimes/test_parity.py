"""The bytes that plain ONNX Runtime gives, through every runtime in this process, however it is asked."""

from pathlib import Path

import numpy as np
import pytest

import bundle
from bundle.bundle import Bundle
from bundle.runtimes import NATIVE
from tests.parity import asking
from tests.parity.made import build_all, build_made
from tests.parity.models import MODELS
from tests.parity.test_bytes import compare_all, into_buffers, predictions
from tests.runtimes.inprocess import InProcess


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build_made(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def digits(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    example = root / "examples" / "digits"
    sources, goldens = {"digits": example / "digits.onnx"}, {"digits": example / "golden.npz"}
    return Bundle.open(build_all(tmp_path_factory.mktemp("digits"), sources, goldens)["digits"])


def wrong_answers(opened: Bundle) -> list[str]:
    clients = {name: InProcess(name) for name in NATIVE}
    return [
        line
        for form in asking.forms(opened.manifest)
        for look in (predictions, into_buffers)
        for line in compare_all(clients, opened, form, look(opened, form))  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("name", MODELS)
def test_a_made_model_gives_the_same_bytes_everywhere(name: str, made: dict[str, Path]) -> None:
    assert wrong_answers(Bundle.open(made[name])) == []


def test_the_digits_give_the_same_bytes_in_each_format(digits: Bundle) -> None:
    assert {form.format for form in asking.forms(digits.manifest)} == {"onnx", "ort"}
    assert wrong_answers(digits) == []


def test_batches_give_the_bytes_of_python(runtime: str, digits: Bundle) -> None:
    inputs = asking.rows_of(digits, 50)
    assert inputs is not None
    with bundle.open(digits.path) as python, bundle.open(digits.path, runtime=runtime) as native:
        for size in (1, 7, 50, None):
            expected, found = (one.predict_batch(inputs, size) for one in (python, native))
            assert expected.keys() == found.keys()
            for name in expected:
                np.testing.assert_array_equal(expected[name].view(np.uint8), found[name].view(np.uint8))
