"""Calibration data from files and functions: every form it has, and every way in which it may not fit."""

import io
import sys
import zipfile

import numpy as np
import pytest

from bundle.builder import calibration
from bundle.builder.calibration import load_calibration
from bundle.builder.model import Port, Signature
from bundle.error import BundleError
from bundle.golden import write_tensors

TWO = Signature(
    inputs=(Port("x", "float32", ("batch", 3)), Port("ids", "int64", ("batch",))),
    outputs=(Port("y", "float32", ("batch", 2)),),
)
ONE = Signature((Port("x", "float32", ("batch", 3)),), ())


def arrays(count=4):
    x = np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)
    return {"inputs/x": x, "inputs/ids": np.zeros((count, 2), np.int64)}


def refusal(source, signature=TWO, **options) -> BundleError:
    with pytest.raises(BundleError) as caught:
        load_calibration(str(source), signature, **options)
    assert caught.value.code == "calibration_invalid"
    return caught.value


def npz(folder, content, name="data.npz"):
    np.savez(folder / name, **content)
    return folder / name


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module into the current directory and gives back its name."""
    monkeypatch.chdir(tmp_path)
    made = []

    def write(body: str) -> str:
        name = f"calibration_of_test_{len(made)}"
        (tmp_path / f"{name}.py").write_text("import numpy as np\n" + body)
        made.append(name)
        return name

    yield write
    for name in made:
        sys.modules.pop(name, None)


# Files.


def test_cases_of_an_npz(tmp_path):
    content = arrays()
    extra = {"labels": np.arange(4), "outputs/y": np.zeros((4, 2, 2), np.float32)}
    for form in (content | extra, {key.removeprefix("inputs/"): value for key, value in content.items()}):
        cases = load_calibration(str(npz(tmp_path, form)), TWO)
        assert [case["x"].tolist() for case in cases] == content["inputs/x"].tolist()
        assert all(list(case) == ["x", "ids"] for case in cases)


def test_cases_of_a_safetensors(tmp_path):
    path = tmp_path / "data.safetensors"
    path.write_bytes(write_tensors(arrays()))
    assert [case["x"].shape for case in load_calibration(str(path), TWO)] == [(2, 3)] * 4


def test_a_limit_takes_cases_from_everywhere_and_is_told(tmp_path):
    path = npz(tmp_path, {"x": np.repeat(np.arange(10, dtype=np.float32), 3).reshape(10, 1, 3)})
    advice = []
    cases = load_calibration(str(path), ONE, limit=4, advice=advice)
    assert [case["x"][0, 0] for case in cases] == [0, 2, 5, 7]
    assert [(each.code, each.subject) for each in advice] == [("calibration_cut", str(path))]
    assert load_calibration(str(path), ONE, limit=10, advice=advice) and len(advice) == 1


FAULTS = {
    "missing": ({"inputs/ids": np.zeros((4, 2), np.int64)}, "inputs/x"),
    "unknown": ({"inputs/z": np.zeros(4)}, "inputs/z"),
    "dtype": ({"inputs/x": np.zeros((4, 2, 3))}, "inputs/x"),
    "rank": ({"inputs/x": np.zeros((4, 3), np.float32)}, "inputs/x"),
    "shape": ({"inputs/x": np.zeros((4, 2, 5), np.float32)}, "inputs/x"),
    "symbol": ({"inputs/x": np.zeros((4, 1, 3), np.float32)}, "inputs/ids"),
    "count": ({"inputs/x": np.zeros((3, 2, 3), np.float32)}, "inputs/ids"),
    "none": ({"inputs/x": np.zeros((0, 2, 3), np.float32)}, "inputs/x"),
    "objects": ({"inputs/x": np.array([{}, {}, {}, {}], object)}, "inputs/x"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_arrays_that_do_not_fit(tmp_path, fault):
    change, subject = FAULTS[fault]
    content = change if fault == "missing" else arrays() | change
    assert refusal(npz(tmp_path, content)).subject == subject


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(tmp_path, value):
    content = arrays()
    content["inputs/x"][2, 1, 0] = value
    refused = refusal(npz(tmp_path, content))
    assert refused.subject == "x"
    assert refused.found == f"{value} at [1, 0] in case 2"


@pytest.mark.parametrize("name", ["data.npz", "data.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\3\4 no archive", b"\xff" * 64])
def test_damaged_files(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal(path).subject == name


@pytest.mark.parametrize("name", ["absent.npz", "absent.safetensors"])
def test_absent_files(tmp_path, name):
    refused = refusal(tmp_path / name)
    assert (refused.subject, refused.found.lower()[:7]) == (name, "no such")


@pytest.mark.parametrize("source", ["absent", "a folder/that is not there", "notes.txt", ":", "a:", "a b:c"])
def test_what_is_no_calibration_data(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("notes")
    assert refusal(source).subject == source


def test_an_archive_that_unpacks_to_too_much(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(
        path, **{"inputs/ids": arrays()["inputs/ids"], "inputs/x": np.zeros((1000, 2, 3), np.float32)}
    )
    monkeypatch.setattr(calibration, "MAX_BYTES", 4096)
    refused = refusal(path)
    assert refused.subject == "inputs/x"
    assert "at most 4096 bytes" in refused.expected
    path = tmp_path / "large.safetensors"
    path.write_bytes(b"\0" * 4097)
    assert refusal(path).subject == path.name


def test_an_array_that_promises_more_than_its_bytes(tmp_path):
    """Reading it would ask for 2 TB of memory."""
    header = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (1 << 39, 1)}
    np.lib.format.write_array_header_1_0(header, shape)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inputs/x.npy", header.getvalue() + b"\0" * 64)
    refused = refusal(path, ONE)
    assert (refused.subject, refused.expected) == ("inputs/x", "a whole array")


@pytest.mark.parametrize("option", [{"resize": (2, 2)}, {"normalize": "0/1"}])
def test_options_of_images_are_for_images(tmp_path, option):
    assert "a folder of images" in refusal(npz(tmp_path, arrays()), **option).expected


# Functions.


def test_cases_of_a_function(module):
    """Each case has its own sizes, and a buffer that is used again holds no other case's values."""
    name = module(
        "def cases():\n"
        "    buffer = np.zeros((2, 3), np.float32)\n"
        "    for value in range(3):\n"
        "        buffer[:] = value\n"
        "        yield {'ids': np.zeros(2, np.int64), 'x': buffer}\n"
        "    yield {'x': np.ones((1, 3), np.float32), 'ids': np.zeros(1, np.int64)}\n"
    )
    cases = load_calibration(f"{name}:cases", TWO)
    assert [case["x"][0, 0] for case in cases] == [0, 1, 2, 1]
    assert [case["x"].shape for case in cases] == [(2, 3)] * 3 + [(1, 3)]


