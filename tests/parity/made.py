"""The bundles whose answers are compared, built by the builder itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.builder import build_many
from bundle.error import BundleError
from bundle.library import host_arch
from tests.build import make_models as make
from tests.build.projects import project
from tests.parity.models import MODELS


def build_made(folder: Path, names: list[str] | None = None) -> dict[str, Path]:
    """Build the made models, or some of them, for this machine; return the bundles by name."""
    sources = {name: make.save(MODELS[name](), folder, f"{name}.onnx") for name in names or MODELS}
    return build_all(folder, sources, {})


def build_all(
    folder: Path,
    sources: Mapping[str, Path],
    goldens: Mapping[str, Path],
    options: Mapping[str, dict[str, Any]] | None = None,
) -> dict[str, Path]:
    """Build models by name for this machine, with real cases and what else `[build]` says where given."""
    golden = {name: {"golden": str(path)} for name, path in goldens.items()}
    wanted = [
        project(
            source,
            folder / "built",
            host_arch(),
            model={"name": name},
            build={**golden.get(name, {}), **(options or {}).get(name, {})},
        )
        for name, source in sources.items()
    ]
    built = {}
    for name, results in zip(sources, build_many(wanted), strict=True):
        if isinstance(results, BundleError):
            raise results
        built[name] = results[0].path
    return built
