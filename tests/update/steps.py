"""One change of a device folder, done again and again: each time killed or refused at another system call."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bundle.parity.client import Client
from tests.native.programs import environment

#: Every call that changes a file system, as far as any of the languages makes it.
CALLS = (
    "open,openat,creat,mkdir,mkdirat,write,pwrite64,writev,pwritev,copy_file_range,sendfile,fallocate,"
    "ftruncate,truncate,fsync,fdatasync,sync_file_range,chmod,fchmod,fchmodat,rename,renameat,renameat2,"
    "symlink,symlinkat,link,linkat,unlink,unlinkat,rmdir"
)
# strace names the thread, the call, and with -y the path behind each file descriptor.
_LINE = re.compile(r"\d+ +(\w+)\((.*)")
_PATH = re.compile('[<"](/[^">]*)[">]')


@dataclass(frozen=True)
class Step:
    """The n-th call of a name that touches a path, which is inside the folder that the change is made in."""

    call: str
    path: str
    nth: int


@dataclass(frozen=True)
class Change:
    """What is done to copies of a folder: the program, its flag, and what stands behind the folder."""

    program: Client
    template: Path
    words: tuple[str, ...]

    def steps(self, out: Path) -> list[Step]:
        """Do it once; return its steps in their order. `out` is an empty folder, as the others below."""
        log = out / "log"
        done = self._run(out, log, "-e", f"trace={CALLS}")
        assert done.returncode == 0, done.stdout
        counts: dict[tuple[str, str], int] = {}
        found = []
        for line in log.read_text("utf-8", "replace").splitlines():
            match = _LINE.match(line)
            paths = [path for path in _PATH.findall(match[2]) if path.startswith(str(out))] if match else []
            if match is None or not paths:
                continue
            call, path = match[1], paths[0]
            counts[call, path] = counts.get((call, path), 0) + 1
            if call not in ("open", "openat") or "O_CREAT" in line:
                found.append(Step(call, path.removeprefix(f"{out}/"), counts[call, path]))
        return found

    def broken(
        self, steps: list[Step], fault: str, out: Path
    ) -> Iterator[tuple[Step, Path, subprocess.CompletedProcess[str]]]:
        """Do it once for each step, where the fault happens; yield the folder, and how the program ended."""

        def one(number: int) -> tuple[Step, Path, subprocess.CompletedProcess[str]]:
            step, place = steps[number], out / str(number)
            place.mkdir()
            inject = f"inject={step.call}:{fault}:when={step.nth}"
            flags = ("-P", f"{place}/{step.path}", "-e", f"trace={step.call}", "-e", inject)
            return step, place / "device", self._run(place, place / "log", *flags)

        # Two at once: each waits for its disk and its emulated debugger most of the time.
        with ThreadPoolExecutor(2) as pool:
            yield from pool.map(one, range(len(steps)))

    def _run(self, place: Path, log: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        device = place / "device"
        shutil.copytree(self.template, device, symlinks=True)
        watched = ["strace", "-f", "-qq", "-y", "-e", "signal=none", "-o", str(log), *flags]
        words = [self.words[0], str(device), *self.words[1:]]
        command = [*watched, *self.program.command, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment())
