"""The service in Go: its command line, its page, and its tests in Go."""

import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.examples.go_service import SOURCES, build
from tests.native.programs import ROOT, environment, passed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(
    ("words", "status"),
    [(["--help"], 0), ([], 2), (["a", "b"], 2), (["--queue", "0", "a"], 2), (["no such bundle"], 1)],
)
def test_what_cannot_be_started_says_so(words: list[str], status: int) -> None:
    done = subprocess.run([build(), *words], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == status
    assert ("bundle_not_found" if status == 1 else "usage: go-service") in done.stderr


def test_the_tests_in_go_pass() -> None:
    printed = passed(["go", "-C", SOURCES, "test", "-race", "-count=1", "-json", "."])
    ended = Counter(json.loads(line)["Action"] for line in printed.splitlines() if '"Test":' in line)
    assert ended["pass"] > 60 and ended["skip"] == ended["fail"] == 0


def test_the_page_is_typed_as_it_stands(tmp_path: Path) -> None:
    page = (SOURCES / "README.md").read_text("utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "bundle.toml").symlink_to(ROOT / "bundle.toml")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n"
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        script += {"sh": block, "python": f"python <<'END'\n{block}END\n"}[language]
    first = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("8000", str(port))],
        cwd=tmp_path,
        env={**os.environ, "PATH": os.pathsep.join([first, os.environ["PATH"]])},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    log = (tmp_path / "service.log").read_text("utf-8")
    assert '"version":"1.1.0"' in log and "stopped" in log


def test_the_page_names_every_flag() -> None:
    page = (SOURCES / "README.md").read_text("utf-8")
    done = subprocess.run([build(), "--help"], capture_output=True, text=True, timeout=60)
    flags = re.findall(r"^  -([a-z-]+)", done.stderr, re.MULTILINE)
    assert flags and [flag for flag in flags if f"`--{flag}`" not in page] == []
