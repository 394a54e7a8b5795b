"""The programs of all languages give the bytes that plain ONNX Runtime gives, however they are asked."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bundle.bundle import Bundle
from bundle.parity.client import Client
from tests.devset import models as devset
from tests.devset.calibration import calibration_for
from tests.devset.golden import golden_for
from tests.parity import asking
from tests.parity.asking import BATCHES, OFFSETS, Form
from tests.parity.made import build_all, build_made
from tests.parity.models import MODELS

# What the builder is asked for and keeps; the made models stand for the shapes that people quantize.
VARIANTS = {
    "digits": ("source", "fp16", "int8-dynamic", "int8-static"),
    "lstm": ("source", "int8-dynamic"),
    "minilm": ("fp16", "int8-dynamic"),
    "resnet": ("int8-static",),
}
REAL = ("digits", "mnist", "orientation", "file-type", "voice", "embedding", "emotion", "notes", "faces")
# At every address every row is asked; what is large travels once for each number of rows.
LARGE = 50_000


def with_cases(root: Path, names: Iterable[str]) -> tuple[dict[str, Path], dict[str, Path]]:
    """The models of these names, and their golden cases."""
    example = root / "examples" / "digits"
    sources = {name: devset.fetch(name) for name in names if name != "digits"}
    goldens = {name: golden_for(name) for name in sources}
    sources["digits"], goldens["digits"] = example / "digits.onnx", example / "golden.npz"
    return sources, goldens


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build_made(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def real(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    sources, goldens = with_cases(root, REAL)
    return build_all(tmp_path_factory.mktemp("real"), sources, goldens)


@pytest.fixture(scope="session")
def quantized(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    sources, goldens = with_cases(root, VARIANTS)
    sections = {
        name: {"precisions": list(precisions), "calibration": str(calibration_for(name))}
        for name, precisions in VARIANTS.items()
    }
    return build_all(tmp_path_factory.mktemp("quantized"), sources, goldens, sections)


def file(bundle: Bundle, form: Form) -> Path:
    """The model file that a form is about."""
    return bundle.path / bundle.manifest.variant(form.variant).files[form.format]


def offsets(inputs: asking.Arrays, rows: int) -> tuple[int, ...]:
    """The addresses at which inputs of that size are asked."""
    size = sum(array.nbytes for array in inputs.values())
    return OFFSETS if size < LARGE else (OFFSETS[rows % len(OFFSETS)],)


def compare_all(
    clients: dict[str, Client], bundle: Bundle, form: Form, questions: list[dict[str, Any]]
) -> list[str]:
    """Ask every program; return a line for each answer that is not the expected one."""
    wrong = []
    for language, client in clients.items():
        handle = asking.opened(client, bundle, form)
        for question in questions:
            answer = asking.told(client, question["op"], handle, **question["fields"])
            if found := asking.difference(question["expected"], answer):
                wrong.append(f"{language}, {form}, {question['about']}: {found}")
        client.ask({"op": "close", "handle": handle})
    return wrong


def predictions(bundle: Bundle, form: Form) -> list[dict[str, Any]]:
    """One question for each number of rows and each address, with what plain ONNX Runtime answers."""
    session = asking.plain_session(file(bundle, form), form)
    questions = []
    for rows in BATCHES:
        inputs = asking.rows_of(bundle, rows)
        if inputs is None:
            continue
        expected = asking.plain_answer(session, inputs)
        for offset in offsets(inputs, rows):
            fields = {"inputs": asking.tensors(inputs, offset)}
            about = f"{rows} rows, offset {offset}"
            questions.append({"op": "predict", "fields": fields, "expected": expected, "about": about})
    return questions


def into_buffers(bundle: Bundle, form: Form) -> list[dict[str, Any]]:
    """The same answer into buffers of the caller, at an odd address where that is allowed, and bound."""
    session = asking.plain_session(file(bundle, form), form)
    inputs = asking.rows_of(bundle, 3) or asking.rows_of(bundle, 1)
    assert inputs is not None
    expected = asking.plain_answer(session, inputs)
    numbers = {name: tensor for name, tensor in expected.items() if tensor["dtype"] != "string"}
    empty = {name: {**tensor, "data": ""} for name, tensor in numbers.items()}
    odd = {name: {**tensor, "offset": 8} for name, tensor in empty.items()}
    return [
        {
            "op": "predict_into",
            "fields": {"inputs": asking.tensors(inputs, 4), "outputs": odd},
            "expected": numbers,
            "about": "predict_into at offset 8",
        },
        {
            "op": "bind",
            "fields": {"inputs": asking.tensors(inputs), "outputs": empty, "runs": 3},
            "expected": numbers,
            "about": "bind, 3 runs",
        },
    ]


@pytest.mark.parametrize("name", MODELS)
def test_a_made_model_gives_the_same_bytes_everywhere(
    name: str, made: dict[str, Path], clients: dict[str, Client]
) -> None:
    bundle = Bundle.open(made[name])
    wrong = [
        line
        for form in asking.forms(bundle.manifest)
        for look in (predictions, into_buffers)
        for line in compare_all(clients, bundle, form, look(bundle, form))
    ]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", REAL)
def test_a_real_model_gives_the_same_bytes_everywhere(
    name: str, real: dict[str, Path], clients: dict[str, Client]
) -> None:
    bundle = Bundle.open(real[name])
    wrong = [
        line
        for form in asking.forms(bundle.manifest)
        for line in compare_all(clients, bundle, form, predictions(bundle, form))
    ]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize(("name", "variant"), [(name, each) for name in VARIANTS for each in VARIANTS[name]])
def test_a_variant_gives_the_same_bytes_everywhere(
    name: str, variant: str, quantized: dict[str, Path], clients: dict[str, Client]
) -> None:
    bundle = Bundle.open(quantized[name])
    assert {each.name for each in bundle.manifest.variants} == set(VARIANTS[name])
    wrong = [
        line
        for form in asking.forms(bundle.manifest, variant)
        for line in compare_all(clients, bundle, form, predictions(bundle, form))
    ]
    assert wrong == []
