"""A bundle on disk: a folder that is exactly what its manifest seals."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle import files
from bundle.error import BundleError
from bundle.host_specific import SIGNS
from bundle.manifest import MAX_BYTES, Manifest, check_size

if TYPE_CHECKING:
    from bundle.predictor import Predictor

#: The file that seals all others.
MANIFEST_NAME = "bundle.json"
#: ``full`` makes all checks; ``quick`` leaves out those that read whole files.
MODES = ("full", "quick")

_STATEMENTS = b"attest"
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Bundle:
    """An open bundle.

    Attributes:
        path: its folder, links resolved when it was opened.
        manifest: its checked manifest.
        digest: its identity, the SHA-256 of ``bundle.json`` in hex.
        mode: ``full`` or ``quick``: how it was checked.
    """

    path: Path
    manifest: Manifest = field(repr=False)
    digest: str
    mode: str

    @staticmethod
    def open(path: str | os.PathLike[str], *, digest: str | None = None, mode: str = "full") -> Bundle:
        """Open the bundle in a folder and prove that it is whole.

        Args:
            path: the folder; it may be a link, which is resolved once.
            digest: the identity that the caller expects, 64 lower-case hex digits.
            mode: ``full``, or ``quick``: digests and content of the files are not looked at.

        Raises:
            BundleError: ``option_invalid`` for ``digest`` or ``mode``; then a code of stage ``open`` or
                ``manifest``, by the checks O1 to O8 in their order. No other error leaves this function.
        """
        check_digest(digest)
        if mode not in MODES:
            raise BundleError("option_invalid", "mode", " or ".join(MODES), str(mode))
        root = _resolve(path)
        manifest = _read_manifest(root, digest)
        sizes = _check_files(root, manifest)
        _refuse_unexpected(root, manifest)
        _check_sizes(manifest, sizes)
        if mode == "full":
            _check_content(root, manifest)
        return Bundle(Path(root), manifest, manifest.digest, mode)

    def predictor(self, variant: str | None = None, **options: Any) -> Predictor:
        """Load a variant of this bundle.

        Options and errors are those of ``Predictor.open``, without ``digest`` and ``mode``.
        """
        from bundle.predictor import Predictor

        return Predictor(self, variant, options)

    def file_path(self, relative: str) -> Path:
        """Return where a file of the bundle lies; ``relative`` is its path in the manifest."""
        return self.path / relative

    def read(self, relative: str) -> bytes:
        """Return the content of a file of the bundle.

        Raises:
            BundleError: ``file_missing`` or ``file_not_regular`` where it changed since it was opened.
        """
        with files.opened(str(self.file_path(relative)), relative) as file:
            return file.read()


def read_manifest(path: str | os.PathLike[str], digest: str) -> Manifest:
    """Return the manifest of the bundle of an identity, without a look at its other files.

    Raises:
        BundleError: by the checks O1, O2, M1, O3 and M2 to M14.
    """
    return _read_manifest(_resolve(path), digest)


def whole(path: str | os.PathLike[str], digest: str) -> Bundle | None:
    """Return the bundle of an identity where it is there and passes all checks, else None."""
    try:
        return Bundle.open(path, digest=digest)
    except BundleError:
        return None


def examine(path: str | os.PathLike[str]) -> tuple[Bundle, list[BundleError]]:
    """Look at a bundle as ``Bundle.open`` does, but do not stop at the first fault of its files.

    Returns:
        the bundle, and every fault that O4 to O8 find; it may be used only where there is none.

    Raises:
        BundleError: ``bundle_not_found``, those of ``bundle.json`` as a file and of stage ``manifest``.
    """
    root = _resolve(path)
    manifest = _read_manifest(root, None)
    faults: list[BundleError] = []
    for entry in manifest.files:
        alone = replace(manifest, files=(entry,))
        try:
            _check_sizes(alone, _check_files(root, alone))
            _check_content(root, alone)
        except BundleError as error:
            faults.append(error)
    try:
        faults += [_surplus(name) for name in _unexpected(root, manifest)]
    except BundleError as error:
        faults.append(error)
    return Bundle(Path(root), manifest, manifest.digest, "full"), faults


def check_digest(digest: object) -> None:
    """Refuse (``option_invalid``) an expected identity that is neither None nor 64 lower-case hex digits."""
    if digest is not None and not _DIGEST.fullmatch(str(digest)):
        raise BundleError("option_invalid", "digest", "64 lower-case hex digits", str(digest))


def _resolve(path: str | os.PathLike[str]) -> str:
    """Check O1."""
    name = os.fspath(path)
    try:
        root = os.path.realpath(name, strict=True)
        if stat.S_ISDIR(os.stat(root).st_mode):
            os.scandir(root).close()
            return root
        found = "a file"
    except OSError as error:
        found = error.strerror or str(error)
    except ValueError:  # a zero byte, or half a surrogate pair
        found = "a text that is no path"
    raise BundleError("bundle_not_found", ".", f"a folder at `{name}`", found)


def _read_manifest(root: str, digest: str | None) -> Manifest:
    """Check O2, M1, O3, then M2 to M14."""
    with files.opened(f"{root}/{MANIFEST_NAME}", MANIFEST_NAME) as file:
        data = files.head(file, MAX_BYTES + 1)
    check_size(data)
    identity = hashlib.sha256(data).hexdigest()
    if digest is not None and identity != digest:
        raise BundleError("bundle_digest_mismatch", MANIFEST_NAME, digest, identity)
    return Manifest.parse(data)


def _check_files(root: str, manifest: Manifest) -> list[int]:
    """Check O4; return the files' sizes."""
    sizes: list[int] = []
    plain: set[str] = set()
    for entry in manifest.files:
        try:
            for folder in _folders(entry.path):
                if folder not in plain:
                    _check_folder(os.lstat(f"{root}/{folder}"), entry.path)
                    plain.add(folder)
            status = os.lstat(f"{root}/{entry.path}")
        except OSError as error:
            raise files.missing(entry.path, error) from None
        files.check_regular(status, entry.path)
        sizes.append(status.st_size)
    return sizes


