"""The example bundle in the three native predictors on an emulated arm64 CPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.manifest import Manifest
from bundle.tolerance import compare
from tests.arm64.conftest import Ask
from tests.arm64.machines import PROGRAMS
from tests.native.programs import onnxruntime_library

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("language", PROGRAMS)]

Built = Callable[[str], Path]
# Every way to load the model, in the words of `open`.
WAYS = [
    {"format": "onnx"},
    {"format": "ort"},
    {"format": "ort", "mapped": True},
    {"format": "ort", "intra_op_threads": 2},
]
BATCHES = (1, 3, 8)


def opening(folder: Path, **options: Any) -> dict[str, Any]:
    return {"op": "open", "bundle": str(folder), "handle": "h", "options": options}


def predictions(root: Path, folder: Path, **also: Any) -> list[dict[str, Any]]:
    """Requests that open the bundle in every way, and predict from the first golden images in every batch."""
    with np.load(root / "examples" / "digits" / "golden.npz") as stored:
        [(name, images)] = [(key, stored[key]) for key in stored.files if key.startswith("inputs/")]
    requests = []
    for way in WAYS:
        requests.append(opening(folder, **way, **also))
        for count in BATCHES:
            rows = np.concatenate(images[:count])
            tensor = {
                "dtype": "float32",
                "shape": list(rows.shape),
                "data": rows.tobytes().hex(),
                "offset": 4,
            }
            inputs = {name.removeprefix("inputs/"): tensor}
            requests.append({"op": "predict", "handle": "h", "inputs": inputs})
    return requests


def outputs(replies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert [reply for reply in replies if not reply["ok"]] == []
    return [reply["outputs"] for reply in replies if "variant" not in reply]


def array(tensor: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(tensor["data"]), tensor["dtype"]).reshape(tensor["shape"])


@pytest.fixture(scope="session")
def answered(root: Path, ask: Ask, built: Built) -> Callable[[str], list[dict[str, Any]]]:
    """Return what a language answers to all predictions, asked once."""
    known: dict[str, list[dict[str, Any]]] = {}

    def answers(language: str) -> list[dict[str, Any]]:
        if language not in known:
            known[language] = outputs(ask(language, predictions(root, built("arm64"))))
        return known[language]

    return answers


def test_the_bundle_opens_on_its_target_and_proves_itself(language: str, ask: Ask, built: Built) -> None:
    requests = [opening(built("arm64")), {"op": "self_test", "handle": "h"}]
    opened, tested = ask(language, requests)
    assert (opened["ok"], opened.get("format")) == (True, "ort")
    assert tested["passed"] and len(tested["cases"]) > 1
    assert sum(output["flips"] for case in tested["cases"] for output in case["outputs"]) == 0


def test_the_bytes_are_those_of_the_others(
    language: str, answered: Callable[[str], list[dict[str, Any]]]
) -> None:
    assert len(answered(language)) == len(WAYS) * len(BATCHES)
    for other in PROGRAMS:
        assert answered(language) == answered(other)


def test_the_answers_are_those_of_this_machine_within_the_bundles_tolerance(
    language: str, root: Path, answered: Callable[[str], list[dict[str, Any]]], ask_host: Ask, built: Built
) -> None:
    manifest = Manifest.parse((built("arm64") / "bundle.json").read_bytes())
    requests = predictions(root, built("arm64"), allow_foreign_target=True)
    for here, there in zip(outputs(ask_host(requests)), answered(language), strict=True):
        for port, tolerance in zip(manifest.outputs, manifest.variant().tolerances, strict=True):
            found = compare(array(there[port.name]), array(here[port.name]), tolerance, port.decision)
            assert found.ok and not found.flips, found.describe()


@pytest.mark.parametrize(("cpu", "form"), [("cortex-a72", "onnx"), ("neoverse-n1", "ort")])
def test_a_frozen_file_is_taken_where_the_cpu_has_what_it_relies_on(
    language: str, cpu: str, form: str, ask: Ask, built: Built
) -> None:
    folder = built("arm64:dotprod")
    requests = [opening(folder), opening(folder, format="ort")]
    chosen, asked = ask(language, requests, cpu)
    assert (chosen["ok"], chosen.get("format")) == (True, form)
    assert form == "ort" or chosen["reason"]
    assert asked["ok"] is (form == "ort")
    assert form == "ort" or asked["error"]["code"] == "target_mismatch"


def test_the_library_of_this_machine_is_refused(language: str, ask: Ask, built: Built) -> None:
    [reply] = ask(language, [opening(built("arm64"), library=str(onnxruntime_library()))])
    assert reply["error"]["code"] == "library_architecture"
