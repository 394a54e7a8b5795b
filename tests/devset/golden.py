"""Golden cases for each model of the development set: real or realistic inputs, different decisions.

| model | cases | inputs (the first axis counts the cases) |
|---|---|---|
| mnist | 16 | `Input3` float32 [16, 1, 1, 28, 28]: digits of all classes, with labels |
| orientation | 8 | `x` float32 [8, 1, 3, 224, 224]: two pages in four rotations, with labels |
| file-type | 16 | `bytes` int32 [16, 1, 2048]: files of sixteen types, with labels |
| voice | 12 | `input` float32 [12, 1, 576], `state` float32 [12, 2, 1, 128], `sr` int64 [12] |
| embedding | 8 | `input_ids`, `attention_mask`, `token_type_ids` int64 [8, 1, 24] |
| emotion | 16 | `float_input` float32 [16, 1, 14]: heart-rate figures around the means of the training data |
| notes | 3 | `serving_default_input_2:0` float32 [3, 1, 43844, 1]: a note, a chord, a run |
| faces | 8 | `input` float32 [8, 1, 3, 120, 160]: crops of two photographs |
| resnet | 12 | `image` float32 [12, 1, 3, 64, 64]: letters, with labels |
| minilm | 16 | `input_ids`, `attention_mask` int64 [16, 1, 24]: texts, with labels |
| lstm | 12 | `signal` float32 [12, 1, 48, 6]: movements, with labels |
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.devset.fetch import cache_folder
from tests.devset.labels import labelled
from tests.devset.models import fetch

# Raise it when the cases change, so that nobody gets old ones out of the cache.
_EDITION = 2
_SEED = 20

Cases = dict[str, NDArray[np.generic]]


def golden_for(name: str) -> Path:
    """A golden .npz file for that model, in the cache; written at the first call.

    Keys are ``inputs/NAME`` and, where the right answers are known, ``labels``; the module's table has the
    shapes.

    Raises:
        KeyError: no model of that name.
        FetchError: what it needs cannot be fetched.
    """
    make = _CASES[name]
    path = cache_folder() / "golden" / f"{name}-{_EDITION}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
            np.savez_compressed(file, allow_pickle=False, **make())
        os.replace(file.name, path)
    return path


def _chosen(task: str, rows: NDArray[np.intp]) -> Cases:
    """Some cases of a labelled task."""
    data = labelled(task)
    inputs = {f"inputs/{name}": values[rows] for name, values in data.inputs.items()}
    return {**inputs, "labels": data.labels[rows]}


def _one_of_each(task: str, count: int) -> Cases:
    """The first cases of each class, in turns, until there are enough."""
    labels = labelled(task).labels
    turn = np.array([np.count_nonzero(labels[:i] == label) for i, label in enumerate(labels)])
    return _chosen(task, np.lexsort((labels, turn))[:count])


def _voice() -> Cases:
    """Frames of half a second of noise and one second of a voice, each with the state that led to it."""
    import onnxruntime

    # 512 samples a frame at 16 kHz, led by the last 64 of the frame before.
    context, frame, rate, frames = 64, 512, 16_000, 48
    sound = _sound(rate, context + frame * frames)
    session = onnxruntime.InferenceSession(fetch("voice"), providers=["CPUExecutionProvider"])
    state = np.zeros((2, 1, 128), np.float32)
    inputs, states = [], []
    for start in range(0, frame * frames, frame):
        piece = sound[None, start : start + context + frame]
        inputs.append(piece)
        states.append(state)
        feed = {"input": piece, "state": state, "sr": np.array(rate, np.int64)}
        state = session.run(["stateN"], feed)[0]
    kept = slice(0, None, frames // 12)
    return {
        "inputs/input": np.stack(inputs)[kept],
        "inputs/state": np.stack(states)[kept],
        "inputs/sr": np.full(12, rate, np.int64),
    }


def _sound(rate: int, length: int) -> NDArray[np.float32]:
    """Faint noise, and from half a second on a gliding voice: pulses through three resonances."""
    rng = np.random.default_rng(_SEED)
    time = np.arange(length) / rate
    pitch = 120 + 25 * np.sin(2 * np.pi * 2.5 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = np.zeros(length)
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        # The formants of a vowel that moves from "a" to "i" and back.
        glide = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * time)
        formants = [(730 - 430 * glide, 90), (1090 + 1200 * glide, 110), (2440 + 560 * glide, 170)]
        gain = sum(1 / (1 + ((frequency - center) / width) ** 2) for center, width in formants)
        voice += gain * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 4 * time) + 0.6, 0, 1) * (time > 0.5)
    return (0.12 * voice * syllables + rng.normal(0, 0.002, length)).astype(np.float32)


def _embedding() -> Cases:
    """Drawn words of the BERT vocabulary between its marks for beginning and end, then padding."""
    rng = np.random.default_rng(_SEED)
    cases, length, begin, end, first_word, vocabulary = 8, 24, 101, 102, 1996, 30_522
    ids = np.zeros((cases, 1, length), np.int64)
    mask = np.zeros_like(ids)
    for case in range(cases):
        words = int(rng.integers(3, length - 2))
        ids[case, 0, : words + 2] = [begin, *rng.integers(first_word, vocabulary, words), end]
        mask[case, 0, : words + 2] = 1
    return {
        "inputs/input_ids": ids,
        "inputs/attention_mask": mask,
        "inputs/token_type_ids": np.zeros_like(ids),
    }


def _emotion() -> Cases:
    """Figures of people at rest and under stress.

    In the model's order: RMSSD, mean RR, SDNN, pNN50, HF, LF, HFnu, LFnu, LF/HF, total power, SD1/SD2, sample
    entropy, DFA alpha 1, heart rate.
    """
    rng = np.random.default_rng(_SEED)
    rows = []
    for case in range(16):
        stress = case / 15
        rate = 62 + 50 * stress + rng.normal(0, 5)
        rmssd = max(90 - 75 * stress + rng.normal(0, 8), 5)
        sdnn = rmssd * rng.uniform(1.0, 1.6)
        high, low = (rmssd / 1000) ** 2 * rng.uniform(0.3, 0.6), (sdnn / 1000) ** 2 * rng.uniform(0.3, 0.6)
        ratio = low / high
        rows.append(
            [rmssd, 60_000 / rate, sdnn, min(rmssd / 2, 60), high, low, 1 / (1 + ratio),
             ratio / (1 + ratio), ratio, 1.3 * (high + low), rng.uniform(0.2, 0.7),
             rng.uniform(0.8, 2.0), rng.uniform(0.7, 1.5), rate]
        )  # fmt: skip
    return {"inputs/float_input": np.array(rows, np.float32)[:, None]}


def _notes() -> Cases:
    """Two seconds at 22,050 Hz: one note, a chord, and a run of eight notes."""
    samples, rate = 43_844, 22_050
    time = np.arange(samples) / rate
    step = np.minimum((time * 4).astype(int), 7)
    run = np.array([60, 62, 64, 65, 67, 69, 71, 72])[step]
    sounds = [_tone(69, time), sum(_tone(key, time) for key in (48, 64, 79)), _tone(run, time)]
    return {"inputs/serving_default_input_2:0": np.stack(sounds).astype(np.float32)[:, None, :, None]}


def _tone(key: NDArray[np.int64] | int, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """A MIDI key with four harmonics, fading twice a second."""
    frequency = 440.0 * 2.0 ** ((np.asarray(key) - 69) / 12) * np.ones_like(time)
    phase = 2 * np.pi * np.cumsum(frequency) * (time[1] - time[0])
    harmonics = sum(np.sin(n * phase) / n**2 for n in range(1, 5))
    return np.asarray(0.2 * harmonics * np.exp(-2 * (time % 0.5)))


def _faces() -> Cases:
    """Crops of scikit-image's astronaut and coffee, scaled to about -1..1 as the model wants them."""
    from skimage import data

    height, width = 120, 160
    astronaut, coffee = data.astronaut(), data.coffee()  # type: ignore[no-untyped-call]
    corners = [(astronaut, 40, 140), (astronaut, 0, 300), (astronaut, 200, 60), (astronaut, 60, 180)]
    corners += [(coffee, 0, 0), (coffee, 120, 200), (coffee, 200, 300), (coffee, 40, 420)]
    crops = [image[top : top + height, left : left + width] for image, top, left in corners]
    pixels = np.stack(crops).astype(np.float32).transpose(0, 3, 1, 2)
    return {"inputs/input": np.ascontiguousarray((pixels - 127.5) / 128)[:, None]}


_CASES: dict[str, Callable[[], Cases]] = {
    "mnist": lambda: _one_of_each("mnist", 16),
    "orientation": lambda: _chosen("orientation", np.arange(8)),
    "file-type": lambda: _one_of_each("file-type", 16),
    "voice": _voice,
    "embedding": _embedding,
    "emotion": _emotion,
    "notes": _notes,
    "faces": _faces,
    "resnet": lambda: _one_of_each("resnet", 12),
    "minilm": lambda: _one_of_each("minilm", 16),
    "lstm": lambda: _one_of_each("lstm", 12),
}
