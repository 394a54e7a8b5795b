"""Files of known types, as the `file-type` model wants them.

They come from three places, none of which is the machine's own: wheels of the development set, distributions
that ``requirements/dev.txt`` pins, and what Pillow and the standard library write here. The label is
what the extension says.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import wave
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.devset.fetch import read_member, wheel_path
from tests.devset.models import MODELS, ONNX_TESTS
from tests.devset.pages import WORDS

_PER_TYPE = 25
_MADE = 6
_LEAST_BYTES = 64
# The thousands of tests of onnx would crowd out the other models.
_CROWD = "/backend/test/data/"

# What the model calls the files of an extension. C headers are left out: theirs may be C or C++.
_EXTENSIONS = {
    "c": "c", "cc": "cpp", "cpp": "cpp", "css": "css", "csv": "csv", "gif": "gif", "gz": "gzip",
    "html": "html", "ini": "ini", "jpg": "jpeg", "js": "javascript", "json": "json", "lua": "lua",
    "md": "markdown", "npy": "npy", "npz": "npz", "onnx": "onnx", "pdf": "pdf", "png": "png",
    "proto": "proto", "py": "python", "pyi": "python", "rst": "rst", "svg": "svg", "tif": "tiff",
    "ttf": "ttf", "xml": "xml", "yaml": "yaml",
}  # fmt: skip
_DISTRIBUTIONS = ("matplotlib", "onnx", "scikit-image", "scikit-learn")
_PICTURES = {"BMP": "bmp", "GIF": "gif", "ICO": "ico", "JPEG": "jpeg", "PDF": "pdf", "PNG": "png",
             "TIFF": "tiff", "WEBP": "webp"}  # fmt: skip

Sample = tuple[str, bytes]
"""A type, as the model calls it, and the content of a file."""


def file_types() -> list[str]:
    """The model's classes, in the order of its output."""
    model = MODELS["file-type"]
    config = model.path.rsplit("/", 1)[0] + "/config.min.json"
    return list(json.loads(read_member(model.wheel, config))["target_labels_space"])


