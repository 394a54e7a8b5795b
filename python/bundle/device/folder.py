"""What lies in a device folder, and who may change it; nothing but the folder itself is written here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bundle.bundle import read_manifest
from bundle.durable import discard, sync_folder
from bundle.error import BundleError
from bundle.locked import holding
from bundle.manifest import Manifest
from bundle.store.change import writing
from bundle.store.layout import BLOBS, REFS, STAGING, blob

#: The links: the bundle that runs, and the one that ran before.
CURRENT, PREVIOUS = "current", "previous"
#: Where the one process that holds the lock works.
WORK = f"{STAGING}/update"

_TEXT = re.compile(f"{BLOBS}/([0-9a-f]{{64}})")


@contextmanager
def held(name: str, *, make: bool) -> Iterator[Path]:
    """Hold the lock of a device folder, which is waited for; yield the folder, links resolved.

    What a killed process left in the staging folder is removed.

    Args:
        name: the folder as the caller gave it.
        make: make it where it is not there.

    Raises:
        BundleError: ``store_unwritable``, ``device_folder_unsuitable``: checks U3 and U4.
    """
    with ExitStack() as stack:
        with writing(name):
            root = _opened(name, make=make)
            stack.enter_context(holding(root))
        _check_suitable(root, name)
        discard(root / WORK)
        yield root


def said(root: Path, link: str) -> str | None:
    """Return the identity that a link says; None where there is none, or none that an update made."""
    try:
        text = os.readlink(root / link)
    except OSError:
        return None
    match = _TEXT.fullmatch(text)
    return match[1] if match else None


def spelt(digest: str) -> str:
    """Return the text of the link that says an identity."""
    return f"{BLOBS}/{digest}"


def leads_to(root: Path, link: str) -> Manifest | None:
    """Return the manifest of the bundle that a link leads to; None where it leads to none."""
    digest = said(root, link)
    if digest is None:
        return None
    try:
        return read_manifest(blob(root, digest), digest)
    except BundleError:
        return None


def counts(root: Path) -> bool:
    """Tell whether ``previous`` says another bundle than ``current``, so that there is a way back."""
    return said(root, PREVIOUS) not in (None, said(root, CURRENT))


def work_folder(root: Path) -> Path:
    """Return the folder below ``staging``, made where it is not there; a link, which would lead out, is none.

    Raises:
        OSError: as the file system says.
    """
    work = root / WORK
    work.mkdir(parents=True, exist_ok=not work.is_symlink())
    return work


def _opened(name: str, *, make: bool) -> Path:
    """Return the folder, links resolved, made where it should be and is not there."""
    try:
        missing = make and not os.path.exists(name)
        if missing:
            os.makedirs(name, exist_ok=True)
        # For realpath an empty name would be the current folder.
        os.stat(name)
        root = Path(os.path.realpath(name, strict=True))
        if missing:
            sync_folder(root.parent)
    except ValueError as error:  # a zero byte, or half a surrogate pair
        raise OSError(str(error)) from None
    return root


def _check_suitable(root: Path, name: str) -> None:
    """Check U4."""
    if os.path.lexists(root / REFS):
        found = f"a store of many bundles (`{REFS}`), which an update would delete"
        raise _unsuitable(name, found)
    for part in (BLOBS, STAGING):
        path = root / part
        if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
            raise _unsuitable(name, f"a `{part}` that is no folder")
    for link in (CURRENT, PREVIOUS):
        path = root / link
        if os.path.lexists(path) and not path.is_symlink():
            raise _unsuitable(name, f"a `{link}` that is no symbolic link")


def _unsuitable(name: str, found: str) -> BundleError:
    return BundleError("device_folder_unsuitable", name, "an empty folder, or one of updates alone", found)
