"""The predictors of the other languages, in this process: one adapter module for each."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bundle.error import BundleError

if TYPE_CHECKING:
    from bundle.runtimes.predictor import NativePredictor

#: The runtimes that have an adapter module here; ``python`` needs none.
NATIVE = ("rust", "go", "cpp")


def open_native(
    runtime: str, path: str | os.PathLike[str], variant: str | None, options: Mapping[str, Any]
) -> NativePredictor:
    """Open a bundle with the predictor of another language; the other arguments are `Predictor.open`'s.

    Raises:
        BundleError: ``option_invalid`` for an unknown runtime, ``runtime_missing`` for one that is not
            built; then those of `Predictor.open`, and those of stage library that natives alone have.
    """
    if runtime not in NATIVE:
        words = ", ".join(f"`{name}`" for name in ("python", *NATIVE))
        raise BundleError("option_invalid", "runtime", f"one of {words}", repr(runtime))
    try:
        from bundle.runtimes.predictor import NativePredictor

        adapter = importlib.import_module(f"bundle.runtimes.{runtime}")
    except OSError as error:
        raise missing(runtime, error) from error
    return NativePredictor(adapter.open, path, variant, options, runtime=runtime)


def missing(runtime: str, error: Exception) -> BundleError:
    """Return the refusal for a binding that cannot be loaded."""
    found = f"{type(error).__name__}: {error}"
    return BundleError("runtime_missing", runtime, f"the binding of {runtime}", found, "make native")
