"""The example from its model to a name in the store that proves itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bundle
from bundle.store import registry


@pytest.mark.slow
def test_build_archive_install_open_and_prove_the_example(root: Path, tmp_path: Path, store: Path) -> None:
    def run(*arguments: object) -> dict[str, object]:
        command = [sys.executable, "-m", "bundle", *map(str, arguments), "--json"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        tree: dict[str, object] = json.loads(done.stdout)
        return tree

    run("build", "--target", "x86_64", "--target", "arm64", "--output", tmp_path / "built")
    for target in ("x86_64", "arm64"):
        folder = tmp_path / "built" / f"digits-1.0.0-{target}"
        archived = run("archive", folder, "--output", tmp_path, "--with-attest")
        assert archived["path"] == str(tmp_path / f"digits-1.0.0-{target}.bundle")
        run("install", archived["path"])
    assert run("self-test", "digits@latest")["passed"] is True
    with bundle.open("digits@1.0.0") as predictor:
        assert predictor.self_test().passed
    rows = registry.history("digits")
    assert {entry.release.target for entry in rows} == {"arm64", "x86_64"}
    report = json.loads((tmp_path / "built" / "digits-1.0.0-x86_64" / "attest" / "report.json").read_bytes())
    shown = next(entry.headline for entry in rows if entry.release.target == "x86_64")
    assert shown is not None and shown.format == "ort"
    assert shown.accuracy in {row["accuracy"] for row in report["verify"]} - {None}
