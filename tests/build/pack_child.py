"""Packs a small bundle, for tests that kill it or let calls fail: ``pack_child.py DESTINATION LABEL``."""

import sys
from pathlib import Path

from bundle.build import pack
from bundle.error import BundleError


def main(destination: Path, label: str) -> int:
    files: dict[str, bytes | Path] = {f"models/{i}.onnx": label.encode() * 1000 for i in range(12)}
    files["bundle.json"] = label.encode()
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
