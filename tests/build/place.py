"""The command `build` in folders of its own, and what it leaves there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bundle.cli import exits


class Place:
    """A folder for one build: models, an output folder and a temporary folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "out"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()

    def command(self, model: object, *arguments: object) -> dict[str, Any]:
        """Return what `subprocess` takes to build a model for one target, with `--json`."""
        words = ["--target", "x86_64", "--output", self.output, *arguments, "--json", "--", model]
        return {
            "args": [sys.executable, "-m", "bundle", "build", *map(str, words)],
            "cwd": self.folder,
            "env": {**os.environ, "TMPDIR": str(self.temporary)},
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }

    def built(self, model: object, *arguments: object, **options: Any) -> dict[str, Any]:
        """Build, and return the report."""
        done = subprocess.run(**{**self.command(model, *arguments), **options}, timeout=300, check=False)
        assert done.returncode == exits.OK, done.stderr
        assert list(self.temporary.iterdir()) == []
        (row,) = json.loads(done.stdout)["bundles"]
        return dict(row["report"])

    def refused(self, model: object, *arguments: object, **options: Any) -> dict[str, str]:
        """Build in vain, see that nothing is left, and return the error."""
        done = subprocess.run(**{**self.command(model, *arguments), **options}, timeout=300, check=False)
        error = json.loads(done.stdout)["error"]
        assert done.returncode == (exits.USAGE if error["code"] in exits.USAGE_CODES else exits.NO)
        first, *hint = done.stderr.splitlines()
        assert first.startswith(f"error: {error['code']}: ")
        assert [line.startswith("hint: ") for line in hint] == [True] * bool(error["hint"])
        assert self.left() == []
        return dict(error)

    def left(self) -> list[str]:
        """Return what lies in the output folder and the temporary one."""
        inside = list(self.output.iterdir()) if self.output.is_dir() else []
        return sorted(path.name for path in [*inside, *self.temporary.iterdir()])
