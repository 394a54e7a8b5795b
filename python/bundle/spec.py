"""The tables of the contract, read from the one copy that every language reads."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

# A wheel carries the tables inside the package; a checkout has them in its `spec` folder.
_FOLDERS = (Path(__file__).parent / "spec", Path(__file__).parents[2] / "spec")


@cache
def table(name: str) -> dict[str, Any]:
    """Return the table ``spec/NAME.json``: ``errors``, ``session``, ``targets``, ``bundle.schema``, ...

    The caller must not change what it gets: it is shared.
    """
    for folder in _FOLDERS:
        path = folder / f"{name}.json"
        if path.is_file():
            return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return]
    raise FileNotFoundError(f"the table `{name}` of the contract is not installed with this package")
