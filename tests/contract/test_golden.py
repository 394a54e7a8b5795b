import json
import struct

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from bundle.bundle import Bundle
from bundle.canonical import dumps
from bundle.dtype import DTYPES
from bundle.error import BundleError
from bundle.golden import TensorFileError, load_case, read_tensors, write_tensors
from tests.contract import example
from tests.contract.example import GOLDEN

ROW = {"data_offsets": [0, 4], "dtype": "F32", "shape": [1]}
FOUR = b"\0\0\0\0"


def pack(header, data: bytes = b"", pad: int | None = None) -> bytes:
    """A tensor file with this header: a tree, or bytes as they are."""
    text = header if isinstance(header, bytes) else dumps(header)
    text += b" " * (-len(text) % 8 if pad is None else pad)
    return struct.pack("<Q", len(text)) + text + data


def strings(sizes: str, offsets: list[int], text: bytes, **more) -> bytes:
    """A file with the string tensor `t`."""
    positions = struct.pack(f"<{len(offsets)}q", *offsets)
    end = len(positions) + len(text)
    return pack(
        {
            "__metadata__": {"t": f"string:{sizes}"},
            "t.offsets": {"data_offsets": [0, len(positions)], "dtype": "I64", "shape": [len(offsets)]},
            "t.utf8": {"data_offsets": [len(positions), end], "dtype": "U8", "shape": [len(text)]},
            **more,
        },
        positions + text,
    )


def numeric() -> dict[str, np.ndarray]:
    """One array of each type, of uneven sizes, so that most begin at odd addresses."""
    rows = [row for row in DTYPES.values() if row.safetensors]
    return {row.word: np.arange(3).astype(row.numpy) for row in rows} | {
        "scalar": np.array(1.5, np.float32),
        "empty": np.empty((0, 4), np.int64),
        "deep": np.ones((1,) * 8, np.uint8),
        "ключ": np.array([True, False]),
    }


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    for key, array in left.items():
        assert array.dtype == right[key].dtype and array.shape == right[key].shape
        assert array.tolist() == right[key].tolist()


def test_what_is_written_is_read() -> None:
    tensors = numeric() | {
        "text": np.array([["a", "ünï"], ["", "😀"]], object),
        "none": np.empty((0, 2), object),
    }
    same(read_tensors(write_tensors(tensors)), tensors)


def test_the_bytes_do_not_depend_on_the_order_or_the_layout_of_arrays() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    plain = write_tensors({"a": array, "b": array[::-1, ::2].copy()})
    assert write_tensors({"b": array[::-1, ::2], "a": np.asfortranarray(array).astype(">f4")}) == plain


def test_fixed_width_text_is_written_as_strings() -> None:
    assert write_tensors({"t": np.array(["a", "bc"])}) == strings("2", [0, 1, 3], b"abc")


def test_the_reference_library_reads_what_is_written() -> None:
    same(safetensors.numpy.load(write_tensors(numeric())), numeric())


def test_a_file_of_the_reference_library_is_read_leniently() -> None:
    data = safetensors.numpy.save(numeric(), {"format": "np"})
    same(read_tensors(data, canonical=False), numeric())
    with pytest.raises(TensorFileError):
        read_tensors(data)


@pytest.mark.parametrize(
    "tensors",
    [
        {"__metadata__": np.zeros(1)},
        {"a": np.zeros(1, np.complex64)},
        {"a": np.zeros(1, "S3")},
        {"a": np.zeros((1,) * 9)},
        {"a": np.array([1], object)},
        {"a": np.array(["\ud800"], object)},
        {"a": np.array(["a\0"], object)},
        {"\ud800": np.zeros(1)},
        {"a": np.array(["x"], object), "a.utf8": np.zeros(1)},
        {"a" * (1 << 20): np.zeros(1)},
    ],
)
def test_what_no_file_can_hold_is_not_written(tensors) -> None:
    with pytest.raises(ValueError):
        write_tensors(tensors)


