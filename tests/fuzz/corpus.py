"""Seeds for native fuzz targets from spec/cases: `python -m tests.fuzz.corpus FOLDER`."""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bundle.archive import write_archive
from bundle.error import BundleError

CASES = Path(__file__).resolve().parents[2] / "spec" / "cases"


def seeds() -> Iterator[tuple[str, bytes]]:
    """Yield (target, bytes) of every vector."""
    for pattern, target in (
        ("*/*/manifest.json", "manifest"),
        ("*/*/bundle/bundle.json", "manifest"),
        ("*/*/bundle/golden/*", "golden"),
        ("library/*/*/*.so", "library"),
    ):
        for path in sorted(CASES.glob(pattern)):
            yield target, path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        for bundle in sorted(CASES.glob("valid/*/bundle")):
            # Some hold a file that is not the one that the manifest lists.
            with suppress(BundleError):
                yield "archive", write_archive(bundle, Path(folder) / bundle.parent.name).read_bytes()
    for path in sorted(CASES.glob("*/*/case.json")):
        for step in json.loads(path.read_bytes())["steps"]:
            for field in ("inputs", "outputs"):
                for tensor in step.get(field, {}).values():
                    yield "tensor", json.dumps(tensor).encode()


def write(folder: Path) -> int:
    """Write every seed to FOLDER/TARGET/SHA1 and return how many files there are."""
    for target, data in seeds():
        (folder / target).mkdir(parents=True, exist_ok=True)
        (folder / target / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    return sum(1 for path in folder.glob("*/*") if path.is_file())


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1]))} seeds")
