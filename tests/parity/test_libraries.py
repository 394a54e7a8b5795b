"""The native programs and the file of a library: prepared cases, and the one that a bundle brings along."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.library import host_arch, shared_library
from bundle.parity import programs
from bundle.parity.client import Client
from tests.parity.drivers import LANGUAGES, started
from tests.runtime.make_bundle import one_node, write

CASES = Path(__file__).resolve().parents[2] / "spec" / "cases"
PREPARED = json.loads((CASES / "library" / "cases.json").read_bytes())
# Python has its library in its wheel, and refuses the option.
NATIVE = [language for language in LANGUAGES if language != "python"]
INSIDE = "lib/libonnxruntime.so.1"


@pytest.fixture(scope="module", params=NATIVE)
def fresh(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A program that has loaded no library, and never does."""
    with started(request.param) as client:
        yield client


def opening(folder: Path, **options: Any) -> dict[str, Any]:
    return {"op": "open", "handle": "h", "bundle": str(folder), "options": options}


@pytest.mark.parametrize("case", PREPARED, ids=[case["name"] for case in PREPARED])
def test_a_library_that_would_not_do_is_refused_before_it_is_loaded(
    fresh: Client, case: dict[str, Any]
) -> None:
    library = CASES / "library" / host_arch() / case["library"]
    reply = fresh.ask(opening(CASES / case["bundle"], library=str(library)))
    assert reply["ok"] is False
    assert {key: reply["error"][key] for key in ("code", "subject")} == case["error"]


@pytest.mark.parametrize("language", NATIVE)
def test_a_device_needs_nothing_but_the_bundle(language: str, tmp_path: Path) -> None:
    library = shared_library()
    assert library is not None
    made = one_node("Relu")
    made.files[INSIDE] = library.read_bytes()
    made.tree["runtime"]["library"] = INSIDE
    folder = write(made, tmp_path / "bundle")
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DYLIB_PATH"}
    command = [programs.find(language, {})]
    with Client(language, command, environment=environment) as client:
        # Nobody vouched for the code in it.
        assert client.ask(opening(folder))["error"]["code"] == "library_not_found"
        assert client.ask(opening(folder, trust_bundle_library=True))["ok"] is True
    shutil.copy(Path(os.__file__), folder / INSIDE)
    with Client(language, command, environment=environment) as client:
        reply = client.ask(opening(folder, trust_bundle_library=True, mode="quick"))
        assert reply["ok"] is False
