"""Projects to build, said in the words of bundle.toml."""

from pathlib import Path
from typing import Any

from bundle.builder import config
from bundle.builder.project import Project


def project(model: Path, output: Path, /, *targets: str, **sections: dict[str, Any]) -> Project:
    """Return a project named after its model's file; ``sections`` add to those of a bundle.toml."""
    build = {"targets": list(targets) or ["any"], "output": str(output)}
    tree = {"model": {"path": str(model), "version": "1.0.0"}, "build": build}
    tree = config.merge(tree, sections)
    config.check_tree(tree)
    return config.make_project(tree)
