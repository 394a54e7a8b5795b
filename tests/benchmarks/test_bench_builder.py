"""What a build costs beside the same steps by hand and with Olive, each in a process of its own, in turn."""

import statistics
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.watched import Cost, watch
from tests.devset.networks import minilm, tensor

HERE = Path(__file__).parent
OLIVE = Path(__file__).parents[2] / "build" / "olive" / "bin" / "python"
ROUNDS = 5
Ways = dict[str, Callable[[Path, Path], list[str]]]
PRECISION = "int8-dynamic"
# Nothing may phone home. Olive sends one message in spite of its own switch, unless it believes itself in CI.
QUIET = {"ORT_DISABLE_TELEMETRY": "1", "OLIVE_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1", "CI": "1"}

pytestmark = pytest.mark.slow


def encoder(folder: Path, layers: int, width: int, vocabulary: int) -> Path:
    """Write an encoder without a last layer, and eight texts for it as golden.npz beside it."""
    net, _ = minilm(layers, width, vocabulary)
    net.nodes[-1].output[0] = "embedding"
    path = folder / "encoder.onnx"
    path.write_bytes(net.model(tensor("embedding", ["batch", width])).SerializeToString())
    ids = np.random.default_rng(1).integers(0, vocabulary, (8, 1, 24))
    inputs = {"inputs/input_ids": ids, "inputs/attention_mask": np.ones_like(ids)}
    np.savez(folder / "golden.npz", allow_pickle=False, **inputs)
    return path


def ours(model: Path, folder: Path) -> list[str]:
    """A build as a user starts it, with every gate and the proof of the finished bundle."""
    command = [sys.executable, "-m", "bundle", "build", str(model), "--target", "x86_64"]
    command += ["--golden", str(model.parent / "golden.npz"), "--decision", "embedding=none"]
    return [*command, "--output", str(folder), "--precision", PRECISION]


def by_hand(model: Path, folder: Path) -> list[str]:
    return [sys.executable, str(HERE / "by_hand.py"), str(model), str(folder)]


def with_olive(model: Path, folder: Path) -> list[str]:
    return [str(OLIVE), str(HERE / "with_olive.py"), str(model), str(folder)]


def in_turn(ways: Ways, rounds: int, model: Path, folder: Path) -> dict[str, list[Cost]]:
    """Run each way once to warm the disk's cache, then all of them in turn; folders are called NAME-ROUND."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            place = folder / f"{name}-{number}"
            place.mkdir()
            cost = watch(way(model, place), QUIET, place / "log.txt")
            if number:
                costs[name].append(cost)
    return costs


def middle(costs: list[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(*(statistics.median(getattr(cost, part.name) for cost in costs) for part in fields(Cost)))


def ratios(mine: list[Cost], theirs: list[Cost]) -> tuple[float, float]:
    """The medians over neighbours of the ratio of time and of CPU time."""
    pairs = list(zip(mine, theirs, strict=True))
    return (
        statistics.median(one.seconds / other.seconds for one, other in pairs),
        statistics.median(one.cpu_seconds / other.cpu_seconds for one, other in pairs),
    )


def test_build(benchmark, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ways: Ways = {"ours": ours, "hand": by_hand}
    rounds = 1
    if benchmark.enabled:
        ways, rounds = {**ways, "olive": with_olive}, ROUNDS
        model = encoder(tmp_path, layers=6, width=384, vocabulary=30_522)  # MiniLM-L6 has these sizes: 90 MB
    else:
        # The environment of Olive is there for `make bench` only; that the rest works is seen without it.
        model = encoder(tmp_path, layers=1, width=64, vocabulary=1000)
    costs = in_turn(ways, rounds, model, tmp_path)
    for suffix in ("onnx", "ort"):
        sizes = [size_of(tmp_path / f"{name}-0", suffix) for name in ways]
        # The steps are the same if the results are: a step left out would give a file of another size.
        assert max(sizes) < 1.1 * min(sizes), sizes
    for name, each in costs.items():
        note(benchmark, name, middle(each))
    for name in list(ways)[1:]:
        time, cpu = ratios(costs["ours"], costs[name])
        benchmark.extra_info[f"ours / {name}"] = {"time": round(time, 3), "cpu": round(cpu, 3)}
        print(f"\nbuild / {name}: time {time:.2f}, CPU time {cpu:.2f}", end="")
        print(
            f"; its steps alone: {(tmp_path / f'{name}-1' / 'log.txt').read_text().splitlines()[-1]}", end=""
        )
    print()
    benchmark.pedantic(lambda: middle(costs["ours"]), rounds=1)


def note(benchmark: object, name: str, cost: Cost) -> None:
    row = {
        "seconds": round(cost.seconds, 2),
        "cpu_seconds": round(cost.cpu_seconds, 2),
        "largest_mb": round(cost.largest / 1e6),
        "together_mb": round(cost.together / 1e6),
    }
    benchmark.extra_info[name] = row  # type: ignore[attr-defined]
    print(
        f"\n{name:6}{row['seconds']:7.2f} s, CPU {row['cpu_seconds']:6.2f} s, largest process"
        f" {row['largest_mb']:5} MB, all together {row['together_mb']:5} MB",
        end="",
    )


def size_of(folder: Path, suffix: str) -> int:
    """Bytes of the int8 model of that format below a folder."""
    (path,) = (path for path in folder.rglob(f"*int8*.{suffix}") if "cache" not in path.parts)
    return path.stat().st_size
