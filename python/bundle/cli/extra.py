"""The builder's libraries, which prediction does without."""

from __future__ import annotations

import importlib.util

from bundle.error import BundleError


def require(*names: str) -> None:
    """Refuse to go on without these libraries.

    Errors: ``extra_missing`` with the first that is not installed.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise BundleError(
                "extra_missing", name, "the builder's libraries", "an installation without them"
            )
