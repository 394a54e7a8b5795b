"""Frames of a recording that are clearly speech or clearly a pause, as the `voice` model wants them.

The recording is a minute of several voices, close to the microphone, so its loudness tells where somebody
speaks: a frame is speech where it and its neighbours are loud, a pause where they are as quiet as the room,
and left out in between. A frame that follows speech has to be quiet for longer, for the model looks back.
"""

from __future__ import annotations

import io
import wave
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tests.devset.fetch import read_member
from tests.devset.models import SPEECH, fetch

# 512 samples a frame at 16 kHz, led by the last 64 of the frame before.
_CONTEXT, _FRAME, _RATE = 64, 512, 16_000
# Decibels below the loudest possible tone. The room is at -60, a spoken vowel at -20.
_LOUD, _QUIET = -30.0, -52.0


@cache
def spoken_frames() -> tuple[dict[str, NDArray[np.generic]], NDArray[np.int64]]:
    """The frames in order, and their labels: 1 for speech, 0 for a pause.

    Returns:
        ``input`` float32 [N, 1, 576], ``state`` float32 [N, 2, 1, 128] as the source model has it when it
        comes to that frame, ``sr`` int64 [N]; labels int64 [N].

    Raises:
        FetchError: the recording or the model cannot be fetched.
    """
    sound = _recording()
    labels = _labels(sound)
    rows = np.flatnonzero(labels >= 0)
    pieces, states = _walk(sound, len(labels))
    inputs: dict[str, NDArray[np.generic]] = {
        "input": pieces[rows],
        "state": states[rows],
        "sr": np.full(len(rows), _RATE, np.int64),
    }
    return inputs, labels[rows]


def _recording() -> NDArray[np.float32]:
    """The samples float32, -1 to 1."""
    with wave.open(io.BytesIO(read_member(SPEECH, "tests/data/test.wav"))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (_RATE, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.astype(np.float32) / 2**15


def _labels(sound: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each whole frame 1 for speech, 0 for a pause, -1 where the loudness does not tell."""
    frames = sound[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    level = 10 * np.log10((frames**2).mean(1) + 1e-12)
    loud, quiet = level > _LOUD, level < _QUIET
    labels = np.full(len(level), -1, np.int64)
    for row in range(2, len(level) - 1):
        if loud[row - 1 : row + 2].all():
            labels[row] = 1
        elif quiet[row - 2 : row + 2].all():
            labels[row] = 0
    return labels


def _walk(sound: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each frame with its context, and the state that the source model has reached before it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(fetch("voice"), providers=["CPUExecutionProvider"])
    led = np.concatenate([np.zeros(_CONTEXT, np.float32), sound])
    state = np.zeros((2, 1, 128), np.float32)
    pieces, states = [], []
    for row in range(count):
        piece = led[None, row * _FRAME : row * _FRAME + _CONTEXT + _FRAME]
        pieces.append(piece)
        states.append(state)
        feed = {"input": piece, "state": state, "sr": np.array(_RATE, np.int64)}
        state = session.run(["stateN"], feed)[0]
    return np.stack(pieces), np.stack(states)
