"""Device folders as tests see them, and the bundles that are sent to them."""

import os
from pathlib import Path
from typing import Any

from bundle.archive import write_archive
from bundle.bundle import Bundle
from bundle.parity.client import Client
from tests.store import bundles

GOLDEN = "golden/first.safetensors"
MODEL = "models/source.onnx"
Reply = dict[str, Any]


class Device:
    """A device folder, changed by the program of one language."""

    def __init__(self, program: Client, folder: Path) -> None:
        self.program, self.folder = program, folder

    def update(self, archive: Path, **options: object) -> Reply:
        request = {"op": "update", "folder": str(self.folder), "archive": str(archive), "options": options}
        return self.program.ask(request)

    def rollback(self) -> Reply:
        return self.program.ask({"op": "rollback", "folder": str(self.folder)})

    def state(self) -> dict[str, object]:
        return state(self.folder)


def state(folder: Path) -> dict[str, object]:
    """Everything in a folder: content of files, text of links, None of folders."""
    found: dict[str, object] = {}
    for path, folders, files in os.walk(folder):
        for name in folders + files:
            entry = Path(path, name)
            key = str(entry.relative_to(folder))
            if entry.is_symlink():
                found[key] = f"-> {os.readlink(entry)}"
            else:
                found[key] = entry.read_bytes() if entry.is_file() else None
    return found


def running(folder: Path, link: str = "current") -> str:
    """The identity of the bundle that a link leads to, which must be whole."""
    text = os.readlink(folder / link)
    digest = text.removeprefix("sha256/")
    assert text == f"sha256/{digest}"
    return Bundle.open(folder / link, digest=digest).digest


def refusal(reply: Reply) -> tuple[str, str]:
    """Code and subject of a reply that must be an error."""
    assert not reply["ok"], reply
    return reply["error"]["code"], reply["error"]["subject"]


def done(reply: Reply) -> tuple[str, str | None, bool]:
    """Version, version before and whether anything changed, of a reply that must be none."""
    assert reply["ok"], reply
    return reply["version"], reply["previous"], reply["changed"]


class Archives:
    """Archives by what is different about their bundles, each made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, tuple[Path, str]] = {}

    def __call__(self, version: str = "1.0.0", **different: Any) -> Path:
        return self._of(version, different)[0]

    def digest(self, version: str = "1.0.0", **different: Any) -> str:
        return self._of(version, different)[1]

    def failing(self, version: str) -> Path:
        """A bundle whose first golden case was recorded by another model."""
        content = bytearray((bundles.VECTOR / GOLDEN).read_bytes())
        # Its last 48 bytes are what was recorded, then what the source model answered.
        content[-48:-44] = b"\0\0\x80\x7f"
        return self(version, extra={GOLDEN: bytes(content)})

    def _of(self, version: str, different: dict[str, Any]) -> tuple[Path, str]:
        key = repr((version, different))
        if key not in self._made:
            folder = self._folder / str(len(self._made))
            bundle = bundles.make(folder / "bundle", version=version, **different)
            path = write_archive(bundle, folder / "made.bundle", with_attest=True)
            self._made[key] = path, bundles.identity(bundle)
        return self._made[key]
