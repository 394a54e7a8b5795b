"""The command `build` under bad conditions: each ends with one sentence, a code, and nothing left behind."""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import bundle
from bundle.builder import build_many
from bundle.cli import exits
from bundle.error import BundleError
from bundle.locked import make_locked
from tests.build import make_models as make
from tests.build.place import Place
from tests.build.projects import project

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Path, int], None]]:
    """Return a function that puts a disk of so many bytes at a folder."""
    folders: list[Path] = []

    def mount(folder: Path, size: int) -> None:
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        subprocess.run(command, check=True, capture_output=True)
        folders.append(folder)

    yield mount
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=True)


def cases(folder: Path, digits: Path, **changed: Any) -> Path:
    """Write a golden file for the digits: its own arrays, and others by name (`image` and `labels`)."""
    with np.load(digits.with_name("golden.npz")) as own:
        arrays = {"inputs/image": own["inputs/image"][:16], "labels": own["labels"][:16]}
    names = {"image": "inputs/image", "labels": "labels"}
    arrays.update({names[name]: change(arrays[names[name]]) for name, change in changed.items()})
    path = folder / "cases.npz"
    np.savez(path, allow_pickle=False, **arrays)
    return path


@pytest.fixture
def digits(root: Path) -> Path:
    return root / "examples" / "digits" / "digits.onnx"


def limit(kind: int, size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (size, size))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("labels", lambda labels: labels[:-1]),
        ("labels", lambda labels: labels.astype(np.float64)),
        ("labels", lambda labels: labels + 10),
        ("image", lambda image: image.reshape(len(image), -1)),
        ("image", lambda image: image.astype(np.float64)),
        ("image", lambda image: image[:, :, :, :7]),
        ("image", lambda image: image[:0]),
    ],
)
def test_golden_cases_that_do_not_fit(
    name: str, change: Callable[[Any], Any], place: Place, digits: Path
) -> None:
    error = place.refused(digits, "--golden", cases(place.folder, digits, **{name: change}))
    assert error["code"] == "golden_invalid"
    assert error["subject"] == {"labels": "labels", "image": "inputs/image"}[name]


def test_golden_cases_with_nan_are_told(place: Place, digits: Path) -> None:
    def spoil(image: Any) -> Any:
        image[3].flat[0] = np.nan
        return image

    report = place.built(digits, "--golden", cases(place.folder, digits, image=spoil))
    assert any("`image`" in text and "NaN" in text for text in report["advice"])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_model_that_was_cut_short(share: float, place: Place, digits: Path) -> None:
    data = digits.read_bytes()
    model = place.folder / "model.onnx"
    model.write_bytes(data[: int(len(data) * share)])
    assert place.refused(model)["code"] == "model_unreadable"


def test_a_full_output_folder(place: Place, digits: Path, small_disk: Callable[[Path, int], None]) -> None:
    small_disk(place.output, digits.stat().st_size)
    error = place.refused(digits)
    assert (error["code"], error["found"]) == ("write_failed", "No space left on device")
    assert error["subject"].startswith(str(place.output))


# From a disk that takes nothing, over one that fills while tools in C++ write, to one that is just too small.
@pytest.mark.parametrize("size", [0.1, 1.5, 3.5, 4.5])
def test_a_full_temporary_folder(
    size: float, place: Place, digits: Path, small_disk: Callable[[Path, int], None]
) -> None:
    small_disk(place.temporary, int(digits.stat().st_size * size))
    error = place.refused(digits)
    assert (error["code"], error["subject"]) == ("write_failed", str(place.temporary))
    assert "TMPDIR" in error["hint"]


def test_a_file_that_may_not_grow(place: Place, digits: Path) -> None:
    error = place.refused(digits, preexec_fn=limit(resource.RLIMIT_FSIZE, 10_000))
    assert (error["code"], error["found"]) == ("write_failed", "File too large")


def test_an_output_folder_that_nobody_may_write_to(place: Place, digits: Path) -> None:
    place.output = Path("/proc/bundles")
    assert place.refused(digits)["code"] == "write_failed"
    place.output = digits
    assert place.refused(digits)["code"] == "write_failed"


def test_a_model_that_needs_more_memory_than_there_is(place: Place) -> None:
    count = {"s": np.array([1 << 44], np.int64)}
    nodes = [
        helper.make_node("Expand", ["x", "s"], ["many"]),
        helper.make_node("ReduceSum", ["many"], ["y"], keepdims=0),
    ]
    model = make.model_of(nodes, [make.value("x", [1])], [make.value("y", [])], count)
    error = place.refused(make.save(model, place.folder))
    assert error["code"] == "memory_exhausted" and "memory ran out" in error["found"]


