"""The page of a report: what it says, and what it must not become."""

import html.parser
import json
import math
import re
import subprocess
import sys

import pytest

from bundle.builder import figures, plots
from bundle.builder.html import MARK, render
from bundle.error import BundleError
from tests.build import make_reports as make

REPORTS = (make.report, make.failed, make.large, make.empty, make.hostile)
VOID = {"meta", "link", "br", "img"}


class Page(html.parser.HTMLParser):
    """The tags, identifiers and rows of a page; a tag that is not closed where it was opened is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "tr" in self.open and self.open[-1] not in ("tr", "table"):
            self.rows[-1][-1] += f"{data} "


@pytest.mark.parametrize("make_report", REPORTS, ids=lambda function: function.__name__)
def test_a_page_is_whole_alone_and_the_same_each_time(make_report) -> None:
    text = render(make_report())
    assert text == render(make_report())
    page = Page(text)
    assert MARK in text.encode()[:1024]
    assert text.count("http") == text.count("http-equiv")
    assert {tag for tag, _ in page.tags} & {"script", "iframe", "object", "base", "img"} == set()
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    links = [
        value for _, attributes in page.tags for key, value in attributes.items() if key in ("href", "src")
    ]
    assert links == ["data:,"]
    known = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(known) == len(set(known))
    used = set(re.findall(r'(?:url\(|xlink:href=")#([\w-]+)', text))
    assert used <= set(known)
    assert not re.findall("#0000[0-9a-f]{2}", text), "a colour that is not the page's"


def test_every_row_of_a_report_is_in_its_tables() -> None:
    rows = [[cell.split() for cell in row] for row in Page(render(make.report())).rows]
    assert rows[2][0] == ["source.ort"]
    assert rows[2][1:] == [
        ["passed"],
        ["host"],
        ["6.45", "MB"],
        ["1.2e-07"],
        ["0"],
        ["99.00", "%"],
        ["4.00", "ms", "0.97", "x,", "host"],
    ]
    assert len(rows) == 1 + 5 + 1 + 6
    assert rows[-3][5] == ["0", "(and", "2", "near", "ties)"]
    assert rows[8] == [["opset"], ["source"], ["skipped", "not", "needed"], ["-"], ["-"], ["-"], ["-"]]


def said(report: dict) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", render(report).split("<body>")[1]))


def test_what_was_chosen_and_what_was_skipped_is_said() -> None:
    text = said(make.report())
    assert "Chosen precision int8-static for latency 0.32 of the source&#x27;s time." in text
    assert "int8-dynamic asked for, not in the bundle" in text
    assert "quantize int8-dynamic worse decisions 14 decisions of 400 flipped" in text
    assert "The batch of image is fixed" in text
    assert "Chosen" not in said(make.empty())


@pytest.mark.parametrize(
    ("rows", "kind", "words"),
    [
        ([make.file()], "ok", "1 file verified"),
        ([make.file(), make.file(format="ort")], "ok", "2 files verified: each gave the recorded outputs"),
        ([make.file(ran_on="host, not arm64")], "ok", "None ran on the target itself"),
        ([make.file(), make.file(ran_on="host, not arm64")], "ok", "1 of 2 files did not run on the target"),
        ([make.file(), make.file("b", passed=False)], "bad", "1 of 2 files did not give"),
        ([make.file(), make.file("b", passed=False, ran_on="not run")], "warn", "Not run: b.onnx."),
        ([make.file(passed=False, ran_on="not run")], "warn", "No file was run"),
        ([], "warn", "No file was verified"),
    ],
)
def test_the_verdict(rows: list, kind: str, words: str) -> None:
    report = make.report(verify=rows)
    assert f'class="verdict {kind}"' in render(report)
    assert words in said(report)


def test_the_fastest_file_is_told_among_those_of_one_machine_that_passed() -> None:
    quick = make.file("quick", latency_us=1.0, passed=False)
    assert "fastest file 4.12 ms source.onnx" in said(make.report(verify=[make.file(), quick]))
    elsewhere = make.file("quick", latency_us=1.0, latency_on="target (ssh board)")
    assert "fastest file" not in said(make.report(verify=[make.file(), elsewhere]))


def test_a_variant_is_judged_by_its_stages_and_not_by_the_replay_of_its_own_outputs() -> None:
    stages = [
        make.stage("check"),
        make.stage("quantize", "fp16", worst_error=0.25, flips=3),
        make.stage("convert", "fp16", worst_error=1e-7),
        make.stage("quantize", "absent", worst_error=9.0, flips=9),
        make.skipped("convert", "source", "larger"),
    ]
    report = make.report(stages=stages, verify=[make.file(), make.file("fp16"), make.file("fp16", "ort")])
    assert "worst error 0.25 fp16 most flips 3 fp16 " in said(report)
    assert 'to the source model. source: 0; fp16: 0.25"' in render(report)


def test_fields_of_other_builders_may_be_absent_or_odd() -> None:
    bare = [
        {key: value for key, value in row.items() if key != "bytes" and not key.startswith("latency")}
        for row in make.report()["verify"]
    ]
    text = render(make.report(verify=bare, auto=None, colour="blue"))
    assert ("<h3>Size</h3>" in text, "<h3>Worst error</h3>" in text) == (False, True)
    infinite = make.report(stages=[make.stage("check", worst_error="infinity")])
    assert said(infinite).count("not comparable") == 3
    assert "Latency of one call </p>" not in render(make.report(verify=[make.file(latency_on="")]))


def test_invisible_characters_are_shown() -> None:
    text = render(make.report(name="a\u202eb\nc\0d\ud800", verify=[make.file("x\u2028")]))
    assert r"a\u202eb\nc\x00d\ud800" in text
    assert r"x\u2028.onnx" in text
    assert text.encode()


def test_zero_is_a_ring_and_infinity_a_hatched_bar() -> None:
    point = plots.Point("a", 0.0, "0", "onnx")
    assert "fill: var(--card)" in plots.decades("key", "zero", [point])
    assert "<pattern" not in plots.decades("key", "zero", [point])
    for value in (5e-324, 1.0, 1.7e308):
        drawn = plots.decades("key", "figure", [point._replace(value=value)])
        assert "fill: var(--onnx)" in drawn and "1e" in drawn
    assert "<pattern" in plots.decades("key", "none", [point, point._replace(value=math.inf, color="bad")])
    assert "nan" not in plots.bars("key", "zero", [point, point])


def test_a_plot_tells_its_figures_to_those_who_do_not_see_it() -> None:
    labels = [
        attributes["aria-label"] for tag, attributes in Page(render(make.report())).tags if tag == "svg"
    ]
    assert [label.partition(" ")[0] for label in labels] == ["Size", "Worst", "Latency"]
    assert labels[0] is not None and "int8-static.ort: 1.80 MB" in labels[0]


def test_without_matplotlib_the_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BundleError) as caught:
        render(make.report())
    assert (caught.value.code, caught.value.hint) == ("extra_missing", "pip install 'edgebundle[report]'")


def test_the_user_s_style_of_plots_does_not_reach_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    usual = render(make.report())
    for key, value in {"text.usetex": True, "axes.facecolor": "red", "lines.linestyle": ":"}.items():
        monkeypatch.setitem(matplotlib.rcParams, key, value)
    assert render(make.report()) == usual
    assert matplotlib.rcParams["lines.linestyle"] == ":"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (605_980, "606 kB"),
        (999_999, "1.00 MB"),
        (12_345_678, "12.3 MB"),
        (3_000_000_000_000, "3,000 GB"),
        (None, "-"),
        (True, "-"),
        ("12", "-"),
    ],
)
def test_a_size_has_three_digits_and_its_unit(count, shown: str) -> None:
    assert figures.size(count) == shown


def test_a_latency_has_its_unit() -> None:
    values = [0, 0.25, 12.34, 999.9, 1250, 2e6, None, float("nan"), float("inf")]
    shown = ["0 µs", "0.25 µs", "12.3 µs", "1.00 ms", "1.25 ms", "2.00 s", "-", "-", "-"]
    assert [figures.latency(value) for value in values] == shown


def test_the_page_needs_no_library_of_inference() -> None:
    program = (
        "import json, sys\nfrom bundle.builder.html import render\n"
        "render(json.load(sys.stdin))\n"
        "print([name for name in ('onnx', 'onnxruntime', 'rich') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        input=json.dumps(make.report()),
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
