"""What the line says of a stage."""

import pytest

from bundle.builder.model import StageSkipped
from bundle.builder.stage import describe


@pytest.mark.parametrize(
    ("tool", "refused", "growth", "expected"),
    [
        ("", {}, 0, ""),
        ("", {}, 6436, "6,436 bytes larger, within its budget"),
        ("onnxslim", {}, -5, "onnxslim"),
        (
            "ort-basic",
            {"onnxslim": StageSkipped("unchanged", "onnxslim found nothing to do")},
            98,
            "ort-basic (onnxslim found nothing to do), 98 bytes larger, within its budget",
        ),
        (
            "ort-basic",
            {"onnxslim": StageSkipped("over_budget", "case 0 differs")},
            0,
            "ort-basic (onnxslim: case 0 differs)",
        ),
    ],
)
def test_a_stage_says_which_tool_it_took_and_by_how_much_the_file_grew(
    tool: str, refused: dict[str, StageSkipped], growth: int, expected: str
) -> None:
    assert describe(tool, refused, growth) == expected
