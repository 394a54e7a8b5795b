"""Installs in a process of its own: archives, `--limited` to small files, or `--read-only` as nobody."""

import json
import os
import resource
import sys
from collections.abc import Callable

from bundle.error import BundleError
from bundle.store import change, reference, registry
from bundle.store.install import install

NOBODY = 65534


def code(call: Callable[[], object]) -> str:
    try:
        call()
    except BundleError as error:
        return error.code
    return "done"


def read_only(archive: str) -> dict[str, object]:
    """What a user finds who may not write to the store."""
    # Everything is imported: the folders of the environment may not be open to nobody.
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    else:
        for path, _, _ in os.walk(os.environ["EDGEBUNDLE_STORE"]):
            os.chmod(path, 0o555)
    return {
        "listed": [str(entry.release) for entry in registry.entries()],
        "located": reference.locate("net@latest").path,
        "refused": {
            "install": code(lambda: install(archive)),
            "remove": code(lambda: change.remove("net@1.0.0")),
            "tag": code(lambda: change.tag("net@1.0.0", "x")),
        },
    }


if __name__ == "__main__":
    if sys.argv[1] == "--read-only":
        print(json.dumps(read_only(sys.argv[2])))
    elif sys.argv[1] == "--limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        print(code(lambda: install(sys.argv[2])))
    else:
        for path in sys.argv[1:]:
            install(path)
