"""Programs that run side by side do not disturb each other; each language tests threads of its own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bundle.bundle import Bundle
from bundle.parity.client import Client
from tests.parity import asking
from tests.parity.asking import Form
from tests.parity.made import build_made

_CALLS = 100


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    name = "normalized_convolution"
    return Bundle.open(build_made(tmp_path_factory.mktemp("threads"), [name])[name])


def different_answers(client: Client, bundle: Bundle, expected: asking.Answer, inputs: asking.Answer) -> int:
    """How many of many calls on two threads gave other bytes."""
    handle = asking.opened(client, bundle, Form("onnx", threads=2))
    answers = [asking.told(client, "predict", handle, inputs=inputs) for _ in range(_CALLS)]
    return sum(asking.difference(expected, answer) is not None for answer in answers)


def test_all_languages_at_once_give_the_same_bytes_again_and_again(
    bundle: Bundle, clients: dict[str, Client]
) -> None:
    inputs = asking.rows_of(bundle, 8)
    assert inputs is not None
    file = bundle.path / bundle.manifest.variant(None).files["onnx"]
    expected = asking.plain_answer(asking.plain_session(file, Form("onnx", threads=2)), inputs)
    given = asking.tensors(inputs, 4)
    with ThreadPoolExecutor(len(clients)) as pool:
        work = {
            name: pool.submit(different_answers, client, bundle, expected, given)
            for name, client in clients.items()
        }
        assert {name: done.result() for name, done in work.items()} == dict.fromkeys(clients, 0)
