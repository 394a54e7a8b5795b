"""The prepared cases of libraries for arm64, in the native programs on an emulated CPU."""

import json
from typing import Any

import pytest

from tests.arm64.conftest import Ask
from tests.arm64.machines import PROGRAMS, ROOT

pytestmark = pytest.mark.slow

CASES = ROOT / "spec" / "cases"
PREPARED = json.loads((CASES / "library" / "cases.json").read_bytes())


def opening(case: dict[str, Any]) -> dict[str, Any]:
    library = CASES / "library" / "arm64" / case["library"]
    options = {"library": str(library)}
    return {"op": "open", "handle": "h", "bundle": str(CASES / case["bundle"]), "options": options}


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_library_that_would_not_do_is_refused_before_it_is_loaded(language: str, ask: Ask) -> None:
    replies = ask(language, [opening(case) for case in PREPARED])
    found = {
        case["name"]: {key: reply["error"][key] for key in ("code", "subject")}
        for case, reply in zip(PREPARED, replies, strict=True)
    }
    assert found == {case["name"]: case["error"] for case in PREPARED}
