"""Updates of bundles that bring their ONNX Runtime along."""

import json
from pathlib import Path

import pytest

from bundle.archive import write_archive
from bundle.bundle import MANIFEST_NAME
from bundle.manifest import Manifest
from tests.native.programs import PROGRAMS, answers, environment, onnxruntime_library
from tests.store import bundles

LIBRARY = "lib/libonnxruntime.so.1"
TRUST = {"trust_bundle_library": True}


def archived(folder: Path, version: str) -> Path:
    """The archive of a bundle that holds this environment's library."""
    bundle = bundles.make(
        folder / version, version=version, extra={LIBRARY: onnxruntime_library().read_bytes()}
    )
    tree = json.loads((bundle / MANIFEST_NAME).read_bytes())
    tree["runtime"]["library"] = LIBRARY
    (bundle / MANIFEST_NAME).write_bytes(Manifest.encode(tree))
    return write_archive(bundle, folder)


@pytest.mark.parametrize("language", sorted(PROGRAMS))
def test_a_process_goes_on_with_the_library_of_the_first(language: str, tmp_path: Path) -> None:
    """It lies under another name after the switch, and is gone after the second update from there."""
    device = str(tmp_path / "device")
    requests = []
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        archive = str(archived(tmp_path, version))
        requests.append({"op": "update", "folder": device, "archive": archive, "options": TRUST})
        requests.append({"op": "open", "bundle": f"{device}/current", "handle": "h", "options": TRUST})
        requests.append({"op": "self_test", "handle": "h"})
    replies = answers(PROGRAMS[language], requests, environment(ORT_DYLIB_PATH=None))
    assert [reply for reply in replies if not reply["ok"]] == []
