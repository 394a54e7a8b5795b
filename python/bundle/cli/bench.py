"""The command ``bench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bundle.cli import exits, output, stored
from bundle.cli.opening import add_option, add_variant
from bundle.parity import LANGUAGES

if TYPE_CHECKING:
    from bundle.bench.plan import Plan
    from bundle.bench.run import Result

SUMMARY = "times the predictors of all languages in this process, side by side with ONNX Runtime"
DETAILS = (
    "`predict` and a bound call (`bind`, then `run`) are timed in rounds, all in turn; of each round the\n"
    "median is divided by the baseline's, and the ratio is the median of these, with its quartiles. Peak\n"
    "memory is that of a process of its own, beyond Python and numpy."
)
EXAMPLES = (
    "bundles/digits-1.0.0-x86_64",
    "bundles/digits-1.0.0-x86_64 --runtimes python,cpp --batch 1,8 --threads 1,2",
    "bundles/digits-1.0.0-x86_64 --against my_module:predict --profile",
)

_HEAD = ("runtime", "call")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``bench``."""
    stored.add_bundle(parser)
    add_variant(parser)
    parser.add_argument(
        "--runtimes",
        type=_languages,
        metavar="LANG,…",
        help=f"of {', '.join(LANGUAGES)}; default: all whose bindings are built",
    )
    parser.add_argument(
        "--against",
        metavar="WHAT",
        default="onnxruntime",
        help="onnxruntime, a plain session over the same file with the same options (default); or "
        "module:function, called with a dict of arrays",
    )
    parser.add_argument(
        "--batch", type=_counts, metavar="N,…", help="rows of one call; default: the inputs as they are"
    )
    parser.add_argument("--threads", type=_counts, metavar="N,…", help="of one call; default: the bundle's")
    parser.add_argument(
        "--warmup",
        type=int,
        default=50,
        metavar="N",
        help="calls before those that count; default: %(default)s",
    )
    parser.add_argument(
        "--runs", type=int, default=1000, metavar="N", help="calls that count; default: %(default)s"
    )
    parser.add_argument("--input", metavar="FILE", help="as of `predict`; default: the golden cases")
    parser.add_argument("--profile", action="store_true", help="show the most expensive nodes and operators")
    add_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Time and print the figures.

    Errors: ``runtime_missing``, ``batch_unsupported``, ``usage_invalid``, ``golden_missing``,
    ``input_file_unreadable``, ``runtime_crashed``, and those of opening the bundle and predicting.
    """
    from bundle.bench.run import bench
    from bundle.cli import progress

    plan = _plan(arguments)
    with progress.bar("timing", still=True) as show:
        result = bench(plan, show)
    for name in result.left_out:
        print(f"note: {name} is left out: its binding is not built", file=sys.stderr)
    if arguments.json:
        found = {"left_out": result.left_out, "rows": result.rows, "profiles": result.profiles}
        output.print_json({"ok": True, **result.facts, **found})
    else:
        output.print_text(_lines(result))
    return exits.OK


def _plan(arguments: argparse.Namespace) -> Plan:
    from bundle.bench.plan import Plan
    from bundle.error import BundleError

    for flag, value, least in (("--runs", arguments.runs, 1), ("--warmup", arguments.warmup, 0)):
        if value < least:
            raise BundleError("usage_invalid", flag, f"at least {least}", str(value))
    located = stored.locate(arguments.bundle, arguments.store)
    options = {
        "variant": arguments.variant,
        "format": arguments.format,
        "digest": located.digest,
        **dict(arguments.option),
    }
    return Plan(
        path=str(located.path),
        options={name: value for name, value in options.items() if value is not None},
        runtimes=arguments.runtimes,
        against=arguments.against,
        threads=arguments.threads or (None,),
        batches=arguments.batch or (None,),
        warmup=arguments.warmup,
        runs=arguments.runs,
        input=arguments.input,
        profile=arguments.profile,
    )


def _languages(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(LANGUAGES) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not languages of {', '.join(LANGUAGES)}, each once")
    return names


def _counts(text: str) -> tuple[int, ...]:
    words = text.split(",")
    good = all(word.isascii() and word.isdecimal() and 0 < len(word) < 10 and int(word) for word in words)
    if not good or len(set(map(int, words))) < len(words):
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers of at least 1, each once")
    return tuple(map(int, words))


def _lines(result: Result) -> list[str]:
    facts = result.facts
    lines = [
        f"{facts['bundle']}, variant {facts['variant']}, {facts['format']}: {facts['reason']}",
        f"{facts['runs']:,} calls in {facts['rounds']} rounds after {facts['warmup']:,} uncounted, against "
        f"{facts['against']}; times in us",
    ]
    for setting in dict.fromkeys(map(_setting, result.rows)):
        lines += [setting, *_table([row for row in result.rows if _setting(row) == setting])]
    for profile in result.profiles:
        lines += _profile_lines(profile)
    return lines


def _setting(row: dict[str, Any]) -> str:
    threads, asked = row["threads"], row["threads_asked"]
    lowered = f" ({asked} asked for)" if asked not in (None, threads) else ""
    return f"{_many(threads, 'thread')}{lowered}, {_many(row['rows'], 'row')}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = (*rows[0]["us"], "rows/s", "cpu", "memory", "ratio", "quartiles")
    return _columns([(*_HEAD, *names), *map(_cells, rows)], texts=len(_HEAD))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    memory, ratio = row["peak_memory_bytes"], row["ratio"]
    spread = ("", "")
    if ratio is not None:
        spread = _ratio(ratio["median"]), f"{_ratio(ratio['q1'])}-{_ratio(ratio['q3'])}"
    return (
        row["runtime"],
        row["call"],
        *(f"{value:,.1f}" for value in row["us"].values()),
        f"{row['rows_per_second']:,.0f}",
        f"{row['cpu_us']:,.1f}",
        "-" if memory is None else output.size_text(memory),
        *spread,
    )


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _profile_lines(profile: dict[str, Any]) -> list[str]:
    head = f"profile, {_setting(profile)}: {_many(profile['runs'], 'call')} of {profile['us']:,.1f} us"
    nodes = [
        ("node", "operator", *_COSTS),
        *((row["name"], row["operator"], *_cost(row)) for row in profile["nodes"]),
    ]
    operators = [("operator", *_COSTS), *((row["name"], *_cost(row)) for row in profile["operators"])]
    return [head, *_columns(nodes, texts=2), *_columns(operators, texts=1)]


_COSTS = ("share", "us per run", "runs")


def _cost(row: dict[str, Any]) -> tuple[str, str, str]:
    return f"{row['share']:.1%}", f"{row['us'] / row['calls']:,.1f}", f"{row['calls']:,}"


def _columns(rows: Sequence[Sequence[str]], texts: int) -> list[str]:
    """Lay out a table whose first columns are text, and the others numbers, flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return output.columns(
        [
            [cell if index < texts else cell.rjust(widths[index]) for index, cell in enumerate(row)]
            for row in rows
        ]
    )
