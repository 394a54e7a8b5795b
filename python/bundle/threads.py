"""How many threads this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def effective_threads(wanted: int, root: Path = Path("/")) -> int:
    """Return `wanted`, lowered to what the process may use and never below 1.

    ONNX Runtime does not look at the CPU quota of a control group: more threads than the quota only
    make each other wait.

    Args:
        wanted: the number of threads asked for.
        root: the folder that holds ``proc`` and ``sys``.
    """
    if wanted <= 1:
        return 1  # the default, which no quota lowers: no need to read what the control groups say
    return max(1, min([wanted, len(os.sched_getaffinity(0)), *_quotas(root)]))


def _quotas(root: Path) -> Iterator[int]:
    """Yield the whole CPUs that each control group on the way to this process grants."""
    groups = _read(root / "proc/self/cgroup")
    for line in groups.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            folders, read = _folders(root, ["", "unified"], path), _quota_v2
        elif "cpu" in controllers.split(","):
            folders, read = _folders(root, ["cpu", controllers, "cpu,cpuacct"], path), _quota_v1
        else:
            continue
        for folder in folders:
            quota, period = read(folder)
            if quota > 0 and period > 0:
                # Rounded down: the second thread of a quota of 1.5 would exceed it.
                yield quota // period


def _folders(root: Path, mounts: list[str], path: str) -> Iterator[Path]:
    """Yield the folders of a group and of all groups above it, under each place it may be mounted at.

    A container may see its own group as the root of the mount while `path` names it from outside.
    """
    group = PurePosixPath(path.lstrip("/"))
    for mount in mounts:
        for part in (group, *group.parents):
            yield root / "sys/fs/cgroup" / mount / part


def _quota_v2(folder: Path) -> tuple[int, int]:
    return _number(_read(folder / "cpu.max"), 0), _number(_read(folder / "cpu.max"), 1)


def _quota_v1(folder: Path) -> tuple[int, int]:
    return _number(_read(folder / "cpu.cfs_quota_us"), 0), _number(_read(folder / "cpu.cfs_period_us"), 0)


def _number(text: str, index: int) -> int:
    """Return a number of a line; 0 where there is none (``max`` and -1 mean no quota)."""
    words = text.split()
    return int(words[index]) if len(words) > index and words[index].isdigit() else 0


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return ""
