"""The command ``compare``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.cli import exits, output, stored
from bundle.cli.opening import add_option

if TYPE_CHECKING:
    from bundle.compare import Comparison
    from bundle.compare.answers import Answers
    from bundle.compare.side import Fact
    from bundle.compare.structure import Entries, Port, Ports

SUMMARY = "compares two bundles, .onnx or .ort files, in any mix"
DETAILS = (
    "What they take and give, operators, sizes, digests, and on shared inputs the worst difference and the\n"
    "decisions that flip. Inputs are the golden cases of A, else of B, unless --input names others. A plain\n"
    "file runs with the defaults of spec/session.json, on the CPU. The exit code is 1 where anything differs."
)
EXAMPLES = (
    "old/digits-1.0.0-x86_64 bundles/digits-1.0.0-x86_64",
    "model.onnx slim.onnx --input inputs.npz",
    "bundles/digits-1.0.0-x86_64 bundles/digits-1.0.0-x86_64 --format-a onnx --format-b ort --json",
)

_DIGEST_SHOWN = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``compare``."""
    for side in ("a", "b"):
        help_text = f"{stored.BUNDLE_HELP}; or an .onnx or .ort file"
        parser.add_argument(side, metavar=side.upper(), help=help_text)
    stored.add_store(parser)
    for side in ("a", "b"):
        upper = side.upper()
        parser.add_argument(
            f"--variant-{side}", metavar="NAME", help=f"of bundle {upper}; default: its default variant"
        )
        parser.add_argument(
            f"--format-{side}", choices=("onnx", "ort"), help="default: ort where it fits this machine"
        )
    parser.add_argument("--input", metavar="FILE", help="as of `predict`, or .npz with the cases on axis 0")
    add_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print what differs.

    Errors: ``bundle_unknown``, those of opening a bundle and of reading a model file,
    ``input_file_unreadable``, ``usage_invalid``.
    """
    from bundle.compare import Wanted, compare

    a, b = (Path(stored.locate(each, arguments.store).path) for each in (arguments.a, arguments.b))
    found = compare(
        Wanted(a, arguments.variant_a, arguments.format_a),
        Wanted(b, arguments.variant_b, arguments.format_b),
        inputs=arguments.input,
        options=dict(arguments.option),
    )
    if arguments.json:
        output.print_json({"ok": True, **found.tree()})
    else:
        output.print_text(_lines(found))
    return exits.NO if found.differences else exits.OK


def _lines(found: Comparison) -> list[str]:
    differ = ", ".join(name.replace("_", " ") for name in found.differences)
    return [
        f"a: {found.a.path}",
        f"b: {found.b.path}",
        *output.columns([("", "a", "b"), *_fact_rows(found)]),
        *_port_lines("inputs", found.inputs, found.a.inputs),
        *_port_lines("outputs", found.outputs, found.a.outputs),
        *_operator_lines(found),
        *_variant_lines(found.variants),
        *_answer_lines(found.answers),
        f"they differ in: {differ}" if differ else "equal",
    ]


def _fact_rows(found: Comparison) -> Iterable[tuple[str, ...]]:
    for name in dict.fromkeys([*found.a.facts, *found.b.facts]):
        cells = [_fact_text(name, side.facts.get(name, "-")) for side in (found.a, found.b)]
        yield (name.replace("_", " "), *cells, *(["differs"] if name in found.facts else []))


def _fact_text(name: str, value: Fact) -> str:
    if isinstance(value, int):
        return output.size_text(value) if name.endswith("bytes") else str(value)
    return value[:_DIGEST_SHOWN] if name in ("identity", "model_digest") else value


def _port_lines(title: str, ports: Ports, all_of_them: Sequence[Port]) -> list[str]:
    if ports.same:
        return [f"{title}: the same", *output.columns([_port_row("", port) for port in all_of_them])]
    rows = [_port_row("only in a", port) for port in ports.removed]
    rows += [_port_row("only in b", port) for port in ports.added]
    for one, two in ports.changed:
        rows += [_port_row("a", one), _port_row("b", two)]
    if ports.reordered:
        rows.append(("in another order",))
    return [f"{title}: different", *output.columns(rows)]


def _port_row(where: str, port: Port) -> tuple[str, ...]:
    return (*([where] if where else []), port.name, port.dtype, output.shape_text(port.shape))


def _operator_lines(found: Comparison) -> list[str]:
    if found.operators is None:
        return [f"operators: not known: {found.a.unknown or found.b.unknown}"]
    if not found.operators:
        return ["operators: the same"]
    rows = [(name, str(one), str(two)) for name, (one, two) in found.operators.items()]
    return ["operators: different", *output.columns([("", "a", "b"), *rows])]


def _variant_lines(variants: Entries | None) -> list[str]:
    if variants is None:
        return []
    if variants.same:
        return ["variants: the same"]
    rows = [(name, "only in a") for name in variants.removed]
    rows += [(name, "only in b") for name in variants.added]
    rows += [(name, f"differs in {', '.join(fields)}") for name, fields in variants.changed.items()]
    return ["variants: different", *output.columns(rows)]


def _answer_lines(answers: Answers) -> list[str]:
    if answers.unknown:
        return [f"answers: not compared: {answers.unknown}"]
    rows: list[tuple[str, ...]] = [
        ("output", "worst difference", "within `close`", "flips", "near ties", "decisions")
    ]
    for row in answers.outputs:
        worst = row.mismatch or f"{row.worst:.3g}"
        counts = (str(count) if row.decisions else "-" for count in (row.flips, row.near_ties, row.decisions))
        rows.append((row.name, worst, "yes" if row.close else "no", *counts))
    refused = [f"  {case}: refused by {said}" for case, said in answers.refused.items()]
    cases = f"{answers.count} case{'s' * (answers.count != 1)}"
    table = output.columns(rows) if answers.outputs else []
    return [f"answers to {cases} ({answers.origin}):", *table, *refused]