MALFORMED = {
    "no bytes": b"",
    "seven bytes": bytes(7),
    "no header": bytes(8),
    "header beyond the end": struct.pack("<Q", 8) + b"{}",
    "header of 2^64 - 1": b"\xff" * 8 + b"{}      ",
    "header too long": pack(b"{}", pad=1 << 20),
    "no multiple of eight": pack({}, pad=0),
    "eight blanks": pack({}, pad=14),
    "no JSON": pack(b"{]"),
    "no object": pack([]),
    "too deep": pack(b'{"a":' + b"[" * 17 + b"]" * 17 + b"}"),
    "not canonical": pack(b'{ "a":' + json.dumps(ROW).encode() + b"}", FOUR),
    "key twice": pack(b'{"a":1,"a":1}'),
    "lone surrogate": pack(b'{"\\ud800":1}'),
    "metadata no object": pack({"__metadata__": []}),
    "metadata no text": pack({"__metadata__": {"a": 1}}),
    "metadata about nothing": pack({"__metadata__": {"format": "np"}}),
    "entry no object": pack({"a": [1]}),
    "entry with a further key": pack({"a": ROW | {"x": 1}}, FOUR),
    "entry without a shape": pack({"a": {"data_offsets": [0, 0], "dtype": "F32"}}),
    "dtype unknown": pack({"a": ROW | {"dtype": "BF16"}}, FOUR),
    "dtype no text": pack({"a": ROW | {"dtype": []}}, FOUR),
    "dtype string": pack({"a": ROW | {"dtype": "string"}}, FOUR),
    "offsets three": pack({"a": ROW | {"data_offsets": [0, 4, 4]}}, FOUR),
    "offsets boolean": pack({"a": {"data_offsets": [False, True], "dtype": "U8", "shape": [1]}}, b"a"),
    "offsets negative": pack({"a": ROW | {"data_offsets": [-4, 0]}}, FOUR),
    "offsets falling": pack({"a": ROW | {"data_offsets": [4, 0]}}, FOUR),
    "shape no list": pack({"a": ROW | {"shape": 1}}, FOUR),
    "shape negative": pack({"a": ROW | {"shape": [-1, -1]}}, FOUR),
    "shape of text": pack({"a": ROW | {"shape": ["1"]}}, FOUR),
    "nine axes": pack({"a": ROW | {"shape": [1] * 9}}, FOUR),
    "shape too small": pack({"a": ROW | {"shape": []}}, FOUR + FOUR),
    "shape overflows to the right size": pack({"a": ROW | {"shape": [2**31, 2**31, 4]}}, b""),
    "sizes beyond an array": pack(
        {"a": {"data_offsets": [0, 0], "dtype": "F32", "shape": [0, 2**50, 2**50]}}
    ),
    "past the end": pack({"a": ROW}, b"\0"),
    "terabytes": pack({"a": {"data_offsets": [0, 2**43], "dtype": "F64", "shape": [2**40]}}, FOUR),
    "begins late": pack({"a": ROW | {"data_offsets": [4, 8]}}, FOUR + FOUR),
    "hole": pack({"a": ROW, "b": ROW | {"data_offsets": [8, 12]}}, FOUR * 3),
    "overlap": pack({"a": ROW, "b": ROW}, FOUR),
    "bytes behind": pack({"a": ROW}, FOUR + FOUR),
    "other order": pack({"a": ROW | {"data_offsets": [4, 8]}, "b": ROW}, FOUR + FOUR),
    "bool of two": pack({"a": {"data_offsets": [0, 2], "dtype": "BOOL", "shape": [2]}}, b"\1\2"),
    "string without parts": pack({"__metadata__": {"t": "string:1"}}),
    "string sizes": strings("01", [0, 1], b"a"),
    "string sizes negative": strings("-1", [0, 1], b"a"),
    "string sizes of another script": strings("\u0661", [0, 1], b"a"),
    "string sizes of many digits": strings("9" * 5000, [0, 1], b"a"),
    "string sizes beyond an array": strings(",".join(["0", *["9" * 16] * 7]), [0], b""),
    "string nine axes": strings(",".join("1" * 9), [0, 1], b"a"),
    "string count": strings("2", [0, 1], b"a"),
    "string begins late": strings("1", [1, 1], b"a"),
    "string ends early": strings("1", [0, 0], b"a"),
    "string offsets fall": strings("2", [0, 2, 1], b"a"),
    "string offsets fall by more than 2^63": strings("3", [0, 2**63 - 1, -(2**63), 1], b"a"),
    "string no UTF-8": strings("1", [0, 1], b"\xff"),
    "string cut inside a character": strings("2", [0, 1, 2], "é".encode()),
    "string with U+0000": strings("1", [0, 1], b"\0"),
    "string twice": strings("1", [0, 1], b"a", t={"data_offsets": [0, 0], "dtype": "U8", "shape": [0]}),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_file_with_one_fault_is_refused(data: bytes) -> None:
    with pytest.raises(TensorFileError):
        read_tensors(data)


def case_of(folder, tensors):
    """Load the one case of a bundle whose golden file holds these tensors."""
    bundle = Bundle.open(example.write(folder, example.contents() | {GOLDEN: write_tensors(tensors)}))
    return load_case(bundle, bundle.manifest.golden[0], "source")


def test_a_case_is_inputs_source_and_recording(tmp_path) -> None:
    case, tensors = case_of(tmp_path, example.tensors()), example.tensors()
    same(case.inputs, {"x": tensors["inputs/x"], "words": tensors["inputs/words"]})
    same(case.source, {"y": tensors["source/y"]})
    same(case.recorded, {"y": tensors["recorded/source/y"]})


def test_a_case_needs_no_source(tmp_path) -> None:
    tensors = example.tensors()
    del tensors["source/y"]
    assert case_of(tmp_path, tensors).source == {}


X = example.tensors()["inputs/x"]


@pytest.mark.parametrize(
    "change",
    [
        {"inputs/z": X},
        {"outputs/y": X},
        {"recorded/int8/y": X},
        {"recorded/source/x": X},
        {"inputs/x": None},
        {"inputs/words": None},
        {"recorded/source/y": None},
        {"inputs/x": X.astype(np.float64)},
        {"inputs/x": X[0]},
        {"source/y": X[0]},
        {"inputs/words": X},
    ],
)
def test_a_case_that_does_not_fit_the_manifest_is_malformed(tmp_path, change) -> None:
    tensors = {key: array for key, array in (example.tensors() | change).items() if array is not None}
    with pytest.raises(BundleError) as caught:
        case_of(tmp_path, tensors)
    assert (caught.value.code, caught.value.subject) == ("golden_malformed", GOLDEN)


def test_a_case_that_went_away_is_missing(tmp_path) -> None:
    bundle = Bundle.open(example.write(tmp_path))
    (tmp_path / GOLDEN).unlink()
    with pytest.raises(BundleError) as caught:
        load_case(bundle, bundle.manifest.golden[0], "source")
    assert (caught.value.code, caught.value.subject) == ("file_missing", GOLDEN)
