"""Rendered pages of text in four rotations, as the `orientation` model wants them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_PAGE = (620, 877)  # A4 at 75 dots per inch: width, height
_MARGIN = 48
_SHORT_SIDE, _CROP = 256, 224
# The channel statistics of ImageNet, which the model was trained with.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_FACES = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")
_TEXT = """
    after again all and are as at before between both bridge but by city coast could day each end evening
    every far field for from garden given great had harbor has have house in into island it its just keep
    land large later less light little long made many market may more morning most much near never night
    north not of old on one only open or other our over paper part people place quiet rain river road room
    school sea she should small some south still stone street such than that the their then there they
    thing this through time to town train tree two under until up very voice walk wall was water way we
    were west what when where which while white who will wind window winter with word work would year you
"""
WORDS = _TEXT.split()


def pages(count: int, first: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pages and their rotation.

    Each sheet is rendered once and turned four times, so that the label is right by construction.

    Args:
        count: how many pages; a multiple of four.
        first: number of the first sheet; other sheets are other pages.

    Returns:
        Images float32 [count, 3, 224, 224], normalized, and labels int64 [count]: quarters of a turn
        clockwise, 0 to 3.
    """
    images, labels = [], []
    for sheet in range(first, first + count // 4):
        upright = _sheet(sheet)
        for quarters in range(4):
            images.append(_prepared(np.rot90(upright, -quarters)))
            labels.append(quarters)
    return np.stack(images), np.array(labels, np.int64)


def _sheet(seed: int) -> NDArray[np.uint8]:
    """An upright page uint8 [877, 620, 3]: a heading and paragraphs of drawn words."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    rng = np.random.default_rng(seed)
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    size = int(rng.integers(13, 20))
    # The basic layout is in every build of Pillow; the other one depends on what the host has installed.
    layout = ImageFont.Layout.BASIC
    body = ImageFont.truetype(fonts / _FACES[seed % len(_FACES)], size, layout_engine=layout)
    heading = ImageFont.truetype(fonts / _FACES[2], size * 2, layout_engine=layout)
    paper = int(rng.integers(225, 256))
    page = Image.new("RGB", _PAGE, (paper, paper, paper))
    draw = ImageDraw.Draw(page)
    ink = int(rng.integers(0, 70))
    draw.text((_MARGIN, _MARGIN), " ".join(rng.choice(WORDS, 2)).title(), (ink, ink, ink), heading)
    top = _MARGIN + size * 4
    while top < _PAGE[1] - _MARGIN:
        if rng.random() < 0.12:
            top += size * 2
            continue
        draw.text((_MARGIN, top), _line(rng, body, _PAGE[0] - 2 * _MARGIN), (ink, ink, ink), body)
        top += round(size * 1.5)
    return np.asarray(page)


def _line(rng: np.random.Generator, font: object, width: int) -> str:
    """Drawn words up to a width in pixels."""
    line = str(rng.choice(WORDS)).capitalize()
    while font.getlength(longer := f"{line} {rng.choice(WORDS)}") <= width:  # type: ignore[attr-defined]
        line = longer
    return line


def _prepared(page: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A page as the model wants it: the short side at 256, the middle 224x224, channels first, normalized."""
    from PIL import Image

    height, width = page.shape[:2]
    scale = _SHORT_SIDE / min(height, width)
    image = Image.fromarray(np.ascontiguousarray(page))
    image = image.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    left, top = (image.width - _CROP) // 2, (image.height - _CROP) // 2
    pixels = np.asarray(image.crop((left, top, left + _CROP, top + _CROP)), np.float32) / 255
    return np.ascontiguousarray(((pixels - _MEAN) / _DEVIATION).transpose(2, 0, 1))
