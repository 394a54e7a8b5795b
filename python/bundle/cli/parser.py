"""The parser of the whole command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from bundle.cli import (
    archive,
    bench,
    bisect,
    build,
    compare,
    convert,
    doctor,
    edit,
    exits,
    history,
    init,
    inspect,
    install,
    parity,
    predict,
    quantize,
    remove,
    report,
    rollback,
    runtime,
    self_test,
    slim,
    tag,
    untag,
    update,
    verify,
)
from bundle.cli import list as list_command
from bundle.error import BundleError
from bundle.suggest import did_you_mean

#: In the order in which a user meets them.
COMMANDS: tuple[ModuleType, ...] = (
    init,
    build,
    slim,
    quantize,
    convert,
    inspect,
    compare,
    edit,
    verify,
    self_test,
    report,
    predict,
    parity,
    bisect,
    bench,
    archive,
    install,
    list_command,
    history,
    tag,
    untag,
    remove,
    update,
    rollback,
    doctor,
    runtime,
)

PROGRAM = "python -m bundle"


_CHOICE = re.compile(r"argument (?P<what>.*?): invalid choice: '(?P<found>.*)' \(choose from (?P<known>.*)\)")
_MISSING = re.compile("the following arguments are required: (?P<what>.*)")
_NUMBER = re.compile("argument (?P<what>.*?): invalid int value: '(?P<found>.*)'")
_VALUE = re.compile("argument (?P<what>.*?): (?P<found>.*)")


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors of this package."""

    def error(self, message: str) -> NoReturn:
        """Raise ``usage_invalid`` with what argparse found."""
        help_of = self._help_hint()
        if match := _CHOICE.fullmatch(message):
            known = re.findall("'([^']*)'", match["known"])
            hint = did_you_mean(match["found"], known) or help_of
            raise _wrong(match["what"], f"one of {', '.join(known)}", f"`{match['found']}`", hint)
        if match := _MISSING.fullmatch(message):
            first = match["what"].split(", ")[0]
            commands = ", ".join(map(_name, COMMANDS))
            expected = f"one of {commands}" if first == "COMMAND" else "this argument"
            raise _wrong(first, expected, "nothing", help_of)
        if match := _NUMBER.fullmatch(message):
            raise _wrong(match["what"], "an integer", f"`{match['found']}`", help_of)
        if match := _VALUE.fullmatch(message):
            nothing = match["found"] == "expected one argument"
            expected, found = ("a value", "nothing") if nothing else ("a value of its form", match["found"])
            raise _wrong(match["what"], expected, found, help_of)
        raise _wrong(self.prog, "another command line", message, help_of)

    def _help_hint(self) -> str:
        return f"`{self.prog} --help` shows what may be said, with an example"

    def refuse_unknown(self, words: Sequence[str]) -> NoReturn:
        """Raise ``usage_invalid`` about words that no argument took."""
        # A word behind a misspelt flag was meant as its value.
        word = next((each for each in words if each.startswith("-")), words[0]).partition("=")[0]
        help_of = self._help_hint()
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        if word.startswith("-"):
            hint = did_you_mean(word, flags) or help_of
            raise _wrong(word, f"a flag of `{self.prog}`", "an unknown flag", hint)
        raise _wrong(word, f"no further argument of `{self.prog}`", "one too many", help_of)


def _wrong(subject: str, expected: str, found: str, hint: str) -> BundleError:
    return BundleError("usage_invalid", subject, expected, found, hint)


class _Version(argparse.Action):
    """Print the version; looked up only when asked for, since that takes longer than the help text."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        print(f"edgebundle {version('edgebundle')}")
        parser.exit()


def make_parser() -> Parser:
    """Return the parser; what it parses has ``run``, ``debug``, ``json`` and its command's ``parser``."""
    parser = Parser(
        prog=PROGRAM,
        description="Builds edge bundles, looks into them, and predicts from them.",
        epilog=f"{exits.table()}\n\nexample:\n  {PROGRAM} build model.onnx --target arm64",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action=_Version, nargs=0, help="print the version and end")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        _add_command(commands, _name(module), module)
    return parser


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2].replace("_", "-")


def _add_command(commands: argparse._SubParsersAction[Parser], name: str, module: ModuleType) -> None:
    codes = exits.COMMON.union(getattr(module, "EXIT_CODES", ()))
    examples = "\n".join(f"  {PROGRAM} {name} {line}" for line in module.EXAMPLES)
    parser = commands.add_parser(
        name,
        usage=getattr(module, "USAGE", None),
        help=module.SUMMARY,
        description=f"{name} {module.SUMMARY}.\n{module.DETAILS}",
        epilog=f"example:\n{examples}\n\n{exits.table(codes)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(run=module.run, parser=parser)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line.

    Errors: ``usage_invalid``. `--help` and `--version` print and raise SystemExit.
    """
    words = list(arguments)
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    parsed, unknown = make_parser().parse_known_args(words)
    if unknown:
        parsed.parser.refuse_unknown(unknown)
    return parsed
