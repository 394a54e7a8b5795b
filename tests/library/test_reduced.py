"""A reduced ONNX Runtime: what its configuration lists, and what a bundle needs of it."""

from pathlib import Path

import pytest

from bundle.doctor import examine_device
from bundle.doctor.reduced import compare, parse, read_operators
from bundle.doctor.runtime import Device
from bundle.error import BundleError
from tests.runtime.make_bundle import write
from tests.vectors.valid_ort import scale_with_ort

NEEDED = """ai.onnx;13;Flatten,Gemm{"inputs": {"0": ["float"]}},Softmax{"inputs": {"0": ["float"]}}
com.microsoft;1;FusedConv
"""
CONFIG = "config/required_operators_and_types.config"


def told(needed: str, there: str) -> list[tuple[str, str]]:
    """Status and code of each finding."""
    return [(finding.status, finding.code) for finding in compare(parse(needed), parse(there))]


@pytest.mark.parametrize(
    "there",
    [
        NEEDED,
        "# a comment\n\n" + NEEDED.replace("Flatten,", "Flatten , Relu,"),
        NEEDED.replace(";13;", ";12,13;"),
        NEEDED.replace('["float"]', '["double", "float"]'),
        "ai.onnx;13;Flatten,Gemm,Softmax\ncom.microsoft;1;FusedConv\n",
        "!globally_allowed_types;float,int8_t\nai.onnx;13;Flatten,Gemm,Softmax\ncom.microsoft;1;FusedConv",
        ";13;Flatten,Gemm,Softmax\ncom.microsoft;1;FusedConv\n",
        "!no_ops_specified_means_all_ops_are_required\n",
    ],
)
def test_a_runtime_that_has_all(there: str) -> None:
    assert told(NEEDED, there) == [("ok", "")]


@pytest.mark.parametrize(
    ("there", "subject"),
    [
        (NEEDED.replace("Softmax", "Sigmoid"), "ai.onnx:Softmax"),
        (NEEDED.replace("com.microsoft;1;FusedConv", ""), "com.microsoft:FusedConv"),
        (
            NEEDED.replace('Gemm{"inputs": {"0": ["float"]}}', 'Gemm{"inputs": {"0": ["double"]}}'),
            "ai.onnx:Gemm",
        ),
        ("!no_ops_specified_means_all_ops_are_required\n!globally_allowed_types;int8_t", "ai.onnx:Gemm"),
    ],
)
def test_an_operator_or_a_type_that_is_missing(there: str, subject: str) -> None:
    found = compare(parse(NEEDED), parse(there))
    assert {finding.code for finding in found} == {"library_operator"}
    assert f"`{subject}`" in found[0].sentence and "required_operators_and_types" in found[0].advice


def test_another_operator_set_may_have_the_same_kernel() -> None:
    assert told("ai.onnx;13;Relu", "ai.onnx;14;Relu\nai.onnx;13;Gemm") == [("unknown", "")]


def test_combinations_of_types_are_compared() -> None:
    needed = 'ai.onnx;11;OneHot{"custom": [["float", "int64_t", "int64_t"]]}'
    assert told(needed, needed) == [("ok", "")]
    assert told(needed, needed.replace("float", "double")) == [("problem", "library_operator")]


@pytest.mark.parametrize(
    "text",
    [
        "ai.onnx;13",
        "ai.onnx;x;Relu",
        "ai.onnx;13;Relu{",
        'ai.onnx;13;Relu{"inputs": 3}',
        'ai.onnx;13;Relu{"inputs": {"0": 3}}',
        "ai.onnx;13;Relu{}x",
        "ai.onnx;13;{}",
        "\x7fELF\x02\x01",
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "reduced.config"
    path.write_text(text)
    with pytest.raises(BundleError, match="runtime_config_invalid") as refused:
        read_operators(path, "reduced.config")
    assert refused.value.subject == "reduced.config" and "line 1" in refused.value.found


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name in ("bytes", "nothing", "."):
        with pytest.raises(BundleError, match="runtime_config_invalid"):
            read_operators(tmp_path / name, name)


def test_a_bundle_is_compared(tmp_path: Path) -> None:
    made = scale_with_ort()
    made.files[CONFIG] = b"ai.onnx;14;Mul,Add\n"
    folder = write(made, tmp_path / "bundle")
    reduced = tmp_path / "reduced.config"

    def told_of(text: str) -> list[tuple[str, str]]:
        reduced.write_text(text)
        found = examine_device(Device(config=reduced), folder)
        return [(each.status, each.code) for each in found if each.check == "library operators"]

    assert told_of("ai.onnx;14;Mul,Add\n") == [("ok", "")]
    assert told_of("ai.onnx;14;Mul\n") == [("problem", "library_operator")]
    assert told_of("nonsense") == [("problem", "runtime_config_invalid")]


def test_without_operators_nothing_can_be_said(tmp_path: Path) -> None:
    folder = write(scale_with_ort(), tmp_path / "bundle")
    reduced = tmp_path / "reduced.config"
    reduced.write_text("ai.onnx;14;Mul\n")
    for bundle in (folder, None):
        found = examine_device(Device(config=reduced), bundle)
        [finding] = [each for each in found if each.check == "library operators"]
        assert finding.status == "unknown" and finding.advice
