"""Packs a small bundle, for tests that kill it or let calls fail: ``pack_child.py DESTINATION LABEL``."""

import hashlib
import json
import sys
from pathlib import Path

from bundle.builder import pack
from bundle.error import BundleError
from bundle.manifest import Manifest

MODELS = [f"models/{index}.onnx" for index in range(12)]
VECTOR = Path(__file__).parents[2] / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"


def manifest(label: str) -> bytes:
    """Return the manifest of a bundle whose files all say ``label``, made out of a vector's."""
    content = text(label)
    tree = json.loads((VECTOR / pack.MANIFEST).read_bytes())
    sha256 = hashlib.sha256(content).hexdigest()
    tree["files"] = [{"path": path, "sha256": sha256, "size": len(content)} for path in sorted(MODELS)]
    tree["golden"] = []
    tree["metadata"] = {"label": label}
    tree["variants"][0] |= {"bytes": len(content), "files": {"onnx": MODELS[0]}}
    data = Manifest.encode(tree)
    Manifest.parse(data)
    return data


def text(label: str) -> bytes:
    """Return what each model file of a bundle holds."""
    return label.encode() * 1000


def main(destination: Path, label: str) -> int:
    files: dict[str, bytes | Path] = {path: text(label) for path in MODELS}
    files[pack.MANIFEST] = manifest(label)
    try:
        with pack.staging(destination) as folder, pack.writing(destination):
            pack.write_files(folder, files)
            pack.put_in_place(folder, destination)
    except BundleError as error:
        print(error.code)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
