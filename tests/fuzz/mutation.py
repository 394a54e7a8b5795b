"""Mutation number N of a seed: always the same, whatever was made before."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from bundle.canonical import dumps
from bundle.manifest import MAX_BYTES
from tests.fuzz import folders, goldens, models, options, spelling, trees
from tests.fuzz.folders import MANIFEST, Folder

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "spec" / "cases" / "valid"
_KEY = MANIFEST.encode()


@dataclass(frozen=True)
class Mutation:
    """Something that the readers are asked about.

    Attributes:
        kind: the strategy that made it.
        canonical: whether it is a manifest in canonical spelling.
        manifest: bytes to be parsed; None where a folder is to be opened.
        folder: a bundle to be opened and to test itself.
    """

    kind: str
    canonical: bool = False
    manifest: bytes | None = None
    folder: Folder | None = None


@cache
def seeds() -> tuple[Folder, ...]:
    """The bundles of the valid vectors with the options they are opened with, and the built example."""
    found: list[Folder] = []
    for path in sorted(CASES.glob("*/case.json")):
        case = json.loads(path.read_bytes())
        if "bundle" in case and "prepare" not in case:
            opening = next(step.get("options", {}) for step in case["steps"] if step["op"] == "open")
            found.append(Folder.read(path.parent / case["bundle"], opening))
    assert found, f"no case in {CASES}"
    # Larger than all vectors together, so it is worth a few of them.
    return tuple(found) + (Folder.read(_example(), {"allow_foreign_target": True}),) * 4


def _example() -> Path:
    """The digits example, which is built where it is not there."""
    folder = ROOT / "build" / "fuzz"
    if not list(folder.glob("digits-*-x86_64")):
        command = [sys.executable, "-m", "bundle", "build", "--target", "x86_64", "--output", str(folder)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.glob("digits-*-x86_64")
    return path


@cache
def _manifests() -> tuple[bytes, ...]:
    texts = {folder.files[_KEY] for folder in seeds()}
    texts.update(path.read_bytes() for path in CASES.glob("*/manifest.json"))
    return tuple(sorted(text for text in texts if len(text) < MAX_BYTES // 4))


@cache
def _with(part: str) -> tuple[Folder, ...]:
    return tuple(folder for folder in seeds() if folder.listed(part))


@cache
def _frozen() -> tuple[Folder, ...]:
    return tuple(folder for folder in seeds() if any(path.endswith(b".ort") for path in folder.files))


@cache
def _models() -> tuple[bytes, ...]:
    return tuple(folder.files[path] for folder in seeds() for path in folder.listed("models"))


def make(seed: int, number: int) -> Mutation:
    """Return mutation `number` of a seed."""
    rng = Random(f"{seed}:{number}")
    kind = rng.choices(_KINDS, _WEIGHTS)[0]
    return STRATEGIES[kind][1](rng, kind)


def _tree(rng: Random, kind: str) -> Mutation:
    return Mutation(kind, True, dumps(trees.mutate(rng, json.loads(rng.choice(_manifests())))))


def _spelt(rng: Random, kind: str) -> Mutation:
    data = rng.choice(_manifests())
    if rng.random() < 0.3:
        data = dumps(trees.mutate(rng, json.loads(data)))
    for _ in range(rng.choice([1, 1, 2])):
        data = spelling.respell(rng, data)
    return Mutation(kind, manifest=data)


def _large(rng: Random, kind: str) -> Mutation:
    """At the limit of size, on both sides of it."""
    tree = json.loads(rng.choice(_manifests()))
    tree["metadata"] = {f"{number:03}": "a" * 4096 for number in range(253)}
    tree["metadata"]["z"] = "a" * (MAX_BYTES + rng.choice([-1, 0, 1, 2]) - len(dumps(tree)) - len('"z":"",'))
    return Mutation(kind, True, dumps(tree))


def _folder_tree(rng: Random, kind: str) -> Mutation:
    """A manifest that says something else than the model and the golden files do."""
    folder = rng.choice(seeds()).copy()
    tree = folder.tree()
    for _ in range(8):
        changed = trees.mutate(rng, json.loads(folder.files[_KEY]))
        if isinstance(changed, dict) and trees.plausible(changed):
            tree = changed
            break
    folder.files[_KEY] = dumps(tree)
    return Mutation(kind, folder=folder)


def _folder_spelt(rng: Random, kind: str) -> Mutation:
    folder = rng.choice(seeds()).copy()
    folder.files[_KEY] = spelling.respell(rng, folder.files[_KEY])
    return Mutation(kind, folder=folder)


def _golden(rng: Random, kind: str) -> Mutation:
    folder = rng.choice(_with("golden")).copy()
    path = rng.choice(folder.listed("golden"))
    folder.files[path] = goldens.mutate(rng, folder.files[path])
    folder.seal()
    return Mutation(kind, folder=folder)


def _model(rng: Random, kind: str) -> Mutation:
    folder = rng.choice(_with("models")).copy()
    path = rng.choice(folder.listed("models"))
    folder.files[path] = models.mutate(rng, folder.files[path], _models())
    # In mode quick a reader may leave names that are no UTF-8 to the calls.
    folder.options.pop("mode", None)
    folder.seal()
    return Mutation(kind, folder=folder)


def _options(rng: Random, kind: str) -> Mutation:
    change = rng.choice(
        [options.mutate, options.mutate, options.mutate, options.retarget, options.unavailable]
    )
    folder = rng.choice(_frozen() if change is options.retarget else seeds()).copy()
    change(rng, folder)
    if rng.random() < 0.2:
        folders.disturb(rng, folder)
    return Mutation(kind, folder=folder)


def _disturbed(rng: Random, kind: str) -> Mutation:
    folder = rng.choice(seeds()).copy()
    for _ in range(rng.choice([1, 1, 2])):
        if folder.files:
            folders.disturb(rng, folder)
    return Mutation(kind, folder=folder)


#: Strategies by name: how often of a thousand, and what makes one.
STRATEGIES: dict[str, tuple[int, Callable[[Random, str], Mutation]]] = {
    "manifest tree": (480, _tree),
    "manifest bytes": (348, _spelt),
    "manifest size": (2, _large),
    "folder manifest tree": (30, _folder_tree),
    "folder manifest bytes": (5, _folder_spelt),
    "folder golden": (60, _golden),
    "folder model": (45, _model),
    "folder options": (15, _options),
    "folder entries": (15, _disturbed),
}
_KINDS: Sequence[str] = tuple(STRATEGIES)
_WEIGHTS: Sequence[int] = tuple(weight for weight, _ in STRATEGIES.values())
