"""A made model whose static int8 variant shows how CPUs round a sum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, helper

from bundle.builder import BuildResult, build
from tests.build import make_models as make
from tests.build.projects import project

CHANNELS, SIDE, CASES, LARGEST = 32, 8, 8, 3.0


def residual() -> ModelProto:
    """x [batch, 32, 8, 8] -> y alike: each channel and another one, and their sum.

    Convolutions that only choose channels keep every value as it is, so that each int8 sum is half a step
    away from an int8 value or on it: where CPUs round halves to another side many answers show it.
    """
    chosen = np.zeros((CHANNELS, CHANNELS, 3, 3), np.float32)
    chosen[:, :, 1, 1] = np.eye(CHANNELS)
    nodes = [
        helper.make_node("Conv", ["x", "each"], ["around"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["around", "other"], ["inner"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["around", "inner"], ["sum"]),
        helper.make_node("Conv", ["sum", "each"], ["y"], pads=[1, 1, 1, 1]),
    ]
    shape = ["batch", CHANNELS, SIDE, SIDE]
    stored = {"each": chosen, "other": np.roll(chosen, 1, axis=0)}
    return make.model_of(nodes, [make.value("x", shape)], [make.value("y", shape)], stored)


def cases(seed: int) -> np.ndarray:
    """Drawn values float32 [8, 1, 32, 8, 8]; two cases hold the ends of the range, which the sum doubles."""
    drawn = make.weights(CASES, 1, CHANNELS, SIDE, SIDE, seed=seed).clip(-LARGEST, LARGEST)
    drawn[0], drawn[1] = -LARGEST, LARGEST
    return drawn


def build_residual(folder: Path) -> BuildResult:
    """Build it in static int8 for arm64."""
    for seed, name in enumerate(("golden", "calibration"), 10):
        np.savez(folder / f"{name}.npz", allow_pickle=False, **{"inputs/x": cases(seed)})
    source = make.save(residual(), folder, "residual.onnx")
    given = {name: str(folder / f"{name}.npz") for name in ("golden", "calibration")}
    [result] = build(project(source, folder, "arm64", build={**given, "precisions": ["int8-static"]}))
    return result
