"""What a bundle says of the ONNX Runtime that it was proven with, and the library that travels in it."""

import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

import bundle
from bundle.builder import build
from bundle.error import BundleError
from bundle.library import host_arch
from bundle.spec import table
from bundle.wheel import pinned
from tests.build import make_models as make
from tests.build.projects import project

LIBRARY = "lib/libonnxruntime.so.1"
TERMS = ["lib/LICENSE", "lib/ThirdPartyNotices.txt"]
# What a plain bundle says: of the library nothing but what its file states.
PINS = {
    "api_maximum",
    "api_minimum",
    "cxxabi",
    "glibc",
    "libstdcxx",
    "minimum",
    "needed",
    "sha256",
    "version",
}


def manifests(folder: Path, *targets: str, output: str = "out", **wanted: Any) -> list[dict[str, Any]]:
    """Build a small model; return the manifests, each with the folder of its bundle."""
    results = build(project(make.save(make.mlp(), folder), folder / output, *targets, build=wanted))
    return [json.loads((each.path / "bundle.json").read_bytes()) | {"at": each.path} for each in results]


def library_files(tree: dict[str, Any]) -> list[str]:
    return [row["path"] for row in tree["files"] if row["path"].startswith("lib/")]


def test_a_plain_bundle_pins_the_library_of_its_target(tmp_path: Path) -> None:
    trees = manifests(tmp_path, "arm64", "x86_64", "any")
    for tree, arch in zip(trees[:2], ("arm64", "x86_64"), strict=True):
        runtime = tree["runtime"]
        assert runtime.keys() == PINS | {"ort_format"}
        known = pinned(arch)
        assert known is not None and {key: runtime[key] for key in known.runtime} == known.runtime
        assert runtime["api_minimum"] == max(table("library")["readers"].values())
        assert runtime["version"] == onnxruntime.__version__
        assert runtime["ort_format"] == table("library")["ort_format"]["newest"]
        assert library_files(tree) == []
    assert trees[2]["runtime"].keys() == {"minimum", "version"}


def test_without_a_frozen_file_there_is_no_ort_format(tmp_path: Path) -> None:
    [tree] = manifests(tmp_path, host_arch(), formats=["onnx"])
    assert tree["runtime"].keys() == PINS


def test_another_version_than_the_pinned_one_says_nothing_of_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = pinned(host_arch())
    assert other is not None
    monkeypatch.setitem(table("wheels"), "version", "1.30.0")
    [tree] = manifests(tmp_path, host_arch())
    assert tree["runtime"].keys() == {"minimum", "ort_format", "version"}
    with pytest.raises(BundleError, match="wheel_unavailable"):
        manifests(tmp_path, host_arch(), output="other", with_runtime=True)


def test_the_library_travels_in_the_bundle_with_its_terms(tmp_path: Path) -> None:
    [tree] = manifests(tmp_path, host_arch(), with_runtime=True)
    assert tree["runtime"]["library"] == LIBRARY and library_files(tree) == [*TERMS, LIBRARY]
    [row] = [row for row in tree["files"] if row["path"] == LIBRARY]
    assert row["sha256"] == tree["runtime"]["sha256"]
    # Python opens it as any other, and never loads what lies in lib/.
    with bundle.open(tree["at"]) as predictor:
        assert predictor.self_test().passed
    [again] = manifests(tmp_path, host_arch(), output="again", with_runtime=True)
    assert (again["at"] / "bundle.json").read_bytes() == (tree["at"] / "bundle.json").read_bytes()


def test_the_library_comes_from_a_folder_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folder = str(tmp_path / "empty")
    with pytest.raises(BundleError) as refused:
        manifests(tmp_path, host_arch(), with_runtime=True, runtime_from=folder)
    known = pinned(host_arch())
    assert known is not None
    assert (refused.value.code, refused.value.subject) == ("wheel_unavailable", known.file)
    assert not any((tmp_path / "out").glob("*"))


def test_any_target_has_no_library(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as refused:
        manifests(tmp_path, "any", with_runtime=True)
    assert (refused.value.code, refused.value.subject) == ("wheel_unavailable", "any")
