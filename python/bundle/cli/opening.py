"""The arguments that open a bundle, the same for every command that predicts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bundle.cli import stored
from bundle.cli.values import setting

if TYPE_CHECKING:
    from bundle.predictor import Predictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare BUNDLE and the options of opening it."""
    stored.add_bundle(parser)
    add_variant(parser)
    parser.add_argument("--digest", metavar="HEX", help="refuse a bundle of another identity")
    parser.add_argument(
        "--provider",
        metavar="NAME",
        action="append",
        help="execution provider, most wanted first; repeatable; default: CPUExecutionProvider",
    )
    parser.add_argument(
        "--provider-policy",
        choices=("fallback", "strict"),
        help="when a provider is not there: go on without it (default), or fail",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads of one call; default: the bundle's")
    add_option(parser)


def add_variant(parser: argparse.ArgumentParser) -> None:
    """Declare ``--variant`` and ``--format``: which of the bundle's files."""
    parser.add_argument("--variant", metavar="NAME", help="default: the bundle's default variant")
    parser.add_argument("--format", choices=("onnx", "ort"), help="default: ort where it fits the machine")


def add_cases(parser: argparse.ArgumentParser) -> None:
    """Declare ``--inputs``, ``--random`` and ``--seed``: what a comparison asks."""
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--inputs", metavar="FILE", help="as of `predict`, or .npz with the cases on axis 0")
    given.add_argument("--random", metavar="N", type=int, help="N made-up cases; default: the golden cases")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of --random; default: 0")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--option``, which says whatever has no flag of its own."""
    parser.add_argument(
        "--option",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any option of bundle.open, as mapped=true; repeatable",
    )


def open_predictor(arguments: argparse.Namespace, **more: Any) -> Predictor:
    """Open the bundle that the arguments name.

    Errors: ``bundle_unknown``, ``store_damaged``, ``store_unreadable``, and those of ``bundle.open``.
    """
    from bundle.predictor import Predictor

    located = stored.locate(arguments.bundle, arguments.store)
    options = {
        "format": arguments.format,
        "digest": arguments.digest or located.digest,
        "providers": arguments.provider,
        "provider_policy": arguments.provider_policy,
        "intra_op_threads": arguments.threads,
        **dict(arguments.option),
        **more,
    }
    given = {name: value for name, value in options.items() if value is not None}
    with _warnings_as_notes():
        return Predictor.open(located.path, arguments.variant, **given)


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Print what the library warns of as notes on stderr, beside the errors."""
    import logging

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(f"note: {record.getMessage()}", file=sys.stderr)

    logger, notes = logging.getLogger("bundle"), Notes()
    logger.addHandler(notes)
    try:
        yield
    finally:
        logger.removeHandler(notes)
