"""All node tests of ONNX through the line: a bundle says what plain ONNX Runtime says, or a named reason."""

from collections import Counter
from collections.abc import Callable

import pytest

from bundle.builder.opset import NEWEST_OPSETS
from bundle.dtype import DTYPES
from tests.build.node_cases import Verdict
from tests.devset.models import node_cases

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(900)]

FORMATS = {"onnx", "ort"}


def refused(verdict: Verdict, code: str, *words: str) -> bool:
    """Tell whether the build ended with this code and plain ONNX Runtime, which says so, refuses too."""
    return verdict.error == code and any(word in verdict.refusal for word in words)


def answers(verdict: Verdict, right: bool) -> bool:
    """Tell whether both files say what plain ONNX Runtime says, and whether that is what is expected."""
    expected = dict.fromkeys(FORMATS, right)
    return verdict.same and verdict.plain is right and verdict.expected == expected


# The first class that fits. None of them knows a test by its name.
CLASSES: dict[str, Callable[[Verdict], bool]] = {
    # ONNX Runtime knows one locale; where the machine lacks that, it refuses what changes letters.
    "depends on the locale": lambda v: (
        "StringNormalizer" in v.operators
        and (answers(v, True) or refused(v, "model_rejected", "string_normalizer"))
    ),
    "as expected": lambda v: answers(v, True),
    "as plain ONNX Runtime, which misses the expected values": lambda v: answers(v, False),
    "lowered to an operator set that plain ONNX Runtime opens": lambda v: (
        v.opset > NEWEST_OPSETS[""] and "Opset" in v.refusal and v.expected == dict.fromkeys(FORMATS, True)
    ),
    "sequence or optional at the edge": lambda v: (
        v.error == "tensor_unsupported" and v.found in ("sequence", "optional")
    ),
    "scalar of strings or float16": lambda v: (
        v.error == "tensor_unsupported" and v.found in ("a scalar of string", "a scalar of float16")
    ),
    "element type that the spec has not": lambda v: (
        v.error == "dtype_unsupported" and bool(v.found) and v.found not in DTYPES
    ),
    "operator set newer than the runtime": lambda v: (
        v.opset > NEWEST_OPSETS[""] and refused(v, "opset_unsupported", "Opset")
    ),
    "domain of previews": lambda v: (
        v.error == "domain_unknown" and v.subject.startswith("ai.onnx.preview") and bool(v.refusal)
    ),
    "operator without a kernel": lambda v: refused(v, "model_rejected", "NOT_IMPLEMENTED"),
    "attribute that the runtime refuses": lambda v: refused(v, "model_rejected", "during initialization"),
    "fails while it runs, in plain ONNX Runtime, too": lambda v: refused(v, "source_failed", "while running"),
    "random": lambda v: v.error == "model_random" and "Dropout" in v.operators,
}

COUNTS = {
    "depends on the locale": 6,
    "as expected": 1425,
    "as plain ONNX Runtime, which misses the expected values": 17,
    "lowered to an operator set that plain ONNX Runtime opens": 31,
    "sequence or optional at the edge": 29,
    "scalar of strings or float16": 2,
    "element type that the spec has not": 171,
    "operator set newer than the runtime": 29,
    "domain of previews": 18,
    "operator without a kernel": 28,
    "attribute that the runtime refuses": 3,
    "fails while it runs, in plain ONNX Runtime, too": 2,
    "random": 4,
}


def kind(verdict: Verdict) -> str:
    return next((name for name, fits in CLASSES.items() if fits(verdict)), "unexplained")


def test_no_node_test_fails_without_a_reason(node_verdicts: list[Verdict]) -> None:
    assert [verdict for verdict in node_verdicts if kind(verdict) == "unexplained"] == []


def test_each_class_has_as_many_node_tests_as_before(
    node_verdicts: list[Verdict], capsys: pytest.CaptureFixture[str]
) -> None:
    counts = Counter(kind(verdict) for verdict in node_verdicts)
    with capsys.disabled():
        print()
        for name in CLASSES:
            print(f"{counts[name]:6} {name}")
    assert counts == COUNTS
    assert sum(counts.values()) == len(node_cases())
