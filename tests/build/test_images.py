"""Calibration data from a folder of images: how they become inputs, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from bundle.builder.calibration import load_calibration
from bundle.builder.model import Port, Signature
from bundle.error import BundleError

TWO = Signature((Port("image", "float32", (1, 3, 4, 6)), Port("scale", "float32", ())), ())


def picture(*shape, dtype="float32") -> Signature:
    return Signature((Port("image", dtype, shape),), ())


def refusal(source, signature, **options) -> BundleError:
    with pytest.raises(BundleError) as caught:
        load_calibration(str(source), signature, **options)
    assert caught.value.code == "calibration_invalid"
    return caught.value


@pytest.fixture
def photos(tmp_path):
    """A folder of three small images in a nest of folders, with a text beside them; red, green, gray."""
    folder = tmp_path / "photos"
    (folder / "b").mkdir(parents=True)
    Image.new("RGB", (6, 4), (255, 0, 0)).save(folder / "a.png")
    Image.new("RGB", (6, 4), (0, 255, 0)).save(folder / "b" / "a.BMP")
    Image.new("L", (6, 4), 51).save(folder / "c.webp", lossless=True)
    (folder / "readme.txt").write_text("holiday")
    return folder


def test_images_in_the_order_of_their_paths(photos):
    cases = load_calibration(str(photos), picture("batch", 3, 4, 6))
    red, green, gray = (case["image"] for case in cases)
    assert red.shape == (1, 3, 4, 6)
    assert red.dtype == np.float32
    assert red[0, :, 0, 0].tolist() == [1, 0, 0]
    assert green[0, :, 3, 5].tolist() == [0, 1, 0]
    assert np.allclose(gray, 0.2)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 4, 6, 3), (1, 4, 6, 3)),
        (("n", 1, "h", "w"), (1, 1, 4, 6)),
        ((3, 4, 6), (3, 4, 6)),
        (("h", "w", 1), (4, 6, 1)),
        (("n", 3, 2, 8), (1, 3, 2, 8)),
    ],
)
def test_layouts(photos, shape, expected):
    cases = load_calibration(str(photos), picture(*shape))
    assert {case["image"].shape for case in cases} == {expected}


def test_resized_images(photos):
    cases = load_calibration(str(photos), picture("n", 3, "h", "w"), resize=(8, 2))
    assert {case["image"].shape for case in cases} == {(1, 3, 8, 2)}


def test_whole_numbers_are_pixels(photos):
    red = load_calibration(str(photos), picture(1, 3, 4, 6, dtype="uint8"))[0]["image"]
    assert (red.dtype, red[0, :, 0, 0].tolist()) == (np.uint8, [255, 0, 0])


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_normalized_images(photos, dtype):
    signature = picture(1, 3, 4, 6, dtype=dtype)
    red = load_calibration(str(photos), signature, normalize="0.5,0.25,0/0.5,1,2")[0]["image"]
    assert (red.dtype, red[0, :, 0, 0].tolist()) == (np.dtype(dtype), [1, -0.25, 0])
    red = load_calibration(str(photos), signature, normalize="0.5/0.5")[0]["image"]
    assert red[0, :, 0, 0].tolist() == [1, -1, -1]


def test_of_many_images_some_from_everywhere(tmp_path):
    for value in range(10):
        Image.new("L", (2, 2), value * 10).save(tmp_path / f"{value}.png")
    advice = []
    cases = load_calibration(str(tmp_path), picture(1, 1, 2, 2, dtype="uint8"), limit=4, advice=advice)
    assert [case["image"].flat[0] for case in cases] == [0, 20, 50, 70]
    assert [each.code for each in advice] == ["calibration_cut"]


@pytest.mark.parametrize(
    "signature",
    [
        TWO,
        picture("batch", 10),
        picture("batch", 5, 4, 6),
        picture("batch", "channels", 4, 6),
        picture(2, 3, 4, 6),
        picture("batch", 3, 4, "width"),
        picture(1, 3, 4, 6, dtype="int64"),
    ],
)
def test_models_that_take_no_image(photos, signature):
    assert refusal(photos, signature).subject in (str(photos), "image")


@pytest.mark.parametrize(
    "text", ["", "1", "a/b", "0/0", "0/-1", "0,0/1", "nan/1", "0/inf", "0/1/2", "1,2,3,4/1"]
)
def test_means_that_are_none(photos, text):
    assert refusal(photos, picture(1, 3, 4, 6), normalize=text).subject == "--normalize"


def test_options_that_do_not_fit_the_input(photos):
    assert refusal(photos, picture(1, 3, 4, 6), resize=(4, 7)).found == "--resize 4x7"
    assert refusal(photos, picture(1, 3, 4, 6, dtype="uint8"), normalize="0/1").subject == "image"


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    assert refusal(tmp_path, picture(1, 3, 4, 6)).subject == str(tmp_path)


def deep() -> Image.Image:
    return Image.fromarray(np.full((4, 6), 60000, np.uint16))


def test_images_that_cannot_be_read(photos, monkeypatch):
    signature = picture(1, 3, 4, 6)
    whole = (photos / "a.png").read_bytes()
    for name, content in (
        ("broken.png", whole[: len(whole) // 2]),
        ("text.jpg", b"no image"),
        ("empty.bmp", b""),
    ):
        path = photos / name
        path.write_bytes(content)
        refused = refusal(photos, signature)
        assert refused.subject == name
        assert str(photos) not in refused.found
        path.unlink()
    deep().save(photos / "deep.png")
    assert refusal(photos, signature).subject == "deep.png"
    (photos / "deep.png").unlink()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert refusal(photos, signature).subject == "a.png"


def test_images_without_what_reads_them(photos, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BundleError) as caught:
        load_calibration(str(photos), picture(1, 3, 4, 6))
    assert (caught.value.code, caught.value.hint) == ("extra_missing", "pip install 'edgebundle[images]'")