def _folders(path: str) -> Iterator[str]:
    """Yield the folders on the way to a file of the bundle, outermost first."""
    for position, character in enumerate(path):
        if character == "/":
            yield path[:position]


def _check_folder(status: os.stat_result, subject: str) -> None:
    if not stat.S_ISDIR(status.st_mode):
        found = f"{files.kind(status)} on its way"
        raise BundleError("file_not_regular", subject, "a regular file in plain folders", found)


def _refuse_unexpected(root: str, manifest: Manifest) -> None:
    """Check O5."""
    if names := _unexpected(root, manifest):
        raise _surplus(names[0])


def _surplus(name: str) -> BundleError:
    return BundleError("file_unexpected", name, "only what the manifest lists", "this beside it")


def _unexpected(root: str, manifest: Manifest) -> list[str]:
    """Return what lies in the folder and is not listed, by the bytes of its whole path.

    Raises:
        BundleError: ``file_missing`` about a folder that cannot be listed.
    """
    # Names are bytes: a file system may hold some that are no UTF-8.
    listed = {entry.path.encode() for entry in manifest.files} | {MANIFEST_NAME.encode()}
    folders = {folder.encode() for entry in manifest.files for folder in _folders(entry.path)}
    found: list[bytes] = []
    for folder in (b"", *sorted(folders)):
        prefix = folder + b"/" if folder else b""
        try:
            names = os.listdir(os.fsencode(root) + b"/" + folder)
        except OSError as error:
            raise files.missing(folder.decode() or ".", error) from None
        paths = {prefix + name for name in names}
        found.extend(paths - listed - folders - {_STATEMENTS})
    return [files.shown(name) for name in sorted(found)]


def _check_sizes(manifest: Manifest, sizes: list[int]) -> None:
    """Check O6."""
    for entry, size in zip(manifest.files, sizes, strict=True):
        if size != entry.size:
            raise BundleError("file_size_mismatch", entry.path, f"{entry.size} bytes", f"{size} bytes")


def _check_content(root: str, manifest: Manifest) -> None:
    """Check O7 and O8 while every file is read once; a digest outranks all findings of O8."""
    host_specific = ""
    for entry in manifest.files:
        folder, _, name = entry.path.partition("/")
        sign = SIGNS.get(name.rpartition(".")[2]) if folder == "models" else None
        with files.opened(f"{root}/{entry.path}", entry.path) as file:
            sha256, found = files.digest(file, sign)
        if sha256 != entry.sha256:
            raise BundleError("file_digest_mismatch", entry.path, entry.sha256, sha256)
        host_specific = host_specific or (entry.path if found else "")
    if host_specific:
        raise BundleError("host_specific_model", host_specific, "operators that every CPU has", "NCHWc nodes")
