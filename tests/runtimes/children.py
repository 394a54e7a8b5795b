"""Python processes that tests start, because what they look at belongs to a whole process."""

import os
import subprocess
import sys

# What hangs is found soon; nothing here takes longer on a loaded machine.
_SECONDS = 120


#: What is started in the background ignores Ctrl-C, and so would these programs; each has to say otherwise.
HEARS_CONTROL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def started(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    program = HEARS_CONTROL_C + program
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=_SECONDS
    )


def python(program: str) -> str:
    """Run a program that ends well and complains of nothing; return what it printed."""
    done = started(program)
    assert (done.returncode, done.stderr) == (0, ""), f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
