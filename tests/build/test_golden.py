import zipfile

import numpy as np
import pytest

from bundle.builder import golden
from bundle.builder.golden import choose_shipped, informative, load_npz, nonfinite_inputs
from bundle.builder.model import Port, Signature
from bundle.error import BundleError
from bundle.tolerance import Tolerance

SIGNATURE = Signature(
    inputs=(Port("x", "float32", ("batch", 3)), Port("ids", "int64", ("batch",))),
    outputs=(Port("y", "float32", ("batch", 2)),),
)
CLOSE = Tolerance("close")


def arrays(count=4):
    x = np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)
    return {"inputs/x": x, "inputs/ids": np.zeros((count, 2), np.int64)}


def load(tmp_path, content, signature=SIGNATURE):
    np.savez(tmp_path / "cases.npz", **content)
    return load_npz(tmp_path / "cases.npz", signature)


def refusal(call, *arguments, **options):
    with pytest.raises(BundleError) as caught:
        call(*arguments, **options)
    return caught.value


def test_cases_of_a_file(tmp_path):
    content = arrays()
    goldens = load(tmp_path, content)
    assert len(goldens.cases) == 4
    assert goldens.labels is None
    assert goldens.outputs is None
    for index, case in enumerate(goldens.cases):
        assert list(case) == ["x", "ids"]
        assert np.array_equal(case["x"], content["inputs/x"][index])
        assert all(array.ctypes.data % 16 == 0 and array.flags.c_contiguous for array in case.values())


def test_labels_and_outputs(tmp_path):
    y = np.ones((4, 2, 2), np.float32)
    goldens = load(tmp_path, arrays() | {"outputs/y": y, "labels": np.arange(4)})
    assert goldens.labels.tolist() == [0, 1, 2, 3]
    assert [case["y"].shape for case in goldens.outputs] == [(2, 2)] * 4


def test_plain_names(tmp_path):
    content = {key.removeprefix("inputs/"): array for key, array in arrays().items()}
    assert len(load(tmp_path, content | {"labels": np.arange(4)}).cases) == 4


def test_text(tmp_path):
    signature = Signature((Port("words", "string", ("n",)),), ())
    case = load(tmp_path, {"inputs/words": np.array([["no", "äöü"]])}, signature).cases[0]
    assert case["words"].dtype == object
    assert case["words"].tolist() == ["no", "äöü"]


def test_other_byte_order(tmp_path):
    content = arrays()
    content["inputs/x"] = content["inputs/x"].astype(">f4")
    assert load(tmp_path, content).cases[3]["x"].dtype == np.float32


def changed(**changes):
    content = arrays() | {"outputs/y": np.ones((4, 2, 2), np.float32), "labels": np.arange(4)}
    for key, array in changes.items():
        name = key if key == "labels" else key.replace("_", "/", 1)
        content[name] = array
    return {key: array for key, array in content.items() if array is not None}


