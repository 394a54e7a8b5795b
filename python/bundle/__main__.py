"""``python -m bundle``: the command line. See ``bundle.cli``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Nothing answers an interrupt while the program loads: it ends without a word, not with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from bundle.cli import exits
from bundle.error import BundleError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. Nothing but that code leaves, whatever happens."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = arguments[:1] == ["--debug"]
    try:
        return _run(arguments)
    except BundleError as error:
        return _fail(error, debug, "--json" in arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return exits.INTERRUPTED
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        found = error.strerror or str(error)
        subject = str(error.filename or ".")
        refusal = BundleError("system_error", subject, "an operation that the system allows", found)
        refusal.__cause__ = error
        return _fail(refusal, debug, "--json" in arguments)
    except Exception as error:
        refusal = BundleError("internal_error", ".", "no error", f"{type(error).__name__}: {error}")
        refusal.__cause__ = error
        return _fail(refusal, debug, "--json" in arguments)


def _run(arguments: list[str]) -> int:
    from bundle.cli.parser import parse

    try:
        parsed = parse(arguments)
    except SystemExit as end:  # how argparse ends after `--help`
        sys.stdout.flush()
        return int(end.code or exits.OK)
    return int(parsed.run(parsed))


def _fail(error: BundleError, debug: bool, machine: bool) -> int:
    from bundle.cli.output import error_tree, print_error, print_json

    if debug:
        import traceback

        traceback.print_exception(error)
    try:
        if machine:
            print_json(error_tree(error))
        print_error(error)
    except BrokenPipeError:
        return _pipe_closed()
    return exits.USAGE if error.code in exits.USAGE_CODES else exits.NO


def _pipe_closed() -> int:
    # Python would complain once more when it flushes stdout at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.PIPE_CLOSED


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        # From here on `main` answers an interrupt; a signal that is ignored stays ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
