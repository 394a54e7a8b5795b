"""The C++ predictor in this process, through pybind11."""

from __future__ import annotations

import importlib
import json
import os
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
        binding = importlib.import_module("bundle.runtimes._cpp")
    except (ImportError, OSError) as error:
        raise missing("cpp", error) from error
    opened: Native = binding.open(os.fsencode(path), json.dumps(options))
    return opened
