"""The Rust predictor in this process, through PyO3."""

from __future__ import annotations

from typing import Any

from bundle.runtimes import missing
from bundle.runtimes.protocol import Native


def open(path: str, options: dict[str, Any]) -> Native:
    """Open a bundle.

    Args:
        path: the bundle's folder.
        options: those of FORMAT.md section 5, with the types of JSON.

    Raises:
        BundleError: ``runtime_missing``; codes of the stages manifest, open and library.
    """
    try:
        from bundle.runtimes import _rust
    except (ImportError, OSError) as error:
        raise missing("rust", error) from error
    return _rust.Native(path, options)
