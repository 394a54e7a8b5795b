"""No shared native core: each predictor reaches ONNX Runtime its own way, and none another or Python."""

import json
import re
from pathlib import Path

import pytest

from tests.native.programs import PROGRAMS, ROOT, onnxruntime_library, passed

SYSTEM = {"ld-linux-x86-64", "libc", "libdl", "libgcc_s", "libm", "libpthread", "libresolv", "librt"}
# What else the loader may give to a program: the standard library of C++.
ALSO = {"cpp": {"libstdc++"}, "go": set(), "rust": set()}
# ONNX Runtime is itself written in C++.
OF_ONNXRUNTIME = {"libonnxruntime", "libstdc++"}
BUNDLE = ROOT / "spec" / "cases" / "valid" / "self_test_passes" / "bundle"
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def stem(library: str) -> str:
    return Path(library).name.split(".so")[0]


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_is_linked_with_the_system_alone(language: str) -> None:
    printed = passed(["readelf", "--dynamic", "--wide", PROGRAMS[language]])
    needed = {stem(name) for name in re.findall(r"\(NEEDED\).*\[(.+)\]", printed)}
    assert "libc" in needed
    assert needed <= SYSTEM | ALSO[language]


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_running_program_starts_nothing_and_loads_onnxruntime_alone(language: str, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    program = [PROGRAMS[language], "--self-test", BUNDLE]
    passed(["strace", "-f", "-qq", "-o", log, "-e", "trace=execve,openat,open", *program])
    calls = log.read_text("utf-8")
    assert len(re.findall(r"execve\(", calls)) == 1
    opened = set(re.findall(r'open(?:at)?\(.*"([^"]+\.so[^"/]*)".*= \d', calls))
    libraries = {name for name in opened if not name.endswith("ld.so.cache")}
    assert str(onnxruntime_library()) in libraries
    assert {stem(name) for name in libraries} <= SYSTEM | ALSO[language] | OF_ONNXRUNTIME


def test_rust_reaches_onnxruntime_through_ort_alone() -> None:
    metadata = json.loads(passed(["cargo", "metadata", "--locked", "--format-version", "1"]))
    packages = {package["name"]: package for package in metadata["packages"]}
    own = packages["edgebundle"]
    normal = {entry["name"] for entry in own["dependencies"] if entry["kind"] is None}
    assert "ort" in normal
    assert not {"ort-sys", "pyo3", "cxx", "onnxruntime-sys"} & normal
    assert [target for target in own["targets"] if "custom-build" in target["kind"]] == []
    linked = {name for name, package in packages.items() if package["links"]}
    assert {packages[name]["links"] for name in linked} == {"onnxruntime"}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    features = set(nodes[packages["ort"]["id"]]["features"])
    assert "load-dynamic" in features
    assert not {"download-binaries", "copy-dylibs"} & features, "building fetches nothing"


def test_go_reaches_onnxruntime_through_its_module_alone() -> None:
    form = "{{if not .Standard}}{{.ImportPath}} {{len .CgoFiles}}{{end}}"
    printed = passed(["go", "list", "-deps", "-f", form, "./go/..."])
    rows = dict(line.split() for line in printed.splitlines())
    foreign = {path for path in rows if not path.startswith("example.com/edgebundle")}
    assert foreign == {"github.com/yalue/onnxruntime_go"}
    in_c = {path for path, count in rows.items() if int(count)}
    own = {"example.com/edgebundle/go/cabi", "example.com/edgebundle/go/predictor"}
    assert in_c == foreign | own, "what other languages call, and what asks the system's loader"
    included = {
        name
        for path in (ROOT / "go" / "predictor").glob("*.go")
        if not path.stem.endswith("_test")
        for name in INCLUDE.findall(path.read_text("utf-8"))
    }
    assert included == {"dlfcn.h", "link.h", "stdint.h", "stdlib.h", "string.h"}
    for path in (ROOT / "go" / "cabi").iterdir():
        assert "onnxruntime" not in path.read_text("utf-8"), path


def test_cpp_reaches_onnxruntime_through_its_c_api_alone() -> None:
    # cpp/python hands the predictor to Python; the predictor knows nothing of that.
    folders = [ROOT / "cpp" / name for name in ("include", "src", "tools", "tests")]
    sources = [
        path for folder in folders for path in folder.rglob("*") if path.suffix in {".cpp", ".hpp", ".h"}
    ]
    included = {name for path in sources for name in INCLUDE.findall(path.read_text("utf-8"))}
    assert {name for name in included if "onnxruntime" in name} == {"onnxruntime_c_api.h"}
    assert not {name for name in included if name.startswith(("Python", "pybind11"))}
    undefined = passed(["nm", "--dynamic", "--undefined-only", PROGRAMS["cpp"]])
    assert not re.search(r"\bOrt", undefined)


def test_the_module_for_python_reaches_onnxruntime_through_the_predictor_alone() -> None:
    sources = [path for path in (ROOT / "cpp" / "python").iterdir() if path.suffix in {".cpp", ".hpp"}]
    assert sources
    included = {name for path in sources for name in INCLUDE.findall(path.read_text("utf-8"))}
    assert not {name for name in included if "onnxruntime" in name}
    [module] = (ROOT / "python" / "bundle" / "runtimes").glob("_cpp*.so")
    printed = passed(["readelf", "--dynamic", "--wide", module])
    needed = {stem(name) for name in re.findall(r"\(NEEDED\).*\[(.+)\]", printed)}
    assert needed <= SYSTEM | ALSO["cpp"]
    exported = passed(["nm", "--dynamic", "--defined-only", "--demangle", module])
    assert "PyInit__cpp" in exported and "bundle::" not in exported


def test_installed_headers_need_nothing_but_the_standard_library() -> None:
    headers = list((ROOT / "cpp" / "include").rglob("*.h*"))
    assert headers
    own = {path.relative_to(ROOT / "cpp" / "include").as_posix() for path in headers}
    included = {name for path in headers for name in INCLUDE.findall(path.read_text("utf-8"))}
    # A header of the standard library has neither a folder nor an ending.
    assert {name for name in included - own if "/" in name or "." in name} == set()
