"""What the emulated machines are asked: the bundles of the development set, and real inputs to them."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.bundle import Bundle
from bundle.manifest import Manifest
from tests.devset import labels
from tests.devset.golden import golden_for

Inputs = dict[str, NDArray[np.generic]]

# The faces are looked for in so many rows and columns of each image: an emulator takes its time.
_WINDOW = 48


@dataclass(frozen=True)
class Share:
    """How much of a model's data is asked.

    Attributes:
        one: cases that one language is asked.
        all: cases that all languages are asked, the first ones of them.
        everywhere: whether every language is asked, and has to prove the bundle, on every machine; else that
            language alone proves it, and the others are asked on one machine.
        python: whether Python is asked too, on that machine.
    """

    one: int
    all: int
    everywhere: bool = True
    python: bool = False

    def times(self, factor: int) -> Share:
        """Return more data, asked everywhere."""
        return Share(self.one * factor, self.all * factor, python=self.python)


#: By model, so that none takes long: what one call costs differs a thousandfold.
SHARES = {
    "digits": Share(24, 6, python=True),
    "mnist": Share(12, 3, python=True),
    "orientation": Share(1, 1, everywhere=False),
    "file-type": Share(1, 1, everywhere=False),
    "voice": Share(6, 2),
    "embedding": Share(1, 1, everywhere=False),
    "emotion": Share(24, 6, python=True),
    "notes": Share(1, 1, everywhere=False),
    "faces": Share(4, 1, everywhere=False),
    "resnet": Share(1, 1, everywhere=False),
    "minilm": Share(2, 1, everywhere=False),
    "lstm": Share(12, 3, python=True),
}


@dataclass(frozen=True)
class Subject:
    """One file of a bundle.

    Attributes:
        model: its name in the development set.
        bundle: the folder.
        variant: of the bundle.
        format: of the variant.
    """

    model: str
    bundle: Path
    variant: str
    format: str

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return Bundle.open(self.bundle, mode="quick").manifest

    @property
    def options(self) -> dict[str, Any]:
        """The options of `open` that ask for this file."""
        return {"variant": self.variant, "format": self.format}


def subjects(model: str, bundle: Path, form: str | None = None) -> list[Subject]:
    """Return a subject for each variant that has this format; None is what `open` would choose."""
    manifest = Bundle.open(bundle, mode="quick").manifest
    return [
        Subject(model, bundle, variant.name, form or ("ort" if "ort" in variant.files else "onnx"))
        for variant in manifest.variants
        if form is None or form in variant.files
    ]


def cases_of(model: str, count: int) -> list[Inputs]:
    """Return that many different cases of real data, evenly spread over all there are."""
    if model in labels.TASKS:
        inputs = labels.labelled(model).inputs
    else:
        with np.load(golden_for(model)) as stored:
            inputs = {
                key.removeprefix("inputs/"): stored[key] for key in stored.files if key.startswith("inputs/")
            }
    total = len(next(iter(inputs.values())))
    # The middle of each part: the shipped golden cases are the first ones.
    rows = sorted({(2 * index + 1) * total // (2 * count) for index in range(min(count, total))})
    # Not `ascontiguousarray`, which gives a tensor without an axis one.
    cases = [{name: np.asarray(values[row], order="C") for name, values in inputs.items()} for row in rows]
    return [_cut(case) for case in cases] if model == "faces" else cases


def _cut(case: Inputs) -> Inputs:
    return {name: np.ascontiguousarray(image[..., :_WINDOW, :_WINDOW]) for name, image in case.items()}


def with_few_cases(bundle: Path, folder: Path, count: int) -> Path:
    """Return a copy of a bundle, in that new folder, whose self-test replays its first golden cases only."""
    shutil.copytree(bundle, folder, copy_function=os.link, ignore=shutil.ignore_patterns("attest"))
    tree = json.loads((bundle / "bundle.json").read_bytes())
    dropped = {case["path"] for case in tree["golden"][count:]}
    tree["golden"] = tree["golden"][:count]
    tree["files"] = [file for file in tree["files"] if file["path"] not in dropped]
    for path in dropped:
        (folder / path).unlink()
    (folder / "bundle.json").unlink()
    (folder / "bundle.json").write_bytes(Manifest.encode(tree))
    return folder
