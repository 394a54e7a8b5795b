"""Modules of whoever calls the program."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType


def imported(module: str) -> ModuleType:
    """Import a module of the current directory, or an installed one. Whatever it raises passes through."""
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(module)
    finally:
        sys.path.pop(0)
