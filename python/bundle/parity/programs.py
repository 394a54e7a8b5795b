"""Where the `bundle-predict` program of each language is, and what it needs to start."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from bundle.error import BundleError
from bundle.library import shared_library
from bundle.parity import LANGUAGES
from bundle.parity.client import Client

#: Programs by language as LANG=PATH, joined like the folders of PATH.
VARIABLE = "EDGEBUNDLE_DRIVERS"

_LIBRARY = "ORT_DYLIB_PATH"
_CHECKOUT = Path(__file__).parents[3]
# What `make native` writes, below the checkout.
_BUILT = {
    "rust": "target/release/bundle-predict",
    "go": "build/go/bundle-predict",
    "cpp": "build/cpp/bundle-predict",
}
# One answer of a large model under an emulator takes minutes.
_SECONDS = 600.0


def client(language: str, given: Mapping[str, str], runner: str = "") -> Client:
    """Return a client of a language's program, which starts with its first request.

    Args:
        language: of `LANGUAGES`.
        given: programs by language that go before all other places.
        runner: a command that the program is an argument of, such as an emulator; not for Python, which
            always runs here.

    Raises:
        BundleError: ``runtime_missing`` with the language; ``usage_invalid`` for an unknown one.
    """
    if language == "python":
        return Client(language, [sys.executable, "-m", "bundle.driver"], _SECONDS)
    command = [*shlex.split(runner), find(language, given, runs_here=not runner)]
    # What a runner reaches may be another machine, where this one's library is no use.
    return Client(language, command, _SECONDS, None if runner else environment())


def find(language: str, given: Mapping[str, str], runs_here: bool = True) -> str:
    """Return the path of a native program: as given, of EDGEBUNDLE_DRIVERS, or built in this checkout.

    Where it does not run here, a path that was given may be one of another machine, and is not looked at.

    Raises:
        BundleError: ``runtime_missing``; ``usage_invalid`` for an unknown language.
    """
    if language not in _BUILT:
        raise BundleError("usage_invalid", language, f"one of {', '.join(LANGUAGES)}", f"`{language}`")
    named = given.get(language) or _from_environment().get(language)
    path = Path(named) if named else _CHECKOUT / _BUILT[language]
    if path.is_file() or (named and not runs_here):
        return str(path)
    raise BundleError(
        "runtime_missing",
        language,
        f"the program `bundle-predict` of {language}",
        f"none at {path}",
        f"make native, or --driver {language}=PATH",
    )


def environment() -> dict[str, str]:
    """Return this process's environment, with the wheel's library for programs in other languages."""
    library = os.environ.get(_LIBRARY) or shared_library()
    return {**os.environ, **({_LIBRARY: str(library)} if library else {})}


def _from_environment() -> dict[str, str]:
    entries = [entry for entry in os.environ.get(VARIABLE, "").split(os.pathsep) if entry]
    pairs = [entry.partition("=") for entry in entries]
    for name, _, path in pairs:
        if name not in _BUILT or not path:
            expected = f"LANG=PATH for languages of {', '.join(_BUILT)}"
            raise BundleError("usage_invalid", VARIABLE, expected, os.environ[VARIABLE])
    return {name: path for name, _, path in pairs}
