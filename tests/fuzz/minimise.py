"""Make a finding small: what is left still makes the readers disagree."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from bundle.canonical import dumps
from tests.fuzz import mutation
from tests.fuzz.folders import Folder
from tests.fuzz.mutation import Mutation
from tests.fuzz.round import Asker

# Questions that making one finding small may take.
_QUESTIONS = 600


def minimise(asker: Asker, found: Mutation) -> Mutation:
    """Return a mutation that is no larger and that the readers still disagree about."""
    left = [_QUESTIONS]

    smallest = [found]

    def differs(candidate: Mutation) -> bool:
        if left[0] == 0:
            raise _EnoughError
        left[0] -= 1
        if asker.ask([candidate])[0].agreed:
            return False
        smallest[0] = candidate
        return True

    with suppress(_EnoughError):
        return _smaller(found, differs)
    return smallest[0]


class _EnoughError(Exception):
    """As many questions were asked as one finding may take."""


def _smaller(found: Mutation, differs: Callable[[Mutation], bool]) -> Mutation:
    if found.manifest is not None:
        return replace(
            found, manifest=_bytes(found.manifest, lambda data: differs(replace(found, manifest=data)))
        )
    assert found.folder is not None
    return replace(found, folder=_folder(found.folder, lambda folder: differs(replace(found, folder=folder))))


def _bytes(data: bytes, differs: Callable[[bytes], bool]) -> bytes:
    """Take away members of a canonical text, then pieces of half, a quarter, ... of the length."""
    shorter = True
    while shorter:
        shorter = False
        for candidate in _without_members(data):
            if differs(candidate):
                data, shorter = candidate, True
                break
    size = len(data) // 2
    while size:
        place = 0
        while place < len(data):
            candidate = data[:place] + data[place + size :]
            if differs(candidate):
                data = candidate
            else:
                place += size
        size //= 2
    return data


def _without_members(data: bytes) -> Iterator[bytes]:
    """Yield a canonical JSON text without each of its members and elements; nothing where it is none."""
    try:
        tree = json.loads(data)
        if dumps(tree) != data:
            return
    except (ValueError, RecursionError):
        return
    stack = [tree]
    while stack:
        value = stack.pop()
        keys = (
            sorted(value)
            if isinstance(value, dict)
            else reversed(range(len(value)))
            if isinstance(value, list)
            else ()
        )
        for key in list(keys):
            inner = value.pop(key)
            yield dumps(tree)
            if isinstance(value, dict):
                value[key] = inner
            else:
                value.insert(key, inner)
            stack.append(inner)


def _folder(folder: Folder, differs: Callable[[Folder], bool]) -> Folder:
    """Put back files, entries and options of the bundle that it was made of, then shorten what is changed."""
    origin = min(mutation.seeds(), key=lambda seed: _distance(seed, folder))
    for path, data in origin.files.items():
        folder = _kept(folder, {**folder.files, path: data}, differs)
    for name in sorted(folder.options):
        smaller = folder.copy()
        del smaller.options[name]
        folder = smaller if differs(smaller) else folder
    for path in sorted(path for path, data in folder.files.items() if origin.files.get(path) != data):
        if path != b"bundle.json":
            size = len(folder.files[path]) // 2
            while size:
                for place in range(0, len(folder.files[path]), size):
                    data = folder.files[path]
                    folder = _kept(
                        folder, {**folder.files, path: data[:place] + data[place + size :]}, differs
                    )
                size //= 2
    return folder


def _kept(folder: Folder, files: dict[bytes, bytes], differs: Callable[[Folder], bool]) -> Folder:
    """Return the folder with these files, sealed again, if the readers still disagree about it."""
    smaller = folder.copy()
    smaller.files = files
    try:
        smaller.seal()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return folder
    return smaller if smaller.files != folder.files and differs(smaller) else folder


def _distance(seed: Folder, folder: Folder) -> int:
    return sum(folder.files.get(path) != data for path, data in seed.files.items()) + len(
        folder.files.keys() ^ seed.files.keys()
    )
