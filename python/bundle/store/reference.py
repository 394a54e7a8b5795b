"""From what a user writes, a path or ``NAME@WHAT``, to the folder of a bundle."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bundle.error import BundleError
from bundle.store import layout
from bundle.store.layout import LATEST, RELEASE, VERSION, Release
from bundle.suggest import did_you_mean
from bundle.target import preference

_FORMS = "NAME@VERSION, NAME@VERSION-TARGET, NAME@TAG or NAME@latest"


@dataclass(frozen=True)
class Located:
    """Where a bundle is: its folder, and the identity it must have; None where a path was given."""

    path: str
    digest: str | None = None


def locate(given: str | os.PathLike[str], store: str | os.PathLike[str] | None = None) -> Located:
    """Find what a user means by a path or a reference; a path that exists always wins.

    Args:
        given: a path, or ``NAME@WHAT``: a version, a version with its target, a tag or ``latest``.
        store: the store's folder; None for the default one.

    Raises:
        BundleError: ``bundle_unknown`` for a reference to what the store does not have, with the nearest
            name; ``store_damaged`` or ``store_unreadable``.
    """
    text = os.fspath(given)
    if not looks_like_reference(text):
        return Located(text)
    folder = layout.resolved(store)
    release = resolve(folder, text)
    digest = layout.digest_of(folder, release)
    if digest is None:
        raise _unknown(text, f"a version in the store `{folder}`", "one that was removed just now", "")
    path = layout.blob(folder, digest)
    if not path.is_dir():
        raise missing_blob(release, digest)
    return Located(str(path), digest)


def looks_like_reference(text: str) -> bool:
    """Return whether a text has the form ``NAME@WHAT`` and is no path that exists."""
    name, at, what = text.partition("@")
    if not (at and layout.IDENTIFIER.fullmatch(name) and "/" not in what):
        return False
    try:
        return not os.path.lexists(text)
    except ValueError:  # a zero byte
        return False


def resolve(store: Path, text: str) -> Release:
    """Return the release that a reference means; of several targets the one that suits this host best.

    Raises:
        BundleError: ``bundle_unknown``, ``store_damaged`` or ``store_unreadable``.
    """
    name, what = split(text)
    known = _known(store, name, text)
    if RELEASE.fullmatch(what):
        chosen = [release for release in known if f"{release.version}-{release.target}" == what]
    else:
        version = known[-1].version if what == LATEST else _version(store, name, what)
        chosen = [release for release in known if release.version == version]
    if not chosen:
        raise _no_version(store, name, what, known)
    return min(chosen, key=lambda release: preference(release.target))


def matching(store: Path, text: str) -> list[Release]:
    """Return the releases that ``NAME@VERSION`` (every target) or ``NAME@VERSION-TARGET`` names.

    Raises:
        BundleError: ``bundle_unknown`` where there is none, or the text is no such reference.
    """
    name, what = split(text)
    known = _known(store, name, text)
    found = [each for each in known if what in (each.version, f"{each.version}-{each.target}")]
    if not found:
        raise _no_version(store, name, what, known)
    return found


def split(text: str) -> tuple[str, str]:
    """Return both halves of ``NAME@WHAT``.

    Raises:
        BundleError: ``bundle_unknown`` where the text has another form.
    """
    name, at, what = text.partition("@")
    if not (at and layout.IDENTIFIER.fullmatch(name) and what):
        raise _unknown(text, _FORMS, "another form", "")
    return name, what


def missing_blob(release: Release, digest: str) -> BundleError:
    """Return ``store_damaged`` for a release whose bundle is not there."""
    return BundleError("store_damaged", str(release), f"a bundle in `{layout.BLOBS}/{digest}`", "no folder")


def _version(store: Path, name: str, what: str) -> str | None:
    if VERSION.fullmatch(what):
        return what
    return layout.tagged(store, name, what) if layout.is_tag(what) else None


def unknown_name(store: Path, name: str, text: str) -> BundleError:
    """Return ``bundle_unknown`` about ``text``, whose name the store does not have, with the nearest one."""
    with_versions = [each for each in layout.names(store) if layout.releases(store, each)]
    found = "no bundle of that name" if with_versions else "an empty store, or none"
    return _unknown(text, f"a bundle in the store `{store}`", found, did_you_mean(name, with_versions))


def _known(store: Path, name: str, text: str) -> list[Release]:
    known = layout.releases(store, name)
    if not known:
        raise unknown_name(store, name, text)
    return known


def _no_version(store: Path, name: str, what: str, known: list[Release]) -> BundleError:
    text, match = f"{name}@{what}", RELEASE.fullmatch(what)
    of_version = [release for release in known if match and release.version == match["version"]]
    if of_version:
        targets = ", ".join(f"`{release.target}`" for release in of_version)
        hint = f"`{name}@{of_version[0].version}` takes the one that suits this machine best"
        return _unknown(text, f"a target of that version: {targets}", "none of that name", hint)
    versions = list(dict.fromkeys(release.version for release in known))
    newest = ", ".join(f"`{version}`" for version in versions[:-4:-1])
    expected = f"a version or a tag of `{name}`, as {newest}"
    words = [LATEST, *versions, *layout.tags(store, name)]
    return _unknown(text, expected, "none of that name", did_you_mean(what, words))


def _unknown(subject: str, expected: str, found: str, hint: str) -> BundleError:
    return BundleError("bundle_unknown", subject, expected, found, hint)
