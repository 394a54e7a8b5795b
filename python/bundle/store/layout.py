"""Where things lie in a store, and what its small files say; nothing is written here."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from bundle.error import BundleError

BLOBS, REFS, TAGS, STAGING, INDEX = "sha256", "refs", "tags", "staging", "index.sqlite"
#: The word for the highest version; no tag can have it.
LATEST = "latest"

IDENTIFIER = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NUMBER = "(?:0|[1-9][0-9]{0,8})"
_VERSION = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
VERSION = re.compile(_VERSION)
#: A version and the word for a target behind it.
RELEASE = re.compile(rf"(?P<version>{_VERSION})-(?P<target>[A-Za-z0-9][A-Za-z0-9._-]{{0,127}})")
DIGEST = re.compile("[0-9a-f]{64}")
_HEX_LINE = re.compile("[0-9a-f]{64}\n")
_VERSION_LINE = re.compile(f"{_VERSION}\n")
# No file of the store that is read whole is longer, so a huge one cannot fill the memory.
_LONGEST = 128


@dataclass(frozen=True, order=True)
class Release:
    """A bundle by its name, version and target: what one file below ``refs/`` is called."""

    name: str
    version: str
    target: str

    def __str__(self) -> str:
        """``NAME@VERSION-TARGET``, which finds it again."""
        return f"{self.name}@{self.version}-{self.target}"

    @property
    def file(self) -> str:
        """Its path in the store."""
        return f"{REFS}/{self.name}/{self.version}-{self.target}"


def default_store() -> Path:
    """Return ``EDGEBUNDLE_STORE``, else ``edgebundle`` in ``XDG_DATA_HOME``, else in ``~/.local/share``."""
    if given := os.environ.get("EDGEBUNDLE_STORE"):
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification: what is not absolute is to be ignored.
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share") / "edgebundle"


def resolved(store: str | os.PathLike[str] | None) -> Path:
    """Return the folder of a store, links resolved; None for the default one. It need not exist."""
    return Path(os.path.realpath(default_store() if store is None else store))


def blob(store: Path, digest: str) -> Path:
    """Return where the bundle of an identity lies."""
    return store / BLOBS / digest


def names(store: Path) -> list[str]:
    """Return the names of which the store has or had a version, sorted.

    Raises:
        BundleError: ``store_unreadable``.
    """
    return [name for name in _listed(store, REFS) if IDENTIFIER.fullmatch(name)]


def releases(store: Path, name: str) -> list[Release]:
    """Return the versions and targets of a name, oldest version first, targets in byte order.

    Raises:
        BundleError: ``store_unreadable``.
    """
    found = [match for entry in _listed(store, f"{REFS}/{name}") if (match := RELEASE.fullmatch(entry))]
    all_of = [Release(name, match["version"], match["target"]) for match in found]
    return sorted(all_of, key=lambda release: (numbers(release.version), release.target))


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers, which is how versions compare."""
    return tuple(map(int, version.split(".")))


def digest_of(store: Path, release: Release) -> str | None:
    """Return the identity that a release has; None where the store does not have it.

    Raises:
        BundleError: ``store_damaged`` where the file says something else; ``store_unreadable``.
    """
    return _line(store, release.file, _HEX_LINE, "64 hex digits and a newline")


def tags(store: Path, name: str) -> dict[str, str]:
    """Return the version of each tag of a name; damaged tags are left out.

    Raises:
        BundleError: ``store_unreadable``.
    """
    found: dict[str, str] = {}
    for entry in _listed(store, f"{TAGS}/{name}"):
        if is_tag(entry):
            try:
                version = tagged(store, name, entry)
            except BundleError:
                continue
            if version is not None:
                found[entry] = version
    return found


def tagged(store: Path, name: str, tag: str) -> str | None:
    """Return the version that a tag names, or None where there is no such tag.

    Raises:
        BundleError: ``store_damaged`` where the file says something else; ``store_unreadable``.
    """
    return _line(store, f"{TAGS}/{name}/{tag}", _VERSION_LINE, "a version and a newline")


def is_tag(text: str) -> bool:
    """Return whether a text may be a tag: an identifier that does not read as anything else."""
    other = text == LATEST or VERSION.fullmatch(text) or RELEASE.fullmatch(text)
    return bool(IDENTIFIER.fullmatch(text)) and not other


def unreadable(path: str, error: OSError) -> BundleError:
    """Return ``store_unreadable`` with what the operating system said."""
    found = error.strerror or str(error)
    return BundleError("store_unreadable", path, "a store that can be read", found)


def _line(store: Path, relative: str, form: re.Pattern[str], expected: str) -> str | None:
    try:
        with open(store / relative, "rb") as file:
            text = file.read(_LONGEST).decode("ascii", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(relative, error) from None
    if not form.fullmatch(text):
        raise BundleError("store_damaged", relative, expected, "something else")
    return text[:-1]


def _listed(store: Path, relative: str) -> list[str]:
    try:
        return sorted(os.listdir(store / relative))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise unreadable(relative, error) from None