FAULTS = {
    "input_missing": ("inputs/ids", changed(inputs_ids=None)),
    "key_unknown": ("inputs/z", changed(inputs_z=np.zeros((4, 2), np.int64))),
    "output_unknown": ("outputs/z", changed(outputs_z=np.zeros((4, 2), np.int64))),
    "dtype": ("inputs/x", changed(inputs_x=np.zeros((4, 2, 3)))),
    "dtype_of_no_bundle": ("inputs/x", changed(inputs_x=np.zeros((4, 2, 3), np.complex64))),
    "dtype_of_output": ("outputs/y", changed(outputs_y=np.ones((4, 2, 2)))),
    "rank": ("inputs/x", changed(inputs_x=np.zeros((4, 3), np.float32))),
    "no_axis": ("inputs/x", changed(inputs_x=np.float32(1))),
    "case_counts": ("inputs/ids", changed(inputs_ids=np.zeros((3, 2), np.int64))),
    "output_counts": ("outputs/y", changed(outputs_y=np.ones((5, 2, 2), np.float32))),
    "label_count": ("labels", changed(labels=np.arange(3))),
    "label_without_axis": ("labels", changed(labels=np.int64(3))),
    "fixed_size": ("inputs/x", changed(inputs_x=np.zeros((4, 2, 5), np.float32))),
    "fixed_size_of_output": ("outputs/y", changed(outputs_y=np.ones((4, 2, 3), np.float32))),
    "symbol_with_two_sizes": ("inputs/ids", changed(inputs_ids=np.zeros((4, 1), np.int64))),
    "symbol_of_zero": ("inputs/x", changed(inputs_x=np.zeros((4, 0, 3), np.float32))),
    "no_case": ("inputs/x", {key: array[:0] for key, array in arrays().items()}),
    "objects": ("inputs/x", changed(inputs_x=np.array([[["a", 1, None]]], dtype=object))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(tmp_path, fault):
    subject, content = FAULTS[fault]
    error = refusal(load, tmp_path, content)
    assert (error.code, error.subject) == ("golden_invalid", subject)


def test_hints(tmp_path):
    assert "astype(np.float32)" in refusal(load, tmp_path, FAULTS["dtype"][1]).hint
    assert "[:, None]" in refusal(load, tmp_path, FAULTS["rank"][1]).hint
    # One more axis would only lead to the next refusal.
    assert refusal(load, tmp_path, changed(inputs_x=np.zeros((4, 5), np.float32))).hint == ""
    fixed = Signature((Port("x", "float32", (4, 3)),), ())
    assert "[None]" in refusal(load, tmp_path, {"inputs/x": np.zeros((4, 3), np.float32)}, fixed).hint
    assert "`inputs/ids`" in refusal(load, tmp_path, changed(inputs_idz=np.zeros((4, 2), np.int64))).hint
    plain = {"X": arrays()["inputs/x"], "ids": arrays()["inputs/ids"]}
    assert refusal(load, tmp_path, plain).hint == "did you mean `inputs/x`?"
    assert "np.savez" in refusal(load, tmp_path, changed(inputs_ids=None)).hint


def test_plain_names_of_outputs(tmp_path):
    content = {key.removeprefix("inputs/"): array for key, array in arrays().items()}
    goldens = load(tmp_path, content | {"y": np.ones((4, 2, 2), np.float32)})
    assert goldens.outputs is not None


def test_what_is_there_instead_of_an_archive(tmp_path):
    (tmp_path / "cases.json").write_text("{}")
    error = refusal(load_npz, tmp_path / "cases.json", SIGNATURE)
    assert error.found == "a file ending in .json"
    assert "np.savez" in error.hint
    error = refusal(load_npz, tmp_path, SIGNATURE)
    assert (error.subject, error.found) == (str(tmp_path), "a folder")
    assert refusal(load_npz, tmp_path / "absent.npz", SIGNATURE).found == "no such file"


def test_no_archive(tmp_path):
    path = tmp_path / "cases.npz"
    for content in (b"", b"hello", b"PK\x03\x04 and no more"):
        path.write_bytes(content)
        error = refusal(load_npz, path, SIGNATURE)
        assert (error.code, error.subject) == ("golden_invalid", "cases.npz")
    path.unlink()
    assert refusal(load_npz, path, SIGNATURE).code == "golden_invalid"


def test_single_array_instead_of_an_archive(tmp_path):
    np.save(tmp_path / "cases.npy", np.zeros(3))
    assert refusal(load_npz, tmp_path / "cases.npy", SIGNATURE).code == "golden_invalid"


def test_file_inside_that_is_no_array(tmp_path):
    np.savez(tmp_path / "cases.npz", **arrays())
    with zipfile.ZipFile(tmp_path / "cases.npz", "a") as archive:
        archive.writestr("notes.txt", "hello")
    error = refusal(load_npz, tmp_path / "cases.npz", SIGNATURE)
    assert (error.code, error.subject) == ("golden_invalid", "notes.txt")


def test_any_damage_is_one_code(tmp_path):
    np.savez_compressed(tmp_path / "cases.npz", **arrays())
    content = (tmp_path / "cases.npz").read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        (tmp_path / "damaged.npz").write_bytes(damaged)
        try:
            load_npz(tmp_path / "damaged.npz", SIGNATURE)
        except BundleError as error:
            assert error.code == "golden_invalid"
    for length in range(0, len(content), 7):
        (tmp_path / "damaged.npz").write_bytes(content[:length])
        assert refusal(load_npz, tmp_path / "damaged.npz", SIGNATURE).code == "golden_invalid"


def test_nonfinite_inputs():
    fine = {"a": np.zeros(2, np.float32), "b": np.zeros(2, np.float16), "n": np.zeros(2, np.int64)}
    assert nonfinite_inputs([fine]) == set()
    assert nonfinite_inputs([fine, fine | {"a": np.array([0, np.nan])}]) == {"a"}
    assert nonfinite_inputs([fine | {"b": np.array([np.inf], np.float16)}]) == {"b"}


# Which cases ship


def test_small_sets_ship_whole():
    assert choose_shipped([{"x": np.zeros(3)}] * 5, [0] * 5) == [0, 1, 2, 3, 4]


def test_large_sets_ship_a_spread():
    chosen = choose_shipped([{"x": np.zeros(3)}] * 80, [0] * 80)
    assert chosen == list(range(0, 80, 10))
    assert len(chosen) == golden.SHIPPED_CASES


def test_heavy_cases_ship_within_the_limit():
    case = {"x": np.zeros(golden.SHIPPED_BYTES // 4 + 1, np.uint8)}
    assert choose_shipped([case] * 6, [0] * 6) == [0, 2, 4]
    assert len(choose_shipped([case] * 6, [golden.SHIPPED_BYTES // 4] * 6)) == 1


def test_one_case_always_ships():
    assert choose_shipped([{"x": np.zeros(golden.SHIPPED_BYTES, np.uint8)}] * 2, [9, 9]) == [0]
    assert choose_shipped([{"w": np.array(["text"], object)}], [0]) == [0]


# Whether cases tell anything


def outputs(*rows):
    return [{"y": np.array(row, np.float32)} for row in rows]


@pytest.mark.parametrize(
    ("answers", "decision", "expected"),
    [
        (outputs([0, 1], [1, 0]), "argmax", True),
        (outputs([0.1, 0.9], [0.100001, 0.9]), "argmax", False),
        (outputs([0.1, 0.9], [0.3, 0.7]), "argmax", True),
        (outputs([0.1, 0.9], [0.1, 0.9]), "none", False),
        (outputs([0.2], [0.2, 0.2]), "none", True),
        (outputs([0.49999], [0.50001]), "threshold", True),
        (outputs([[0, 1], [1, 0]]), "argmax", True),
        (outputs([np.nan, 1], [np.nan, 1]), "none", False),
        (outputs([np.inf, 1], [-np.inf, 1]), "none", False),
        ([{"y": np.array([1])}, {"y": np.array([1])}], "equal", False),
        ([{"y": np.array([1])}, {"y": np.array([2])}], "equal", True),
        ([{"y": np.array(["a"], object)}, {"y": np.array(["b"], object)}], "none", True),
        ([{"y": np.array([True])}, {"y": np.array([True])}], "none", False),
    ],
)
def test_informative(answers, decision, expected):
    assert informative(answers, {"y": decision}, {"y": CLOSE}) is expected
