"""What the command line costs, against a bare interpreter, measured in turn in one run."""

import statistics
import subprocess
import sys
import time

ROUNDS = 15


def seconds(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def test_help(benchmark) -> None:  # type: ignore[no-untyped-def]
    pairs = [(seconds("-m", "bundle", "--help"), seconds("-c", "pass")) for _ in range(ROUNDS)]
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    ours = statistics.median(ours for ours, _ in pairs)
    benchmark.extra_info.update(ratio=round(ratio, 2), ours_ms=round(ours * 1e3, 1))
    print(f"\npython -m bundle --help: {ours * 1e3:.0f} ms, {ratio:.2f} of a bare interpreter")
    benchmark.pedantic(lambda: seconds("-m", "bundle", "--help"), rounds=3)
