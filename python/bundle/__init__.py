"""Opens edge bundles, proves them and predicts from them; `python -m bundle build` makes them."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

# At once: it turns telemetry off before anything loads ONNX Runtime. Not `import bundle.library`: that would
# bind the package under the name of its submodule `bundle`.
from bundle import library as library

if TYPE_CHECKING:
    from bundle.bound import BoundCall
    from bundle.builder import BuildResult
    from bundle.builder.inprocess import build
    from bundle.bundle import Bundle
    from bundle.device.change import rollback, update
    from bundle.error import BundleError
    from bundle.manifest import Manifest
    from bundle.predictor import Predictor

    __version__: str

__all__ = [
    "BoundCall",
    "BuildResult",
    "Bundle",
    "BundleError",
    "Manifest",
    "Predictor",
    "__version__",
    "build",
    "open",
    "rollback",
    "update",
]

# Resolved at first use: `import bundle` and `--help` need neither numpy nor ONNX Runtime.
_HOMES = {
    "BoundCall": "bundle.bound",
    "BuildResult": "bundle.builder",
    "Bundle": "bundle.bundle",
    "BundleError": "bundle.error",
    "Manifest": "bundle.manifest",
    "Predictor": "bundle.predictor",
    "build": "bundle.builder.inprocess",
    "rollback": "bundle.device.change",
    "update": "bundle.device.change",
}


def open(path: str | os.PathLike[str], variant: str | None = None, **options: Any) -> Predictor:
    """Open a bundle and load one of its variants; `Predictor.open` lists the options.

    Args:
        path: the bundle's folder, or ``NAME@VERSION``, ``NAME@TAG`` or ``NAME@latest`` of the store.
        variant: which variant; None for the manifest's default.
        options: as of `Predictor.open`, ``runtime`` among them.

    Raises:
        BundleError: codes of the stages manifest, open and library, and of store for what is no path;
            nothing stays open.
    """
    from bundle.predictor import Predictor

    return Predictor.open(path, variant, **options)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("edgebundle")
    if name not in _HOMES:
        raise AttributeError(f"module `bundle` has no attribute `{name}`")
    return getattr(importlib.import_module(_HOMES[name]), name)
