"""A runtime in this process, asked as a `bundle-predict` program is."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bundle
from bundle.error import BundleError
from bundle.protocol import Driver, Reply

# What opening finds wrong with a folder that holds a manifest alone, once the manifest is right.
_ALONE = ("file_missing",)


class InProcess:
    """Answers the requests of DRIVER.md through the binding of one runtime, as `Client` does."""

    def __init__(self, runtime: str) -> None:
        self.name = runtime
        self._driver = Driver(runtime)

    def ask(self, request: Mapping[str, Any]) -> Reply:
        """Return the reply to a request; what is asked and answered passes through JSON."""
        if request["op"] == "parse":
            return parsed(self.name, bytes.fromhex(request["manifest"]))
        reply: Reply = json.loads(
            json.dumps(self._driver.answer(json.dumps(request).encode()), allow_nan=False)
        )
        return reply


def parsed(runtime: str, manifest: bytes) -> Reply:
    """Return what opening says of a manifest, without looking at the files that it seals."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bundle.json").write_bytes(manifest)
        try:
            bundle.open(folder, runtime=runtime).close()
        except BundleError as error:
            if error.code not in _ALONE:
                return {"ok": False, "error": {"code": error.code, "subject": error.subject}}
    return {"ok": True}
