"""Every vector of spec/cases on an arm64 CPU: the same outcome, code and subject as on any other."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from bundle.error import BundleError
from bundle.parity import LANGUAGES
from bundle.parity.client import Client
from tests.arm64.machines import USUAL
from tests.contract.walker import play

pytestmark = pytest.mark.slow

CASES = Path(__file__).resolve().parents[2] / "spec" / "cases"
FOLDERS = sorted(path.parent for path in CASES.glob("*/*/case.json"))


def told(client: Client, folder: Path, work: Path) -> str | None:
    """What is wrong with the answers to a case; a crash is told as such."""
    work.mkdir(parents=True)
    try:
        return play(client, folder, work)
    except BundleError as error:
        return str(error)


def wrong_answers(language: str, work: Path) -> dict[str, str]:
    """Play all vectors to one process; return what was wrong by vector."""
    with USUAL.client(language) as client:
        found = {folder: told(client, folder, work / folder.parent.name / folder.name) for folder in FOLDERS}
    return {f"{folder.parent.name}/{folder.name}": text for folder, text in found.items() if text}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """Return what was wrong in a language; all are asked side by side, one on each core."""
    work = tmp_path_factory.mktemp("vectors")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked: dict[str, Future[dict[str, str]]] = {
            # Python first: it takes longest.
            language: pool.submit(wrong_answers, language, work / language)
            for language in LANGUAGES
        }
    return lambda language: asked[language].result()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_vector_is_answered_as_it_says(language: str, played: Callable[[str], dict[str, str]]) -> None:
    assert len(FOLDERS) > 100
    assert played(language) == {}