def test_a_function_that_never_ends(module):
    name = module("def cases():\n    while True: yield {'x': np.ones((1, 3), np.float32)}\n")
    advice = []
    assert len(load_calibration(f"{name}:cases", ONE, limit=7, advice=advice)) == 7
    assert [each.code for each in advice] == ["calibration_cut"]


def test_what_a_function_prints_is_no_output_of_ours(module, capsys):
    name = module("def cases():\n    print('loading')\n    yield {'x': np.ones((1, 3), np.float32)}\n")
    load_calibration(f"{name}:cases", ONE)
    assert capsys.readouterr() == ("", "loading\n")


FUNCTIONS = {
    "raises": ("def cases():\n    yield 1 / 0\n", "ZeroDivisionError: division by zero"),
    "raises late": (
        "def cases():\n    yield {'x': np.ones((1, 3), np.float32)}\n    raise KeyError('gone')\n",
        "KeyError: 'gone'",
    ),
    "exits": ("def cases():\n    raise SystemExit(3)\n", "SystemExit: 3"),
    "no iterable": ("def cases():\n    return 3\n", "TypeError: 'int' object is not iterable"),
    "not callable": ("cases = 3\n", "TypeError: 'int' object is not callable"),
    "not there": ("", "AttributeError: "),
    "broken module": ("import a_module_that_is_not_there\n", "ModuleNotFoundError: "),
    "nothing": ("def cases():\n    return []\n", "none"),
    "no dict": ("def cases():\n    yield np.ones((1, 3), np.float32)\n", "case 0 of ndarray"),
}


@pytest.mark.parametrize("fault", FUNCTIONS)
def test_functions_that_fail(module, fault):
    body, found = FUNCTIONS[fault]
    source = f"{module(body)}:cases"
    refused = refusal(source, ONE)
    assert refused.subject == source
    assert refused.found.startswith(found)


CASES = {
    "NaN": "{'x': np.array([[np.nan, 0, 0]], np.float32)}",
    "a list": "{'x': [[0.0, 0.0, 0.0]]}",
    "another type": "{'x': np.zeros((1, 3))}",
    "another shape": "{'x': np.zeros((1, 4), np.float32)}",
    "another rank": "{'x': np.zeros(3, np.float32)}",
    "no rows": "{'x': np.zeros((0, 3), np.float32)}",
    "nothing": "{}",
    "more": "{'x': np.zeros((1, 3), np.float32), 'z': 1}",
}


@pytest.mark.parametrize("fault", CASES)
def test_cases_of_a_function_that_do_not_fit(module, fault):
    body = f"def cases():\n    yield {{'x': np.zeros((1, 3), np.float32)}}\n    yield {CASES[fault]}\n"
    refused = refusal(f"{module(body)}:cases", ONE)
    assert refused.subject == ("z" if fault == "more" else "x")
    assert refused.found.endswith("in case 1")


def test_the_search_path_is_left_as_it_was(module):
    before = list(sys.path)
    load_calibration(f"{module('def cases(): yield {chr(120): np.ones((1, 3), np.float32)}')}:cases", ONE)
    assert sys.path == before


def test_cases_of_a_caller(tmp_path):
    advice = []
    given = ({"x": np.full((1, 3), value, np.float32)} for value in range(5))
    cases = load_calibration(given, ONE, limit=4, advice=advice)
    assert [case["x"][0, 0] for case in cases] == [0, 1, 2, 3]
    assert [each.subject for each in advice] == ["calibration"]
    with pytest.raises(BundleError) as caught:
        load_calibration([], ONE)
    assert (caught.value.code, caught.value.subject) == ("calibration_invalid", "calibration")
