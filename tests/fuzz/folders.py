"""Bundles in memory: read from the vectors, changed, sealed again, and written to a folder."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from bundle.canonical import dumps

Tree = dict[str, Any]
MANIFEST = "bundle.json"


@dataclass
class Folder:
    """A bundle to be written.

    Attributes:
        files: content by path, ``bundle.json`` among them.
        others: what is no regular file, by path: ``folder``, ``pipe``, or a link as ``-> TARGET``.
        options: those to open it with.
        gone: whether there is no folder at all, or a file in its place.
    """

    files: dict[bytes, bytes]
    others: dict[bytes, str] = field(default_factory=dict)
    options: Tree = field(default_factory=dict)
    gone: str = ""

    @staticmethod
    def read(path: Path, options: Tree) -> "Folder":
        """Read every file below a folder."""
        found = (file for file in sorted(path.rglob("*")) if file.is_file())
        return Folder(
            {os.fsencode(file.relative_to(path)): file.read_bytes() for file in found}, options=options
        )

    def copy(self) -> "Folder":
        """A copy whose files and options may be changed."""
        return Folder(dict(self.files), dict(self.others), json.loads(json.dumps(self.options)), self.gone)

    def listed(self, folder: str) -> list[bytes]:
        """The files below a folder of the bundle."""
        return [path for path in self.files if path.startswith(folder.encode() + b"/")]

    def tree(self) -> Tree:
        """The manifest's tree."""
        tree: Tree = json.loads(self.files[b"bundle.json"])
        return tree

    def seal(self) -> None:
        """Say the files' sizes and digests in the manifest, which is written canonically."""
        tree = self.tree()
        for entry in tree["files"]:
            data = self.files.get(entry["path"].encode())
            if data is not None:
                entry |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        sizes = {entry["path"]: entry["size"] for entry in tree["files"]}
        for variant in tree["variants"]:
            variant["bytes"] = sum(sizes.get(path, 0) for path in variant["files"].values())
        self.files[b"bundle.json"] = dumps(tree)

    def write(self, path: Path) -> None:
        """Write it to a place where nothing is."""
        if self.gone:
            if self.gone == "file":
                path.write_bytes(b"")
            return
        root = os.fsencode(path)
        os.mkdir(root)
        for name, data in self.files.items():
            if _parents(root, name):
                with open(root + b"/" + name, "wb") as file:
                    file.write(data)
        for name, kind in self.others.items():
            if _parents(root, name):
                _put(root + b"/" + name, kind)


def _parents(root: bytes, name: bytes) -> bool:
    """Make the folders on the way; False where something else stands there."""
    folder = root + b"/" + name.rpartition(b"/")[0]
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return False
    return not os.path.lexists(root + b"/" + name)


def _put(place: bytes, kind: str) -> None:
    if kind == "folder":
        os.mkdir(place)
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        os.symlink(kind.removeprefix("-> "), place)


def disturb(rng: Random, folder: Folder) -> None:
    """Change what lies in the folder, and not what the manifest says."""
    rng.choice(_DISTURBANCES)(rng, folder)


def _any(rng: Random, folder: Folder) -> bytes:
    return rng.choice(sorted(folder.files))


def _remove(rng: Random, folder: Folder) -> None:
    del folder.files[_any(rng, folder)]


def _replace(rng: Random, folder: Folder) -> None:
    path = _any(rng, folder)
    del folder.files[path]
    folder.others[path] = rng.choice(["folder", "pipe", "-> none", "-> /dev/null", "-> bundle.json", "-> ."])


def _replace_folder(rng: Random, folder: Folder) -> None:
    name = _any(rng, folder).partition(b"/")[0]
    for path in [path for path in folder.files if path == name or path.startswith(name + b"/")]:
        del folder.files[path]
    if rng.random() < 0.5:
        folder.others[name] = rng.choice(["-> .", "-> none", "pipe"])
    elif name != b"bundle.json":
        folder.files[name] = b"a file"


def _extra(rng: Random, folder: Folder) -> None:
    name = rng.choice(
        [b"x", b".hidden", b"attest", b"attest/a", b"models/x", b"golden/\xff\xc3", b"\xed\xa0\x80", b"lib",
        b"golden/a/b", b"bundle.json~",
         b"models/\xf0\x9f\x98\x80", b"Models", b"config", b"a\nb", b"models/attest"]
    )  # fmt: skip
    if rng.random() < 0.5:
        folder.others[name] = rng.choice(["folder", "pipe", "-> none"])
    else:
        folder.files[name] = b"extra"


def _extra_two(rng: Random, folder: Folder) -> None:
    _extra(rng, folder)
    name = rng.choice([b"y", b"models/y", b"models-", b"models.", b"golden0", b"golden/\xfe"])
    folder.others.setdefault(name, "folder")


def _flip(rng: Random, folder: Folder) -> None:
    path = _any(rng, folder)
    data = bytearray(folder.files[path])
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    folder.files[path] = bytes(data)


def _resize(rng: Random, folder: Folder) -> None:
    path = _any(rng, folder)
    folder.files[path] = rng.choice([folder.files[path][:-1], folder.files[path] + b"\0", b""])


def _nowhere(rng: Random, folder: Folder) -> None:
    folder.gone = rng.choice(["nothing", "file"])


_DISTURBANCES: list[Callable[[Random, Folder], None]] = [
    _remove, _replace, _replace, _replace_folder, _extra, _extra, _extra_two, _flip, _flip, _resize,
    _resize, _nowhere,
]  # fmt: skip
