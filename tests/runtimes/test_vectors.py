"""Every vector of spec/cases through every runtime in this process: the same outcome, code and subject."""

from pathlib import Path

import pytest

from tests.contract.walker import play
from tests.parity.test_vectors import FOLDERS
from tests.runtimes.inprocess import InProcess


@pytest.mark.parametrize("folder", FOLDERS, ids=[f"{path.parent.name}-{path.name}" for path in FOLDERS])
def test_the_binding_answers_as_the_case_says(folder: Path, runtime: str, tmp_path: Path) -> None:
    assert play(InProcess(runtime), folder, tmp_path) is None  # type: ignore[arg-type]
