"""Peak memory of one way of calling a model, in a process of its own."""

from __future__ import annotations

import pickle
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

from bundle.bench.plan import Job
from bundle.error import BundleError

_STATUS = Path("/proc/self/status")
_CALLS = 3


def peak_memory(job: Job) -> int | None:
    """Return the bytes by which opening and calling raise a process's resident memory at its peak.

    The runtime's library counts, Python and numpy do not. None where the system does not tell.

    Raises:
        BundleError: ``runtime_crashed``.
    """
    # `-P`: a file in the current directory must not stand in for a module of this program.
    command = [sys.executable, "-P", "-m", "bundle.bench.memory"]
    done = subprocess.run(command, input=pickle.dumps(job), capture_output=True, check=False)
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no word"]
        found = f"exit status {done.returncode}: {last[0]}"
        raise BundleError("runtime_crashed", job.who, "a process that opens and calls the model", found)
    return int(done.stdout) if done.stdout.strip() else None


def _grown(job: Job) -> int | None:
    import bundle
    from bundle.bench.subjects import predictor_calls, rival_calls
    from bundle.parity import LANGUAGES

    before = _kilobytes("VmRSS")
    if job.who in LANGUAGES:
        calls = predictor_calls(bundle.open(job.path, runtime=job.who, **job.options), job.inputs)
    else:
        calls = rival_calls(job.who, job.session, job.inputs)
    for call in calls.values():
        for _ in range(_CALLS):
            call()
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    after = _kilobytes("VmHWM")
    return None if before is None or after is None else max(after - before, 0) * 1024


def _kilobytes(field: str) -> int | None:
    try:
        lines = _STATUS.read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), None)


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        grown = _grown(pickle.load(sys.stdin.buffer))
    print("" if grown is None else grown)
