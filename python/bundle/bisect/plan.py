"""What a bisection is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bundle.bisect.ways import Told


@dataclass(frozen=True)
class Asked:
    """What is asked of both ways: a file of inputs, made-up cases, or else the golden ones."""

    inputs: str | None = None
    random: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """What is compared, and how.

    Attributes:
        path: a bundle's folder, an .onnx or an .ort file.
        a: the first way, which is the reference.
        b: the second way.
        folder: where the files of a finding go.
        digest: the identity that the bundle must have; None where any will do.
        variant: of the bundle, which programs open; None for its default.
        format: of the variant; None for the one that fits here.
        asked: the inputs.
        tolerance: a word of `rules.words`; None for the one that suits the ways.
        programs: programs by language that go before those that are found.
        library: ONNX Runtime of the native programs.
        runner: a command before each native program.
        force: write into a folder that has files in it.
    """

    path: Path
    a: Told
    b: Told
    folder: Path
    digest: str | None = None
    variant: str | None = None
    format: str | None = None
    asked: Asked = field(default_factory=Asked)
    tolerance: str | None = None
    programs: Mapping[str, str] = field(default_factory=dict)
    library: str | None = None
    runner: str = ""
    force: bool = False
