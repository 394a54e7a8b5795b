"""The service of examples/go-service: how a test builds, starts, asks and ends it."""

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http as triton

from bundle.bundle import MANIFEST_NAME
from bundle.manifest import Manifest
from tests.native.programs import ROOT, environment, passed

SOURCES = ROOT / "examples" / "go-service"
PROGRAM = ROOT / "build" / "go" / "go-service"
#: For whatever happens at once on a machine that is not busy.
PATIENCE = 60.0


def build() -> Path:
    """Compile the service; return the program."""
    passed(["go", "-C", SOURCES, "build", "-o", PROGRAM, "."])
    return PROGRAM


def with_version(bundle: Path, folder: Path, version: str, **fields: str) -> Path:
    """Copy a bundle under another version, and with other fields of the manifest's `model`."""
    shutil.copytree(bundle, folder)
    tree = json.loads((bundle / MANIFEST_NAME).read_bytes())
    tree["model"] |= {"version": version, **fields}
    (folder / MANIFEST_NAME).write_bytes(Manifest.encode(tree))
    return folder


def point(link: Path, folder: Path) -> None:
    """Let a link lead elsewhere, in one step."""
    new = link.with_name(link.name + ".new")
    new.symlink_to(folder)
    new.rename(link)


class Service:
    """A running service; leaving the block ends it."""

    def __init__(self, bundle: Path, log: Path, *flags: str) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [PROGRAM, "--listen", "127.0.0.1:0", *flags, bundle], env=environment(), stderr=stderr
            )
        self.address = self.wait_for("listening")["address"]

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line of the log so far."""
        return [
            json.loads(line)
            for line in self.log.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        ]

    def wait_for(self, message: str, count: int = 1) -> dict[str, Any]:
        """Wait for the line of the log that says this for that many times."""
        found: list[dict[str, Any]] = []
        for _ in polls():
            found = [line for line in self.lines() if line["msg"] == message]
            if len(found) >= count:
                return found[count - 1]
            assert self.process.poll() is None, self.log.read_text("utf-8")
        raise AssertionError(f"{message} is not said:\n{self.log.read_text('utf-8')}")

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def client(self) -> triton.InferenceServerClient:
        return triton.InferenceServerClient(self.address)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=PATIENCE) as answer:
            return answer.read()

    def metric(self, name: str) -> float:
        """The value of a metric, 0 where it is not there yet; labels belong to the name."""
        found = re.search(
            rf"^edgebundle_{re.escape(name)} (\S+)$", self.get("/metrics").decode(), re.MULTILINE
        )
        return float(found[1]) if found else 0.0

    def wait_for_metric(self, name: str, value: float) -> None:
        for _ in polls():
            if self.metric(name) >= value:
                return
        raise AssertionError(f"{name} is {self.metric(name)}")

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Ask over a connection of its own; return the status, the headers and the JSON."""
        host, port = self.address.split(":")
        with closing(HTTPConnection(host, int(port), timeout=PATIENCE)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            content = answer.read()
            # What follows the JSON are tensors.
            length = int(answer.headers.get("Inference-Header-Content-Length", len(content)))
            return answer.status, dict(answer.headers), json.loads(content[:length])

    def send(self, text: bytes) -> socket.socket:
        """Send bytes over a connection of its own."""
        host, port = self.address.split(":")
        connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
        connection.sendall(text)
        return connection


def polls() -> Iterator[None]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        yield
        time.sleep(0.01)


def received(connection: socket.socket) -> bytes:
    """Everything until the other end closes the connection."""
    with connection:
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def infer(
    client: triton.InferenceServerClient, rows: np.ndarray, *, binary: bool = True, timeout: int | None = None
) -> triton.InferResult:
    """Ask for what the digits' model makes of rows; the time-out is in microseconds."""
    image = triton.InferInput("image", list(rows.shape), "FP32")
    image.set_data_from_numpy(rows, binary_data=binary)
    output = triton.InferRequestedOutput("probabilities", binary_data=binary)
    return client.infer("digits", [image], outputs=[output], timeout=timeout)
