"""Manifests at the edge of what is allowed; no bundle stands behind them."""

from collections.abc import Callable

from tests.vectors.bases import scale
from tests.vectors.case import Case, valid
from tests.vectors.kit import sha256, variant
from tests.vectors.paths import listed
from tests.vectors.tensor import canonical


def parsed(change: Callable[[dict], None]) -> Case:
    """A good manifest with a change that leaves it good."""
    tree = scale().tree
    change(tree)
    step = {"op": "parse", "manifest": "$MANIFEST", "expect": {"ok": True}}
    return Case([step], manifest=canonical(tree))


@valid("M3", "M5")
def integers_at_the_limit() -> Case:
    """2^53 - 1 is the largest integer."""

    def change(tree: dict) -> None:
        tree["variants"][0] |= {"peak_memory": (1 << 53) - 1, "rank": 4095, "threads": 256}
        tree["inputs"][0]["shape"][1] = (1 << 53) - 1

    return parsed(change)


@valid("M5")
def text_at_the_limit() -> Case:
    """Lengths count bytes: 4,096 of text, 1,024 of a name, 64 of an identifier."""

    def change(tree: dict) -> None:
        tree["model"] |= {"description": "é" * 2048, "license": "", "name": "A" + "-" * 63}
        tree["inputs"][0]["name"] = "é" * 512

    return parsed(change)


@valid("M5")
def control_characters_outside_ascii() -> Case:
    """Names and text may hold U+0080 to U+009F, U+2028, U+FEFF and U+FFFF; ASCII's are refused."""

    def change(tree: dict) -> None:
        odd = "\u0080\u0085\u009f\u2028\ufeff\uffff"
        tree["model"]["description"] = odd
        tree["metadata"] = {"\x7f\x1f": odd}
        tree["inputs"][0]["name"] = odd

    return parsed(change)


@valid("M5", "M14")
def bounds_at_the_limit() -> Case:
    """From 0 to the largest float32; versions of three numbers below 10^9."""

    def change(tree: dict) -> None:
        tree["outputs"] += [tree["outputs"][0] | {"name": "z"}]
        words = [
            {"word": "absolute", "bound": "00000000"},
            {"word": "quantized", "quanta": 1024, "step": "7f7fffff"},
        ]
        tree["variants"][0]["tolerances"] = words
        tree["model"]["version"] = "0.999999999.0"

    return parsed(change)


@valid("M7", "M9")
def paths_at_the_limit() -> Case:
    """A component of 255 bytes, a path of 1,024, a leading `_`, dots inside; folders that begin alike."""

    def change(tree: dict) -> None:
        deep = "models/" + "/".join(["b" * 200] * 5) + "/" + "c" * 12
        listed(tree, "golden/first.safetensors", "models/_", "models/" + "a" * 255, deep, "models/x-y/z")
        tree["files"] += [{"path": "models/x.y..z", "sha256": sha256(b""), "size": 0}]
        tree["files"] += [{"path": "models/x/y", "sha256": sha256(b""), "size": 0}]
        tree["files"] += [{"path": "models/z.onnx", "sha256": sha256(b""), "size": 0}]
        tree["variants"] = [variant("source", {"onnx": "models/z.onnx"}, 1)]

    return parsed(change)


@valid("M10")
def input_and_output_share_a_name() -> Case:
    """Names are unique among inputs and among outputs, not across."""

    def change(tree: dict) -> None:
        tree["outputs"][0]["name"] = "x"

    return parsed(change)


@valid("M12")
def variant_of_another_cpu_class() -> Case:
    """A variant's CPU class is any class of the target."""

    def change(tree: dict) -> None:
        tree["target"] = {"arch": "arm64", "cpu_class": "v8.0", "os": "linux"}
        tree["variants"][0]["cpu_class"] = "dotprod"

    return parsed(change)
