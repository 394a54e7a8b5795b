"""The parser of the whole command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from bundle.cli import build, exits, init, inspect, parity, predict, self_test, verify
from bundle.error import BundleError

#: In the order in which a user meets them.
COMMANDS: tuple[ModuleType, ...] = (init, build, inspect, verify, self_test, predict, parity)

PROGRAM = "python -m bundle"


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors of this package."""

    def error(self, message: str) -> NoReturn:
        """Raise ``usage_invalid`` with what argparse found."""
        expected = f"a command line as `{self.prog} --help` describes it"
        raise BundleError("usage_invalid", self.prog, expected, message)


class _Version(argparse.Action):
    """Print the version; looked up only when asked for, since that takes longer than the help text."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        print(f"edgebundle {version('edgebundle')}")
        parser.exit()


def make_parser() -> Parser:
    """Return the parser; what it parses has ``run``, ``debug`` and ``json``."""
    parser = Parser(
        prog=PROGRAM,
        description="Builds edge bundles, looks into them, and predicts from them.",
        epilog=f"{exits.table()}\n\nexample:\n  {PROGRAM} build model.onnx --target arm64",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        _add_command(commands, name, module)
    return parser


def _add_command(commands: argparse._SubParsersAction[Parser], name: str, module: ModuleType) -> None:
    examples = "\n".join(f"  {PROGRAM} {name} {line}" for line in module.EXAMPLES)
    parser = commands.add_parser(
        name,
        help=module.SUMMARY,
        description=f"{name} {module.SUMMARY}.\n{module.DETAILS}",
        epilog=f"example:\n{examples}\n\n{exits.table()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(run=module.run)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line.

    Errors: ``usage_invalid``. `--help` and `--version` print and raise SystemExit.
    """
    return make_parser().parse_args(arguments)
