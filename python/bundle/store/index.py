"""The index of a store: an SQLite file that remembers what its files say, and can be deleted at any time."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from bundle.error import BundleError
from bundle.store.change import workspace
from bundle.store.figures import Figures
from bundle.store.layout import INDEX, REFS, Release

#: An index of another version is made anew.
_VERSION = 1
_TABLES = """
CREATE TABLE bundles (
  name TEXT, version TEXT, target TEXT, stamp TEXT, digest TEXT, installed INTEGER, bytes INTEGER,
  damaged INTEGER, default_variant TEXT, PRIMARY KEY (name, version, target)
);
CREATE TABLE figures (
  name TEXT, version TEXT, target TEXT, position INTEGER, variant TEXT, format TEXT, bytes INTEGER,
  accuracy REAL, latency_us REAL, worst_error REAL, flips INTEGER,
  PRIMARY KEY (name, version, target, position)
);
CREATE TABLE seal (sha256 TEXT);
"""
_BUNDLES = "SELECT * FROM bundles ORDER BY name, version, target"
_FIGURES = "SELECT * FROM figures ORDER BY name, version, target, position"


class Row(NamedTuple):
    """What the index remembers about a release; ``stamp`` tells whether its files are still the same."""

    stamp: str
    digest: str
    installed: int
    bytes: int
    damaged: bool
    default_variant: str
    figures: tuple[Figures, ...]


def load(store: Path) -> dict[Release, Row]:
    """Return what the index says; nothing where it is missing, damaged or of another version."""
    try:
        # It is only ever replaced as a whole, so that reading needs no lock, nor a place to write one.
        uri = f"{(store / INDEX).as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            if connection.execute("PRAGMA user_version").fetchone() != (_VERSION,):
                return {}
            bundles = connection.execute(_BUNDLES).fetchall()
            rows = connection.execute(_FIGURES).fetchall()
            sealed = connection.execute("SELECT sha256 FROM seal").fetchall()
        return _tree(bundles, rows) if sealed == [(_seal(bundles, rows),)] else {}
    except (sqlite3.Error, ValueError, TypeError, OverflowError):
        return {}


def save(store: Path, content: Mapping[Release, Row]) -> None:
    """Replace the index, in one rename; where the store cannot be written it stays as it is."""
    if not (store / REFS).is_dir():
        return
    try:
        with workspace(store) as folder:
            _write(folder / INDEX, content)
            os.replace(folder / INDEX, store / INDEX)
    except (BundleError, sqlite3.Error):
        # An index saves time and nothing else. The next reader tries again.
        return


def _write(path: Path, content: Mapping[Release, Row]) -> None:
    # No journal: nobody sees the file before it is whole.
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_TABLES}")
        connection.execute("BEGIN")
        for release, row in content.items():
            key = (release.name, release.version, release.target)
            _insert(connection, "bundles", (*key, *row[:-1]))
            for position, figures in enumerate(row.figures):
                _insert(connection, "figures", (*key, position, *vars(figures).values()))
        seal = _seal(connection.execute(_BUNDLES), connection.execute(_FIGURES))
        _insert(connection, "seal", (seal,))
        connection.execute(f"PRAGMA user_version={_VERSION}")
        connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, table: str, values: tuple[Any, ...]) -> None:
    connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(values))})", values)


def _seal(*tables: Iterable[tuple[Any, ...]]) -> str:
    """Return a digest of all rows: a damaged page can hold readable rows that are wrong."""
    return hashlib.sha256(repr([list(rows) for rows in tables]).encode()).hexdigest()


def _tree(bundles: list[tuple[Any, ...]], rows: list[tuple[Any, ...]]) -> dict[Release, Row]:
    figures: dict[Release, list[Figures]] = {}
    for name, version, target, _, *values in rows:
        figures.setdefault(Release(name, version, target), []).append(Figures(*values))
    tree: dict[Release, Row] = {}
    for name, version, target, stamp, digest, installed, size, damaged, variant in bundles:
        release = Release(name, version, target)
        known = tuple(figures.get(release, ()))
        tree[release] = Row(stamp, digest, installed, size, bool(damaged), variant, known)
    return tree
