"""The exit codes of every command."""

from __future__ import annotations

from collections.abc import Collection

OK = 0
NO = 1
USAGE = 2
SKIPPED = 3
INTERRUPTED = 130
PIPE_CLOSED = 141

#: What each exit code says; `--help` prints it.
MEANINGS = {
    OK: "it was done, and the answer is yes",
    NO: "an error, or the answer is no (self-test failed, doctor found a problem, compare a difference)",
    USAGE: "the command line or bundle.toml is wrong",
    SKIPPED: "a stage or a precision that was asked for was skipped; the table says why",
    INTERRUPTED: "interrupted from the keyboard",
    PIPE_CLOSED: "the program that read the output went away",
}

#: Errors that a better command line would have avoided; every other error exits with `NO`.
USAGE_CODES = frozenset({"config_invalid", "usage_invalid"})


#: Those that any command can end with.
COMMON = frozenset(MEANINGS) - {SKIPPED}


def table(codes: Collection[int] = frozenset(MEANINGS)) -> str:
    """Return the exit codes, all or some of them, as lines for a help text."""
    rows = [f"  {code:<5} {meaning}" for code, meaning in MEANINGS.items() if code in codes]
    return "\n".join(["exit codes:", *rows])
