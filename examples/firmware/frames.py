"""Writes images as frames of a sensor to stdout: `frames.py IMAGES.npz COUNT`. The 4th to 6th are bad."""

import struct
import sys
import zlib

import numpy as np


def frame(payload: bytes) -> bytes:
    """Return a frame as the firmware reads it."""
    return b"FRM1" + struct.pack("<I", len(payload)) + payload + struct.pack("<I", zlib.crc32(payload))


def main() -> None:
    """Write the frames."""
    with np.load(sys.argv[1]) as stored:
        images = stored["inputs/image"][: int(sys.argv[2])].astype("<f4")
    good = [frame(image.tobytes()) for image in images]
    flipped = bytearray(good[0])
    flipped[100] ^= 1
    cut = good[1][:150]
    dead_pixel = frame(np.full_like(images[0], np.nan).tobytes())
    sys.stdout.buffer.write(b"".join([*good[:3], flipped, cut, dead_pixel, *good[3:]]))


if __name__ == "__main__":
    main()
