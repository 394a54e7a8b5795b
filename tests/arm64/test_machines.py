"""The development set on every emulated CPU: languages alike, bundles proven, answers near the host's."""

from collections.abc import Mapping

import pytest

from bundle.builder import BuildResult
from tests.arm64 import matrix
from tests.arm64.machines import ARM64, MACHINES, USUAL, Machine
from tests.arm64.matrix import Answers, Key, Row
from tests.arm64.subjects import SHARES, subjects, with_few_cases

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def answers(
    real_bundles: Mapping[str, Mapping[str, BuildResult]], tmp_path_factory: pytest.TempPathFactory
) -> dict[Key, Answers]:
    """What every language answers on every machine, asked once."""
    few = tmp_path_factory.mktemp("few")
    files = [
        subject
        for model, results in real_bundles.items()
        for target, result in results.items()
        for subject in subjects(model, with_few_cases(result.path, few / model / target, _golden(model)))
    ]
    return matrix.ask_all(files, MACHINES, SHARES)


@pytest.fixture(scope="module")
def rows(answers: dict[Key, Answers]) -> list[Row]:
    return matrix.rows(answers, SHARES)


def _golden(model: str) -> int:
    """Two cases differ; where a case takes long one has to do."""
    return 2 if SHARES[model].everywhere else 1


def on(machine: Machine, answers: dict[Key, Answers]) -> dict[Key, Answers]:
    return {key: told for key, told in answers.items() if key[1] == machine}


def asked_of(language: str, machine: Machine) -> set[str]:
    """The models that a language has to have been asked on a machine."""
    if language == matrix.LAST:
        return {model for model, share in SHARES.items() if share.python and machine == USUAL}
    whole = language == matrix.FIRST or machine == USUAL
    return {model for model, share in SHARES.items() if whole or share.everywhere}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.cpu)
def test_languages_give_the_same_bytes(machine: Machine, answers: dict[Key, Answers]) -> None:
    mine = on(machine, answers)
    for language in matrix.LANGUAGES:
        asked = {subject.model for subject, _, each in mine if each == language}
        assert asked == asked_of(language, machine)
    assert matrix.unlike(mine) == []


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.cpu)
def test_bundles_prove_themselves(machine: Machine, answers: dict[Key, Answers]) -> None:
    assert matrix.failed(on(machine, answers)) == []


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.cpu)
def test_answers_lie_within_the_tolerance_and_decide_alike(machine: Machine, rows: list[Row]) -> None:
    mine = [row for row in rows if row.machine == machine]
    assert {row.subject.model for row in mine} == set(SHARES)
    assert matrix.outside(mine) == []


def test_the_data_shows_that_the_machines_differ(rows: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    """Else nothing above would show anything: near-constant inputs hide what CPUs do differently."""
    with capsys.disabled():
        print(f"\n{matrix.table(rows)}")
    for machine in ARM64:
        moved = {row.subject.model for row in rows if row.machine == machine and row.worst}
        assert len(moved) > len(SHARES) / 2, machine
