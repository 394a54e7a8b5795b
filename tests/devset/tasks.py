"""Tasks for the made networks: data that is drawn with its label.

Each function takes a count and a seed, so that what fits a network is never what counts its answers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Inputs = dict[str, NDArray[np.generic]]
Drawn = tuple[Inputs, NDArray[np.int64]]

_LETTERS = "AHSTX"
_FACES = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")
_SIDE = 64
_TOPICS, _COMMON, _OWN, _LENGTH = 8, 400, 75, 24
_STEPS = 48


def letters(count: int, seed: int) -> Drawn:
    """Slightly tilted letters on grey: `image` float32 [count, 3, 64, 64] in -1..1, five classes."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(_LETTERS)
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = {
        (face, size): ImageFont.truetype(folder / face, size, layout_engine=ImageFont.Layout.BASIC)
        for face in _FACES
        for size in (44,)
    }
    keys = sorted(fonts)
    images = np.empty((count, 3, _SIDE, _SIDE), np.float32)
    for row, label in enumerate(labels):
        font = fonts[keys[rng.integers(len(keys))]]
        tile = Image.new("L", (_SIDE, _SIDE), 0)
        middle = tuple(_SIDE / 2 + rng.integers(-1, 2, 2))
        ImageDraw.Draw(tile).text(middle, _LETTERS[label], 255, font, anchor="mm")
        tile = tile.rotate(float(rng.uniform(-3, 3)), Image.Resampling.BILINEAR)
        ink, paper = rng.uniform(-1, -0.3, 3), rng.uniform(0.3, 1, 3)
        cover = np.asarray(tile, np.float32) / 255
        images[row] = paper[:, None, None] + (ink - paper)[:, None, None] * cover
    images += rng.normal(0, 0.02, images.shape)
    return {"image": images[:, None]}, labels.astype(np.int64)


def topics(count: int, seed: int) -> Drawn:
    """Texts about one of eight topics: `input_ids` and `attention_mask` int64 [count, 1, 24].

    Every sixth word is such as any text has; padding follows the end.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % _TOPICS
    lengths = rng.integers(16, _LENGTH + 1, count)
    common = rng.integers(0, _COMMON, (count, _LENGTH))
    own = _COMMON + labels[:, None] * _OWN + rng.integers(0, _OWN, (count, _LENGTH))
    words = np.where(rng.random((count, _LENGTH)) < 5 / 6, own, common)
    mask = (np.arange(_LENGTH) < lengths[:, None]).astype(np.int64)
    inputs: Inputs = {"input_ids": (words * mask)[:, None], "attention_mask": mask[:, None]}
    return inputs, labels.astype(np.int64)


def movements(count: int, seed: int) -> Drawn:
    """Six kinds of movement as six sensors see them: `signal` float32 [count, 1, 48, 6].

    The kinds differ in pace and in which sensors move together; the phase, the force and the noise are drawn.
    """
    rng = np.random.default_rng(seed)
    kinds = 6
    labels = np.arange(count) % kinds
    pace = np.array([0.06, 0.06, 0.11, 0.11, 0.17, 0.17])[labels] * rng.uniform(0.9, 1.1, count)
    phase = rng.uniform(0, 2 * np.pi, count)
    angle = 2 * np.pi * pace[:, None] * np.arange(_STEPS) + phase[:, None]
    shift = np.where(labels % 2, np.pi / 2, 0.0)[:, None]
    parts = [np.sin(angle), np.sin(angle + shift), np.cos(angle), np.cos(angle + shift)]
    parts += [np.sin(2 * angle), np.sin(2 * angle + shift)]
    signal = np.stack(parts, -1) * rng.uniform(0.7, 1.3, (count, 1, 1))
    signal += rng.normal(0, 0.1, signal.shape)
    return {"signal": signal.astype(np.float32)[:, None]}, labels.astype(np.int64)


DRAWN: dict[str, Callable[[int, int], Drawn]] = {"resnet": letters, "minilm": topics, "lstm": movements}
"""By the name of the network that is made for it."""
