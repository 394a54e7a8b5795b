"""What tests/runtime asks of the Python predictor, asked of the others in this process."""

import functools
from types import ModuleType

import pytest

import bundle
from tests.runtime import test_buffers, test_inputs, test_predictor

#: Tests that look inside the Python predictor, or for words that each language finds for itself.
OF_PYTHON_ALONE = {
    "test_buffers_must_not_overlap",
    "test_close_waits_for_the_calls_in_flight",
    "test_every_value_that_is_not_finite_is_found",
    "test_the_self_test_reports_a_wrong_answer",
}


def shared(*modules: ModuleType) -> dict[str, object]:
    """The tests of these modules by name."""
    tests = {
        name: test for module in modules for name, test in vars(module).items() if name.startswith("test_")
    }
    assert tests.keys() >= OF_PYTHON_ALONE
    return {name: test for name, test in tests.items() if name not in OF_PYTHON_ALONE}


@pytest.fixture(autouse=True)
def opened_natively(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "open", functools.partial(bundle.open, runtime=runtime))


globals().update(shared(test_buffers, test_inputs, test_predictor))
