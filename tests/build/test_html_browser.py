"""The page of a report in a real browser: no fault, no request, nothing that sticks out, and a picture."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from bundle.builder.html import render
from tests.build import make_reports as make

pytestmark = pytest.mark.slow

LONG = (make.report, make.large, make.hostile)
REPORTS = (*LONG, make.failed, make.empty)
WIDTH, HEIGHT = 1200, 900
PHONE = 390
# preferredColorScheme of the browser's engine.
SCHEMES = {"dark": 0, "light": 1}


class Shown(NamedTuple):
    """What a browser made of a page: its DOM, its messages, what it asked for, and a picture."""

    dom: str
    console: list[str]
    requests: set[str]
    picture: Image.Image


def browse(page: Path, width: int = WIDTH, scheme: str = "light") -> Shown:
    """Open a page in a real browser that has nothing but a fresh profile."""
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert program, "no chromium: run `make system`"
    log, picture = page.with_suffix(".net.json"), page.with_suffix(".png")
    quiet = ("background-networking", "component-update", "sync", "default-apps", "extensions", "gpu")
    command = [
        *(program, "--headless", "--no-sandbox", "--no-first-run", "--disable-dev-shm-usage"),
        *(f"--disable-{word}" for word in quiet),
        *("--hide-scrollbars", "--enable-logging=stderr", "--dump-dom"),
        f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
        *(f"--user-data-dir={page.parent / 'profile'}", f"--window-size={width},{HEIGHT}"),
        *(f"--log-net-log={log}", f"--screenshot={picture}", page.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, timeout=120)
    messages = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, messages
    events = json.loads(log.read_text("utf-8"))["events"]
    requests = {event["params"]["url"] for event in events if "url" in event.get("params", {})}
    console = [line for line in messages.splitlines() if "CONSOLE" in line]
    with Image.open(picture) as image:
        return Shown(done.stdout.decode("utf-8"), console, requests, image.convert("RGB"))


@pytest.fixture
def written(tmp_path: Path) -> Iterator:
    def write(text: str) -> Path:
        path = tmp_path / "page.html"
        path.write_text(text, "utf-8")
        return path

    yield write


@pytest.mark.parametrize("make_report", REPORTS, ids=lambda function: function.__name__)
@pytest.mark.parametrize(("width", "scheme"), [(WIDTH, "light"), (PHONE, "dark")])
def test_a_browser_shows_it(written, make_report, width: int, scheme: str) -> None:
    report = make_report()
    shown = browse(written(render(report)), width, scheme)
    assert (shown.console, shown.requests) == ([], set())
    assert shown.dom.count('<tr role="row">') == sum(
        1 + len(rows) for rows in (report["stages"], report["verify"]) if rows
    )
    assert shown.dom.count("<script") == shown.dom.count("<img") == 0
    assert shown.picture.size == (width, HEIGHT)
    colors = shown.picture.getcolors(width * HEIGHT)
    assert colors is not None and len(colors) > 50, "a page of text and cards has shades"
    # The page's own colour, and not the browser's.
    background = shown.picture.getpixel((2, HEIGHT - 2))
    assert isinstance(background, tuple)
    assert all(level < 60 for level in background) == (scheme == "dark")
    assert background != (255, 255, 255)


def test_the_browser_tells_of_faults(written) -> None:
    """What the test above would see of a page that is not whole."""
    faulty = '<!doctype html><img src="http://127.0.0.1:9/x.png"><script>absent()</script>'
    shown = browse(written(faulty))
    assert shown.requests == {"http://127.0.0.1:9/x.png"}
    assert any("absent is not defined" in line for line in shown.console)
    guarded = render(make.report()).replace("</body>", "<script>document.title = 'ran'</script></body>")
    assert any("Content Security Policy" in line for line in browse(written(guarded)).console)


@pytest.mark.parametrize("make_report", LONG, ids=lambda function: function.__name__)
@pytest.mark.parametrize("width", [WIDTH, 910, PHONE])
def test_nothing_sticks_out_on_any_screen(written, make_report, width: int) -> None:
    probe = "document.body.dataset.over = document.documentElement.scrollWidth - innerWidth"
    text = re.sub(r"<meta http-equiv=[^>]*>", "", render(make_report()))
    shown = browse(written(text.replace("</body>", f"<script>{probe}</script></body>")), width)
    [over] = re.findall('data-over="(.*?)"', shown.dom)
    assert over == "0"
