"""Does one change of a store again and again, each time killed, or refused, at a later call.

``fault_child.py KIND ACTION TEMPLATE OUT ARCHIVE``: for n = 1, 2, … TEMPLATE is copied to OUT/n, and ACTION
is done there by a process whose n-th call that changes the file system is the last thing that it does (KIND
``kill``), or fails as on a full disk (``full``). One line per n: the call and how the process ended.
"""

import builtins
import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bundle import durable
from bundle.error import BundleError
from bundle.store import change, install, registry

CALLS = ["mkdir", "rename", "replace", "fsync", "unlink", "rmdir", "chmod", "fchmod"]
ACTIONS: dict[str, Callable[[Path, str], object]] = {
    "install": lambda store, archive: install.install(archive, store),
    "replace": lambda store, archive: install.install(archive, store, replace=True),
    "repair": lambda store, archive: install.install(archive, store),
    "remove": lambda store, _: change.remove("net@1.0.0", store),
    "tag": lambda store, _: change.tag("net@1.0.0", "new", store),
    "untag": lambda store, _: change.untag("net@old", store),
    "index": lambda store, _: registry.entries(store, rebuild=True),
}
DONE, REFUSED, NOT_REACHED = 10, 11, 12
LIMIT = 500


class Fault:
    """Counts calls, and lets one of them be the last."""

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.left, self.name = kind, at, ""

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            reading = name == "open" and "x" not in str([*args[1:2], kwargs.get("mode", "")])
            self.left -= not reading
            if self.left == 0 and not reading:
                self.left, self.name = -1, name
                if self.kind == "kill":
                    os.write(1, f"{name} ".encode())
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        return call

    def plant(self) -> None:
        os.fsync = lambda _: None  # no power is cut here, so nothing waits for the disk
        for name in CALLS:
            setattr(os, name, self.wrap(name, getattr(os, name)))
        builtins.open = self.wrap("open", builtins.open)  # type: ignore[assignment]
        durable.swap = self.wrap("exchange", durable.swap)


def act(kind: str, at: int, action: str, store: Path, archive: str) -> int:
    fault = Fault(kind, at)
    fault.plant()
    try:
        ACTIONS[action](store, archive)
    except BundleError as error:
        os.write(1, f"{fault.name} {error.code} ".encode())
        return REFUSED
    os.write(1, f"{fault.name or '-'} ".encode())
    return DONE if fault.name else NOT_REACHED


def main(kind: str, action: str, template: Path, out: Path, archive: str) -> None:
    for at in range(1, LIMIT):
        store = out / str(at)
        shutil.copytree(template, store, symlinks=True)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = act(kind, at, action, store, archive)
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        if os.waitstatus_to_exitcode(status) == NOT_REACHED:
            return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5])
