"""The rules of `auto`, on figures that are made up: what each objective keeps, and what it says."""

from pathlib import Path

import pytest

from bundle.builder.choose import Figures, choose
from bundle.builder.config import parse_target
from bundle.builder.model import Model
from bundle.builder.seal import Variant
from bundle.spec import table

ARM64, ANY = parse_target("arm64"), parse_target("any")
FASTER = table("tolerances")["budgets"]["auto"]["faster_percent"]


@pytest.fixture
def figures(tmp_path: Path):
    """Return a function that makes the figures of a variant: size, accuracy and latency."""

    def make(name: str, size: int, accuracy: float | None = None, latency: float | None = None) -> Figures:
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(bytes(size))
        variant = Variant(
            name=name,
            precision="float32",
            files={"onnx": Model(path, "onnx")},
            opset=18,
            recorded=[],
            batch_invariant=True,
            tolerances=(),
            accuracy={"onnx": accuracy},
        )
        return Figures(variant, latency)

    return make


def test_size_keeps_the_smallest_and_the_source_where_nothing_is_smaller(figures) -> None:
    source, small, large = figures("source", 100), figures("int8-static", 30), figures("fp16", 50)
    assert choose("size", ARM64, [source, large, small])["chosen"] == "int8-static"
    same = figures("fp16", 100)
    choice = choose("size", ARM64, [same, source])
    assert choice["chosen"] == "source"
    assert "100 bytes" in choice["why"]


def test_a_variant_is_as_large_as_its_largest_file(figures, tmp_path: Path) -> None:
    source, both = figures("source", 100), figures("int8-static", 30)
    frozen = tmp_path / "frozen.ort"
    frozen.write_bytes(bytes(200))
    both.variant.files["ort"] = Model(frozen, "ort")
    assert choose("size", ARM64, [source, both])["chosen"] == "source"


def test_latency_keeps_the_fastest_where_it_is_faster_by_more_than_noise(figures) -> None:
    source = figures("source", 100, latency=100.0)
    fast = figures("int8-static", 30, latency=99.0 - FASTER)
    hardly = figures("int8-dynamic", 30, latency=101.0 - FASTER)
    assert choose("latency", ARM64, [source, hardly, fast])["chosen"] == "int8-static"
    choice = choose("latency", ARM64, [source, hardly])
    assert (choice["chosen"], choice["objective"]) == ("source", "latency")
    assert f"{FASTER} %" in choice["why"]


@pytest.mark.parametrize(("target", "words"), [(ARM64, "measured on no arm64"), (ANY, "no one machine")])
def test_latency_that_was_not_measured_on_the_target_keeps_the_source(figures, target, words: str) -> None:
    choice = choose("latency", target, [figures("source", 100), figures("fp16", 50)])
    assert choice["chosen"] == "source"
    assert words in choice["why"] and "--runner" in choice["why"]


def test_accuracy_keeps_the_best_and_among_equals_the_smallest(figures) -> None:
    source, better = figures("source", 100, 0.9), figures("fp16", 50, 0.91)
    worse, equal = figures("int8-static", 10, 0.89), figures("int8-dynamic", 40, 0.91)
    assert choose("accuracy", ARM64, [source, better, worse, equal])["chosen"] == "int8-dynamic"
    assert choose("accuracy", ARM64, [source, worse])["chosen"] == "source"


def test_without_labels_nothing_is_more_accurate_than_the_source(figures) -> None:
    choice = choose("accuracy", ARM64, [figures("source", 100), figures("fp16", 50)])
    assert choice["chosen"] == "source"
    assert "no labels" in choice["why"]
