"""A folder of images as inputs of a model: one image, one case."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from bundle.builder.golden import Array, Case
from bundle.builder.model import Port, Signature
from bundle.dtype import DTYPES
from bundle.error import BundleError

_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
#: Pillow's word for each number of channels.
_MODES = {1: "L", 3: "RGB"}
_FLOATS = ("float16", "float32", "float64")
#: Pillow's modes with more than 8 bits per channel: making them 8 bits wide would cut their values off.
_WIDE = ("I", "F")
#: Axes of an image without the batch.
_UNBATCHED = 3


@dataclass(frozen=True)
class ImageReader:
    """How an image becomes an input.

    Attributes:
        name: of the input.
        dtype: of the input, a word of the spec.
        channels: 1 for gray, 3 for red, green and blue.
        first: whether the channels come before height and width.
        axes: of the input: 3, or 4 with the batch in front.
        size: height and width; None leaves each image its own.
        mean: by channel, taken from pixel / 255.
        std: by channel, what that is divided by.
    """

    name: str
    dtype: str
    channels: int
    first: bool
    axes: int
    size: tuple[int, int] | None
    mean: Array
    std: Array

    @classmethod
    def of(
        cls, folder: Path, signature: Signature, resize: tuple[int, int] | None, normalize: str | None
    ) -> Self:
        """Return the reader for a model of one image.

        Args:
            folder: of the images, for the errors.
            signature: of the model.
            resize: height and width, or None for the input's own.
            normalize: ``MEAN/STD``, each one number or one for each channel, or None.

        Raises:
            BundleError: ``calibration_invalid`` for a model that takes no image, or the options do not fit
                it; ``extra_missing`` without pillow.
        """
        if importlib.util.find_spec("PIL") is None:
            hint = "pip install 'edgebundle[images]'"
            raise BundleError(
                "extra_missing", "pillow", "what reads images", "an installation without it", hint
            )
        if len(signature.inputs) != 1:
            names = ", ".join(f"`{port.name}`" for port in signature.inputs)
            raise _invalid(str(folder), "a model of one input for a folder of images", f"the inputs {names}")
        port = signature.inputs[0]
        first, channels, own = _layout(port)
        if port.dtype == "uint8" and normalize is not None:
            raise _invalid(
                port.name, "a float input for --normalize", "uint8, which takes pixels as they are"
            )
        mean, std = _normalization(normalize, channels)
        size = _size(port, own, resize)
        return cls(port.name, port.dtype, channels, first, len(port.shape), size, mean, std)

    def read(self, path: Path) -> Case:
        """Return the input that an image makes.

        Errors: ``calibration_invalid`` with the file, where it is no image that can be read.
        """
        pixels = _pixels(path, _MODES[self.channels], self.size)
        height, width = pixels.shape[:2]
        # Gray images have no axis for their one channel.
        values = pixels.reshape(height, width, self.channels)
        if self.dtype != "uint8":
            values = ((values / 255 - self.mean) / self.std).astype(DTYPES[self.dtype].numpy)
        if self.first:
            values = values.transpose(2, 0, 1)
        return {self.name: np.ascontiguousarray(values if self.axes == _UNBATCHED else values[None])}


def find_images(folder: Path) -> list[Path]:
    """Return the images in a folder and those below it, sorted by path; other files are passed over.

    Errors: ``calibration_invalid`` where there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS and path.is_file())
    if not found:
        raise _invalid(str(folder), f"images ending in {', '.join(sorted(_ENDINGS))}", "none")
    return found


def _layout(port: Port) -> tuple[bool, int, tuple[int | str | None, ...]]:
    """Return whether channels come first, how many there are, and height and width of an image input."""
    shape = port.shape
    expected = "an image input: [N, C, H, W] or [N, H, W, C], N perhaps left out, C being 1 or 3"
    found = f"{port.dtype} [{', '.join(map(str, shape))}]"
    if len(shape) not in (_UNBATCHED, _UNBATCHED + 1) or port.dtype not in (*_FLOATS, "uint8"):
        raise _invalid(port.name, expected, found)
    if len(shape) > _UNBATCHED and isinstance(shape[0], int) and shape[0] != 1:
        raise _invalid(port.name, "a model that takes one image, or any number", f"a batch of {shape[0]}")
    image = shape[-_UNBATCHED:]
    for first, channels, size in ((True, image[0], image[1:]), (False, image[2], image[:2])):
        if isinstance(channels, int) and channels in _MODES:
            return first, channels, size
    raise _invalid(port.name, expected, found)


def _size(
    port: Port, own: tuple[int | str | None, ...], resize: tuple[int, int] | None
) -> tuple[int, int] | None:
    """Return the size that images get: what was asked for, else the input's, else None."""
    fixed = [size for size in own if isinstance(size, int)]
    if resize is not None:
        if any(isinstance(size, int) and size != wanted for size, wanted in zip(own, resize, strict=True)):
            expected = "--resize " + "x".join(map(str, own))
            raise _invalid(port.name, expected, f"--resize {resize[0]}x{resize[1]}")
        return resize
    if len(fixed) == 1:
        expected = "--resize HxW, as one side of the images is fixed and the other is not"
        raise _invalid(port.name, expected, "x".join(map(str, own)))
    return (fixed[0], fixed[1]) if fixed else None


def _normalization(text: str | None, channels: int) -> tuple[Array, Array]:
    """Return mean and standard deviation by channel.

    Errors: ``calibration_invalid`` `--normalize`.
    """
    if text is None:
        return np.zeros(channels), np.ones(channels)
    try:
        sides = [[float(number) for number in side.split(",")] for side in text.split("/")]
        mean, std = (np.broadcast_to(np.array(side), (channels,)) for side in sides)
    except ValueError:
        mean = std = np.zeros(channels)
    if not np.isfinite(mean).all() or not np.isfinite(std).all() or (std <= 0).any():
        expected = f"MEAN/STD, 1 or {channels} numbers each, joined by commas, STD above 0"
        raise _invalid("--normalize", expected, repr(text))
    return mean, std


def _pixels(path: Path, mode: str, size: tuple[int, int] | None) -> Array:
    """Return an image's pixels, uint8 [H, W] or [H, W, 3]."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Pillow only warns of an image that is large enough to be an attack.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.mode.startswith(_WIDE):
                    raise ValueError(f"pixels of the kind {image.mode}")
                plain: Any = image.convert(mode)
                if size is not None and plain.size != (size[1], size[0]):
                    plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
                return np.asarray(plain, np.uint8)
    except Exception as error:  # Pillow's readers fail in as many ways as there are formats
        found = " ".join(str(error).replace(f"{path.parent}/", "").split())[:200] or type(error).__name__
        raise _invalid(path.name, "an image of 8 bits per channel", found) from error


def _invalid(subject: str, expected: str, found: str) -> BundleError:
    return BundleError("calibration_invalid", subject, expected, found)
