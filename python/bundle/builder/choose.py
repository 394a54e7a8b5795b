"""Choose: which precision `auto` ships, by what was measured, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.builder.project import AUTO, SOURCE, Project
from bundle.builder.quantize import PRECISIONS
from bundle.builder.report import Auto
from bundle.builder.seal import Variant
from bundle.error import BundleError
from bundle.manifest import Target
from bundle.spec import table
from bundle.target import target_word

FILE_NAME = "attest/decisions.json"


@dataclass(frozen=True)
class Figures:
    """What is known of a variant when `auto` chooses.

    Attributes:
        variant: the variant.
        latency: microseconds per call on a machine of the target's kind; None where not measured there.
    """

    variant: Variant
    latency: float | None

    @property
    def size(self) -> int:
        """Bytes of its largest file: a device opens one, and a variant may lack the other."""
        return max(model.size for model in self.variant.files.values())

    @property
    def accuracy(self) -> float | None:
        """Share of the labels that its worst file meets; None without labels."""
        known = [
            figure
            for form, figure in self.variant.accuracy.items()
            if form in self.variant.files and figure is not None
        ]
        return min(known, default=None)


def precisions_to_make(project: Project, replayed: Auto | None) -> tuple[str, ...]:
    """Return the precisions to make, in order of preference; all where `auto` has to choose."""
    wanted: list[str] = []
    for word in project.precisions:
        everything = (SOURCE, *PRECISIONS) if replayed is None else (replayed["chosen"],)
        wanted += everything if word == AUTO else (word,)
    return tuple(dict.fromkeys(wanted))


def keep(project: Project, variants: Sequence[Variant], choice: Auto | None) -> list[Variant]:
    """Return the variants that ship, in the order in which they were asked for."""
    if choice is None:
        return list(variants)
    words = [choice["chosen"] if word == AUTO else word for word in project.precisions]
    by_name = {variant.name: variant for variant in variants}
    return [by_name[word] for word in dict.fromkeys(words) if word in by_name]


def choose(objective: str, target: Target, figures: Sequence[Figures]) -> Auto:
    """Choose among variants that all passed their gates; ``figures`` holds the source's, too."""
    rule = {"size": _smallest, "latency": _fastest, "accuracy": _most_accurate}[objective]
    source = next((each for each in figures if each.variant.name == SOURCE), figures[0])
    best, why = rule(source, figures, target)
    return {"objective": objective, "chosen": best.variant.name, "why": why}


def _smallest(source: Figures, figures: Sequence[Figures], target: Target) -> tuple[Figures, str]:
    best = min(figures, key=lambda each: (each.size, each is not source))
    if best is source:
        return source, f"nothing that passed its gate is smaller than the source's {source.size:,} bytes"
    return (
        best,
        f"{best.size:,} bytes instead of the source's {source.size:,}",
    )


def _fastest(source: Figures, figures: Sequence[Figures], target: Target) -> tuple[Figures, str]:
    measured = [(each.latency, each) for each in figures if each.latency is not None]
    if source.latency is None:
        place = "no one machine" if target.arch == "any" else f"measured on no {target_word(target)}"
        return (
            source,
            f"latency was not compared, as `{target.arch}` is {place}; --runner measures on a target",
        )
    least, best = min(measured, key=lambda pair: pair[0])
    margin = table("tolerances")["budgets"]["auto"]["faster_percent"]
    if best is source or least * 100 > source.latency * (100 - margin):
        return source, f"nothing is faster than the source's {source.latency:.1f} us by more than {margin} %"
    return best, f"{least:.1f} us a call instead of the source's {source.latency:.1f} us"


def _most_accurate(source: Figures, figures: Sequence[Figures], target: Target) -> tuple[Figures, str]:
    if source.accuracy is None:
        return source, "there are no labels, and no variant is nearer to the source than itself"
    labeled = [(each.accuracy, each) for each in figures if each.accuracy is not None]
    most = max(accuracy for accuracy, _ in labeled)
    equals = [each for accuracy, each in labeled if accuracy == most]
    best = min(equals, key=lambda each: (each.size, each is not source))
    return best, f"accuracy {most:.2%}, the source's being {source.accuracy:.2%}, at {best.size:,} bytes"


def encode(choice: Auto, target: Target) -> bytes:
    """Return the bytes of ``attest/decisions.json``."""
    tree = {"auto": choice, "target": target_word(target)}
    return (json.dumps(tree, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read(path: Path, target: Target) -> Auto:
    """Read the choice that an earlier build made for a target.

    Errors: ``decisions_invalid`` where the file cannot be read, is about another target or chooses what no
    builder of this version makes.
    """
    try:
        tree = json.loads(path.read_bytes())
        found = tree["target"]
        made = tree["auto"]
        choice = Auto(objective=str(made["objective"]), chosen=str(made["chosen"]), why=str(made["why"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise BundleError("decisions_invalid", str(path), "the decisions.json of a build", found) from error
    if found != target_word(target):
        raise BundleError(
            "decisions_invalid", str(path), f"choices for {target_word(target)}", f"for {found}"
        )
    if choice["chosen"] not in (SOURCE, *PRECISIONS):
        known = ", ".join((SOURCE, *PRECISIONS))
        raise BundleError("decisions_invalid", str(path), f"one of {known}", f"`{choice['chosen']}`")
    return choice
