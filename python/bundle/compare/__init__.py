"""Compare two models: bundles, .onnx and .ort files, in any mix.

What they take and give, their operators, sizes and digests, and how far apart they answer the same inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bundle.compare import structure
from bundle.compare.answers import Answers, answers
from bundle.compare.cases import shared_cases
from bundle.compare.side import Side, Wanted, open_side
from bundle.error import BundleError

__all__ = ["Comparison", "Wanted", "compare"]


@dataclass(frozen=True)
class Comparison:
    """What two models have in common, and what they differ in.

    Attributes:
        a: the first one, which is the reference of all that is counted.
        b: the second one.
        inputs: how what they take differs.
        outputs: how what they give differs.
        operators: count in ``a`` and in ``b`` of each operator whose counts differ; None where they are not
            known of both.
        variants: how the variants of two bundles differ; None where one is a plain file.
        answers: how far apart they answer.
    """

    a: Side
    b: Side
    inputs: structure.Ports
    outputs: structure.Ports
    operators: Mapping[str, tuple[int, int]] | None
    variants: structure.Entries | None
    answers: Answers

    @property
    def facts(self) -> list[str]:
        """The names of the facts that both have and that differ."""
        return [name for name, value in self.a.facts.items() if self.b.facts.get(name, value) != value]

    @property
    def differences(self) -> list[str]:
        """What they differ in, in words; empty where they are equal."""
        parts = {
            "inputs": not self.inputs.same,
            "outputs": not self.outputs.same,
            "operators": bool(self.operators),
            "variants": self.variants is not None and not self.variants.same,
            "answers": self.answers.differ,
        }
        return [*self.facts, *(name for name, differ in parts.items() if differ)]

    def tree(self) -> dict[str, Any]:
        """Return all of it as a tree for JSON."""
        operators = (
            None if self.operators is None else {name: list(pair) for name, pair in self.operators.items()}
        )
        return {
            "equal": not self.differences,
            "differences": self.differences,
            "a": self.a.tree(),
            "b": self.b.tree(),
            "inputs": self.inputs.tree(),
            "outputs": self.outputs.tree(),
            "operators": operators,
            "variants": None if self.variants is None else self.variants.tree(),
            "answers": self.answers.tree(),
        }


def compare(
    a: Wanted, b: Wanted, *, inputs: str | None = None, options: Mapping[str, Any] | None = None
) -> Comparison:
    """Compare two models.

    Args:
        a: the first model; differences are told as changes from it.
        b: the second model.
        inputs: a file of inputs, as ``predict`` reads them; None for the golden cases of the first of the
            two that has some.
        options: of opening, for bundles; those of FORMAT.md section 5.

    Raises:
        BundleError: what opening a bundle or reading a model file raises; ``option_invalid``,
            ``input_file_unreadable``, ``golden_malformed``. A model that cannot be run here is none: the
            rest is compared all the same.
    """
    first, second = open_side(a), open_side(b)
    if options and first.bundle is None and second.bundle is None:
        name = next(iter(options))
        raise BundleError("usage_invalid", name, "a bundle, to which options apply", "two plain files")
    known = first.operators is not None and second.operators is not None
    bundles = first.bundle is not None and second.bundle is not None
    return Comparison(
        a=first,
        b=second,
        inputs=structure.ports(first.inputs, second.inputs),
        outputs=structure.ports(first.outputs, second.outputs),
        operators=structure.counts(first.operators or {}, second.operators or {}) if known else None,
        variants=structure.entries(first.variants, second.variants) if bundles else None,
        answers=_answers(first, second, inputs, options or {}),
    )


def _answers(first: Side, second: Side, inputs: str | None, options: Mapping[str, Any]) -> Answers:
    obstacle = structure.obstacle(first.inputs, second.inputs)
    if obstacle:
        return Answers.none(f"they do not take the same inputs: {obstacle}")
    shared = {port.name for port in first.outputs} & {port.name for port in second.outputs}
    if not shared:
        return Answers.none("they have no output in common")
    origin, cases = shared_cases(first, second, inputs)
    if not cases:
        return Answers.none("neither is a bundle with golden cases, and no file of inputs was given")
    return answers(first, second, origin, cases, options)
