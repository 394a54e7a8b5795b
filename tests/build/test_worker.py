"""The worker outlives what its jobs do, and no job outlives the worker."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bundle.builder.model import StageSkipped
from bundle.builder.worker import Worker, WorkerError, explaining
from bundle.error import BundleError
from tests.build import jobs

#: A build in small: a worker in a process of its own, busy with a job that never ends.
OWNER = """
import sys
import pathlib
from bundle.builder.worker import Worker
from tests.build import jobs
Worker().call(jobs.hang, pathlib.Path(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def importable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root))


def gone(process: int) -> bool:
    """Whether a process ends within seconds; one that nobody has waited for yet counts as ended."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def failure(worker: Worker, job: Callable[..., Any], *arguments: Any) -> WorkerError:
    with pytest.raises(WorkerError) as caught:
        worker.call(job, *arguments)
    return caught.value


def test_a_job_may_print(worker: Worker) -> None:
    assert worker.call(jobs.noisy) == "quiet"


@pytest.mark.parametrize(
    ("job", "reason", "detail"),
    [
        (jobs.crash, "crashed", "killed by SIGSEGV"),
        (jobs.leave, "crashed", "the process ended without an answer"),
        (sys.exit, "raised", "SystemExit: no message"),
        (jobs.raise_stubborn, "raised", "Stubborn: cannot be pickled"),
        (jobs.kill_itself, "no_memory", "killed by SIGKILL, most likely because memory ran out"),
        (jobs.abort_for_memory, "no_memory", "memory ran out: killed by SIGABRT"),
    ],
)
def test_a_job_that_fails_is_told_and_the_next_one_runs(
    worker: Worker, job: Callable[..., Any], reason: str, detail: str
) -> None:
    error = failure(worker, job)
    assert (error.reason, error.detail) == (reason, detail)
    assert worker.call(abs, -1) == 1


def test_an_answer_that_cannot_be_sent_is_told(worker: Worker) -> None:
    error = failure(worker, jobs.unpicklable)
    assert error.reason == "raised" and "pickle" in error.detail
    process = worker.call(os.getpid)
    with pytest.raises(Exception, match="pickle"):
        worker.call(bool, jobs.unpicklable())
    assert worker.call(os.getpid) == process


def test_a_large_answer_arrives_whole(worker: Worker) -> None:
    assert len(worker.call(jobs.huge, 1 << 28)) == 1 << 28


def test_memory_that_runs_out_is_named() -> None:
    with Worker(timeout=60) as worker:
        error = failure(worker, jobs.take_memory, 1 << 32)
        assert (error.reason, error.detail) == ("no_memory", "memory ran out: MemoryError: no message")
    with pytest.raises(BundleError) as caught, explaining("model.onnx"):
        raise error
    assert (caught.value.code, caught.value.subject) == ("memory_exhausted", "model.onnx")
    with pytest.raises(BundleError, match="memory_exhausted"), explaining("model.onnx"):
        raise MemoryError
    with pytest.raises(BundleError, match="source_failed"), explaining("model.onnx"):
        raise WorkerError("crashed", "killed by SIGSEGV")


def test_a_refusal_of_a_job_is_the_callers(worker: Worker) -> None:
    with pytest.raises(BundleError) as refused:
        worker.call(jobs.refuse)
    assert refused.value.hint == "look at it"
    with pytest.raises(StageSkipped) as skipped:
        worker.call(jobs.skip)
    assert (skipped.value.reason, skipped.value.detail) == ("unchanged", "nothing to do")
    with pytest.raises(BundleError, match="write_failed"):
        worker.call(jobs.fill_disk, errno.ENOSPC)
    assert failure(worker, jobs.fill_disk, errno.ENOENT).reason == "raised"


def test_what_jobs_leave_lies_where_it_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("file").write_text("read")
    with Worker(temporary=tmp_path) as worker:
        assert worker.call(jobs.places, Path("file")) == (str(tmp_path), str(tmp_path), "read")


def test_a_job_that_hangs_ends_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with Worker(timeout=3) as worker:
        assert failure(worker, jobs.hang, pids).reason == "timed_out"
        assert [gone(int(pid)) for pid in pids.read_text().split()] == [True, True]
        assert worker.call(abs, -1) == 1


def test_a_copy_of_the_process_does_not_hide_its_crash(tmp_path: Path) -> None:
    # The copy holds the pipe open, as if the job were still at work.
    pid = tmp_path / "pid"
    with Worker(timeout=60) as worker:
        started = time.monotonic()
        assert failure(worker, jobs.fork_and_crash, pid).detail == "killed by SIGABRT"
        assert time.monotonic() - started < 10
        assert gone(int(pid.read_text()))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_worker_ends_with_its_owner(number: signal.Signals, root: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(pids)],
        cwd=root,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            if pids.exists():
                break
            time.sleep(0.05)
        child, _ = pids.read_text().split()
        # As the terminal does it: to the whole group.
        os.killpg(owner.pid, number)
        assert owner.wait(timeout=5) != 0
        assert gone(int(child))
    finally:
        owner.kill()
        for pid in pids.read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