def files() -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Features int32 [N, 2048] and labels int64 [N], which index `file_types`."""
    index = {name: i for i, name in enumerate(file_types())}
    samples = [*_published(), *_made()]
    return (
        np.stack([features(content) for _, content in samples]),
        np.array([index[name] for name, _ in samples], np.int64),
    )


def features(content: bytes) -> NDArray[np.int32]:
    """The first and the last 1,024 bytes as int32 [2048].

    White space at both ends does not count, and 256 stands where there is no byte.
    """
    row = np.full(2048, 256, np.int32)
    first = content[:4096].lstrip()[:1024]
    last = content[-4096:].rstrip()[-1024:]
    row[: len(first)] = list(first)
    row[2048 - len(last) :] = list(last)
    return row


def _published() -> Iterator[Sample]:
    """At most 25 files of each type, evenly spread over all that the wheels and distributions hold."""
    found: dict[str, list[tuple[str, Callable[[], bytes]]]] = {}
    with ExitStack() as stack:
        for name, read in [*_from_wheels(stack), *_from_distributions()]:
            kind = _EXTENSIONS.get(name.rsplit(".", 1)[-1]) if "." in name else None
            if kind:
                found.setdefault(kind, []).append((name, read))
        for kind, entries in sorted(found.items()):
            entries.sort(key=lambda entry: entry[0])
            count = min(_PER_TYPE, len(entries))
            for i in range(count):
                content = entries[i * len(entries) // count][1]()
                # The model is not asked about files that hold next to nothing, such as empty __init__.py.
                if len(content.strip()) >= _LEAST_BYTES:
                    yield kind, content


def _from_wheels(stack: ExitStack) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for wheel in [*(model.wheel for model in MODELS.values()), ONNX_TESTS]:
        archive = stack.enter_context(zipfile.ZipFile(wheel_path(wheel)))
        for name in archive.namelist():
            if _CROWD not in name:
                yield name, partial(archive.read, name)


def _from_distributions() -> Iterator[tuple[str, Callable[[], bytes]]]:
    for distribution in _DISTRIBUTIONS:
        for entry in metadata.files(distribution) or []:
            # What the installer wrote (scripts, bytecode) differs from one installation to another.
            published = entry.hash is not None and ".." not in entry.parts
            if published and _CROWD not in entry.as_posix():
                yield entry.as_posix(), entry.read_binary


def _made() -> Iterator[Sample]:
    """Six files of each type that published packages seldom hold."""
    for seed in range(_MADE):
        yield from made_files(seed)


def made_files(seed: int) -> Iterator[Sample]:
    """One file, written here, of each type that published packages seldom hold."""
    rng = np.random.default_rng(seed)
    yield from _pictures(rng)
    yield from _archives(rng)
    yield from _records(rng)


def _pictures(rng: np.random.Generator) -> Iterator[Sample]:
    from PIL import Image

    height, width = (int(side) for side in rng.integers(48, 160, 2))
    waves = np.add.outer(
        np.sin(np.arange(height) / rng.uniform(3, 20)), np.cos(np.arange(width) / rng.uniform(3, 20))
    )
    tints = rng.uniform(40, 63, 3)
    image = Image.fromarray((waves[:, :, None] * tints + 127).astype(np.uint8))
    for name, kind in _PICTURES.items():
        buffer = io.BytesIO()
        image.save(buffer, name)
        yield kind, buffer.getvalue()


def _archives(rng: np.random.Generator) -> Iterator[Sample]:
    contents = {f"part{i}.txt": _prose(rng, 400).encode() for i in range(int(rng.integers(2, 6)))}
    joined = b"\n".join(contents.values())
    yield "gzip", gzip.compress(joined, mtime=0)
    yield "bzip", bz2.compress(joined)
    yield "xz", lzma.compress(joined)
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    yield "zip", zipped.getvalue()
    yield "tar", tarred.getvalue()


def _records(rng: np.random.Generator) -> Iterator[Sample]:
    rows: list[dict[str, Any]] = [
        {"id": i, "name": _prose(rng, 2), "weight": round(float(rng.normal(70, 9)), 2)} for i in range(40)
    ]
    yield "json", json.dumps(rows, indent=2).encode()
    yield "jsonl", "\n".join(map(json.dumps, rows)).encode()
    yield "tsv", "\n".join("\t".join(map(str, row.values())) for row in rows).encode()
    yield "pickle", pickle.dumps(rows)
    yield "txt", _prose(rng, 600).encode()
    yield (
        "ini",
        "".join(f"[section{r['id']}]\nname = {r['name']}\nweight = {r['weight']}\n" for r in rows).encode(),
    )
    yield (
        "toml",
        "".join(
            f'[[person]]\nname = "{r["name"]}"\nweight = {r["weight"]}\nids = [{r["id"]}, 7]\n\n'
            for r in rows
        ).encode(),
    )
    body = "".join(f'<person id="{r["id"]}"><name>{r["name"]}</name></person>\n' for r in rows)
    yield "xml", f'<?xml version="1.0" encoding="UTF-8"?>\n<people>\n{body}</people>\n'.encode()
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, weight REAL)")
    connection.executemany("INSERT INTO person VALUES (:id, :name, :weight)", rows)
    connection.commit()
    yield "sqlite", connection.serialize()
    connection.close()
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", "not compressed"))
        tone = np.sin(np.arange(8000) * rng.uniform(0.05, 0.3)) * 9000
        file.writeframes(tone.astype("<i2").tobytes())
    yield "wav", sound.getvalue()


def _prose(rng: np.random.Generator, words: int) -> str:
    """Drawn words, a dozen to a line."""
    drawn = [str(word) for word in rng.choice(WORDS, words)]
    return "\n".join(" ".join(drawn[i : i + 12]) for i in range(0, words, 12))
