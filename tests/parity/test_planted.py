"""A planted fault is caught, in every language, by the test that is named for it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from bundle.bundle import Bundle
from bundle.parity.client import Client
from tests.contract.walker import play
from tests.parity import asking
from tests.parity.asking import Form
from tests.parity.copies import Copy, Plant, plants
from tests.parity.drivers import LANGUAGES
from tests.parity.made import build_made

CASES = Path(__file__).resolve().parents[2] / "spec" / "cases"
FAULTS = {
    "byte order swapped",
    "transposed copy",
    "unaligned buffer handed on",
    "changed session option",
    "dropped output",
    "a check moved before another",
}
PLANTS = [(language, plant) for language in LANGUAGES for plant in plants(language)]
NAMES = [f"{language}-{plant.fault.replace(' ', '_')}" for language, plant in PLANTS]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundles that plants name as `bytes/MODEL`."""
    named = {plant.caught_by.removeprefix("bytes/") for _, plant in PLANTS if "bytes/" in plant.caught_by}
    return build_made(tmp_path_factory.mktemp("planted"), sorted(named))


@pytest.fixture(scope="module")
def copy_of(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Copy]:
    """Return a function that gives the copy of a language; as it stands it passes every named test."""

    @cache
    def make(language: str) -> Copy:
        copy = Copy(language)
        with copy.built() as client:
            for name in sorted({plant.caught_by for plant in plants(language)}):
                work = tmp_path_factory.mktemp("sound")
                assert verdict(name, client, models, work) is None, f"{name}, with nothing planted"
        return copy

    return make


def verdict(name: str, client: Client, models: dict[str, Path], work: Path) -> str | None:
    """What a test finds wrong with a program; None where nothing is."""
    group, _, case = name.partition("/")
    if group != "bytes":
        return play(client, CASES / group / case, work)
    bundle = Bundle.open(models[case])
    form = Form("onnx")
    inputs = asking.rows_of(bundle, 3)
    assert inputs is not None
    session = asking.plain_session(bundle.path / bundle.manifest.variant(None).files["onnx"], form)
    expected = asking.plain_answer(session, inputs)
    handle = asking.opened(client, bundle, form)
    answer = asking.told(client, "predict", handle, inputs=asking.tensors(inputs))
    client.ask({"op": "close", "handle": handle})
    return asking.difference(expected, answer)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fault_is_planted_in_every_language(language: str) -> None:
    assert {plant.fault for plant in plants(language)} == FAULTS


@pytest.mark.parametrize(("language", "plant"), PLANTS, ids=NAMES)
def test_every_plant_fits_the_sources(language: str, plant: Plant, root: Path) -> None:
    found = (root / plant.file).read_text("utf-8").count(plant.old)
    assert found == 1, f"{found} times in {plant.file}: the sources changed, so adapt plants/{language}.toml"


@pytest.mark.slow
@pytest.mark.parametrize(("language", "plant"), PLANTS, ids=NAMES)
def test_a_planted_fault_is_caught_by_the_test_that_is_named(
    language: str, plant: Plant, copy_of: Callable[[str], Copy], models: dict[str, Path], tmp_path: Path
) -> None:
    copy = copy_of(language)
    try:
        with copy.planted(plant) as client:
            assert verdict(plant.caught_by, client, models, tmp_path), f"{plant.caught_by} does not see it"
    finally:
        copy.restore(plant)