def test_inputs_that_need_more_memory_than_there_is(place: Place) -> None:
    node = helper.make_node("Neg", ["x"], ["y"])
    model = make.model_of([node], [make.value("x", [1, 1 << 34])], [make.value("y", [1, 1 << 34])])
    limited = limit(resource.RLIMIT_AS, 4 << 30)
    error = place.refused(make.save(model, place.folder), preexec_fn=limited)
    assert (error["code"], error["subject"]) == ("memory_exhausted", "model.onnx")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_ended(number: signal.Signals, place: Place, digits: Path) -> None:
    cases = ["--golden", digits.with_name("golden.npz")]
    process = subprocess.Popen(**place.command(digits, *cases), start_new_session=True)
    try:
        wait_for(lambda: any(place.temporary.glob("*/*/checked.onnx")))
        os.killpg(process.pid, number)
        code = process.wait(timeout=10)
    finally:
        process.kill()
        process.communicate()
    if number == signal.SIGKILL:
        assert code == -number and len(place.left()) == 1
        place.built(digits)
    else:
        assert code == (exits.INTERRUPTED if number == signal.SIGINT else -number)
        assert place.left() == []


def test_only_what_dead_builds_left_is_removed(place: Place, digits: Path) -> None:
    prefix = "edgebundle-building-"
    alive, lock = make_locked(place.temporary, prefix)
    dead, other = make_locked(place.temporary, prefix)
    (dead / "file").write_bytes(b"left")
    os.close(other)
    (place.temporary / f"{prefix}link").symlink_to(alive)
    (place.temporary / f"{prefix}file").write_bytes(b"not a folder")
    subprocess.run(**place.command(digits), timeout=60, check=True)
    kept = [alive.name, f"{prefix}file", f"{prefix}link"]
    assert sorted(path.name for path in place.temporary.iterdir()) == sorted(kept)
    os.close(lock)


def test_names_that_need_care(place: Place, digits: Path) -> None:
    model = place.folder / '-naïve "quoted" name\'s.onnx'
    shutil.copy(digits, model)
    place.output = place.folder / "übung 'x'"
    place.built(model.name)


def test_an_output_folder_behind_a_link(place: Place, digits: Path) -> None:
    (place.folder / "real").mkdir()
    place.output.symlink_to("real")
    place.built(digits)
    assert [path.name for path in (place.folder / "real").iterdir()] == ["digits-0.1.0-x86_64"]


def odd_models() -> dict[str, onnx.ModelProto]:
    """Return models that are legal and unusual."""
    node, value = helper.make_node, make.value
    chain = [node("Neg", [f"v{i}"], [f"v{i + 1}"]) for i in range(1024)]
    many_imports = make.mlp()
    for _ in range(5000):
        many_imports.opset_import.add(domain="", version=make.OPSET)
    names = ['ein gabe "x"', "añ'b", "größe n"]
    return {
        "no_inputs": make.model_of([node("Constant", [], ["y"], value_floats=[1.0])], [], [value("y", [1])]),
        "scalars": make.model_of([node("Neg", ["x"], ["y"])], [value("x", [])], [value("y", [])]),
        "nothing_done": make.model_of([], [value("x", ["n"])], [value("x", ["n"])]),
        "no_values": make.model_of(
            [node("Neg", ["x"], ["y"])], [value("x", ["n", 0])], [value("y", ["n", 0])]
        ),
        "deep": make.model_of(chain, [value("v0", ["n", 4])], [value("v1024", ["n", 4])]),
        "imports": many_imports,
        "names": make.model_of(
            [node("Neg", names[:1], names[1:2], name="a b")],
            [value(names[0], [names[2]])],
            [value(names[1], [names[2]])],
        ),
    }


def test_models_that_are_legal_and_unusual(tmp_path: Path) -> None:
    models = odd_models()
    projects = [
        project(make.save(model, tmp_path, f"{name}.onnx"), tmp_path / "out", "x86_64")
        for name, model in models.items()
    ]
    results = build_many(projects)
    assert [each for each in results if isinstance(each, BundleError)] == []
    for name in models:
        with bundle.open(tmp_path / "out" / f"{name}-1.0.0-x86_64") as predictor:
            assert predictor.self_test().passed, name


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
