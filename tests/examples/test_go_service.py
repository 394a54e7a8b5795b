"""The service in Go, asked by a client of its protocol and by callers who break it."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

import bundle
from bundle.predictor import Predictor
from bundle.tolerance import Tolerance, compare
from tests.examples.go_service import Service, build, infer, point, received, with_version
from tests.native.programs import ROOT, passed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

INFER = "/v2/models/digits/infer"
MOST_BODY = 1 << 20
CHUNKED = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
#: Rows that take the model much longer than a thread needs to ask, in a body that is not refused.
MANY = 3000
#: Limits that a machine with much else to do keeps, too.
FLAGS = ("--max-body", str(MOST_BODY), "--read-timeout", "60s", "--timeout", "60s", "--queue", "100")
ALONE = ("--batch-rows", "1")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example bundle for any target, of version 1.0.0."""
    folder = tmp_path_factory.mktemp("bundles")
    passed([sys.executable, "-m", "bundle", "build", "--target", "any", "--output", folder])
    build()
    [made] = (path for path in folder.iterdir() if path.is_dir())
    return made


@pytest.fixture(scope="module")
def service(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that joins no rows, so that its answers are the predictor's bytes."""
    with Service(digits, tmp_path_factory.mktemp("service") / "log", *FLAGS, *ALONE) as running:
        yield running


@pytest.fixture(scope="module")
def predictor(digits: Path) -> Iterator[Predictor]:
    with bundle.open(digits) as opened:
        yield opened


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.load(ROOT / "examples" / "digits" / "golden.npz")["inputs/image"].reshape(-1, 1, 8, 8)


def assert_right(service: Service, predictor: Predictor, images: np.ndarray) -> None:
    """The service answers as if nothing had been."""
    with service.client() as client:
        answer = infer(client, images[:3]).as_numpy("probabilities")
    assert answer.tobytes() == predictor.predict(images[:3])["probabilities"].tobytes()


@pytest.fixture
def right(service: Service, predictor: Predictor, images: np.ndarray) -> Iterator[None]:
    """After the test the service still answers as it should."""
    yield
    assert_right(service, predictor, images)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_a_client_of_the_protocol_gets_the_predictors_bytes(
    service: Service, predictor: Predictor, images: np.ndarray, binary: bool
) -> None:
    with service.client() as client:
        assert (
            client.is_server_live() and client.is_server_ready() and client.is_model_ready("digits", "1.0.0")
        )
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        described = client.get_model_metadata("digits")
        assert described["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]
        assert described["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]
        for rows in (images[:1], images[:7]):
            answer = infer(client, rows, binary=binary)
            expected = predictor.predict(rows)["probabilities"]
            assert answer.as_numpy("probabilities").tobytes() == expected.tobytes()
            assert answer.get_response()["model_version"] == "1.0.0"


@pytest.mark.usefixtures("digits")
def test_every_datatype_comes_back_in_binary_and_in_json(tmp_path: Path) -> None:
    folder = ROOT / "spec" / "cases" / "valid" / "every_dtype" / "bundle"
    with (
        bundle.open(folder) as opened,
        Service(folder, tmp_path / "log") as running,
        running.client() as client,
    ):
        given = {
            port.name: np.array(["größe", ""], object)
            if port.dtype == "string"
            else np.array([0, 1], port.dtype)
            for port in opened.inputs
        }
        expected = opened.predict(given)
        for one_by_one in range(3):
            # Each alone, and in turn; JSON has no float16.
            told = {name: index % 2 < one_by_one for index, name in enumerate(given)} | {"half": True}
            inputs = [
                triton.InferInput(name, [2], np_to_triton_dtype(array.dtype)) for name, array in given.items()
            ]
            for tensor, (name, array) in zip(inputs, given.items(), strict=True):
                tensor.set_data_from_numpy(array, binary_data=told[name])
            outputs = [
                triton.InferRequestedOutput(out.name, binary_data=told[port.name])
                for port, out in zip(opened.inputs, opened.outputs, strict=True)
            ]
            answer = client.infer("vector", inputs, outputs=outputs)
            for name, array in expected.items():
                assert text(answer.as_numpy(name)).tolist() == array.tolist(), name


def text(array: np.ndarray) -> np.ndarray:
    """The client gives strings of the binary form as bytes."""
    return np.array([one.decode() for one in array]) if isinstance(array[0], bytes) else array


def one_input(**changes: Any) -> bytes:
    """A request of one row, with some fields of its input changed."""
    row = {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": [0.5] * 64, **changes}
    return json.dumps({"inputs": [{key: value for key, value in row.items() if value is not None}]}).encode()


def binary(content: bytes, size: int, length: int = 0) -> tuple[bytes, dict[str, str]]:
    """A request whose tensor is said to have so many bytes, and its JSON ``length`` more than it has."""
    head = one_input(data=None, parameters={"binary_data_size": size})
    return head + content, {"Inference-Header-Content-Length": str(len(head) + length)}


ROW = np.full(64, 0.5, "<f4").tobytes()
NAN = np.full(64, np.nan, "<f4").tobytes()
# What is wrong, the body and the headers, the status, the predictor's code.
BAD = [
    ("a wrong shape", one_input(shape=[1, 64]), {}, 400, "input_rank_mismatch"),
    ("a wrong axis", one_input(shape=[1, 1, 4, 16]), {}, 400, "input_shape_mismatch"),
    ("no row", one_input(shape=[0, 1, 8, 8], data=[]), {}, 400, "input_empty"),
    ("a wrong datatype", one_input(datatype="FP64"), {}, 400, "input_dtype_mismatch"),
    ("an unknown datatype", one_input(datatype="BF16"), {}, 400, None),
    ("another name", one_input(name="picture"), {}, 400, "input_unknown"),
    ("no input", b'{"inputs": []}', {}, 400, "input_missing"),
    ("an unknown output", one_input()[:-1] + b', "outputs": [{"name": "y"}]}', {}, 400, "output_unknown"),
    ("too few elements", one_input(data=[0.5] * 63), {}, 400, None),
    ("a negative size", one_input(shape=[-1, 1, 8, 8]), {}, 400, None),
    ("a size beyond all memory", one_input(shape=[1 << 40, 1, 1 << 40, 8]), {}, 400, None),
    ("broken JSON", one_input()[:-2], {}, 400, None),
    ("NaN in JSON", one_input(data=[float("nan")] * 64), {}, 400, None),
    ("deep JSON", b"[" * 100_000, {}, 400, None),
    ("no body", b"", {}, 400, None),
    ("NaN", *binary(NAN, 256), 400, "input_not_finite"),
    ("a tensor that is too short", *binary(ROW[:-4], 252), 400, None),
    ("bytes that are not there", *binary(ROW, 1 << 50), 400, None),
    ("a negative length", *binary(ROW, -256), 400, None),
    ("bytes that nobody wants", *binary(ROW + b"more", 256), 400, None),
    ("JSON beyond the body", *binary(ROW, 256, 1 << 20), 400, None),
    ("JSON into the tensor", *binary(ROW, 256, 8), 400, None),
    ("a header that is no number", one_input(), {"Inference-Header-Content-Length": "-1"}, 400, None),
    ("a compressed body", one_input(), {"Content-Encoding": "gzip"}, 415, None),
]


@pytest.mark.usefixtures("right")
@pytest.mark.parametrize(
    ("body", "headers", "status", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_a_bad_request_is_refused_and_harms_none(
    service: Service, body: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    found, _, answer = service.ask("POST", INFER, body, headers)
    assert (found, answer.get("code")) == (status, code), answer
    assert answer["error"]


@pytest.mark.usefixtures("right")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/other/infer", 404),
        ("POST", "/v2/models/digits/versions/9.9.9/infer", 404),
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/digits%2f..%2f..", 404),
        ("GET", "/v2/none", 404),
        ("GET", INFER, 405),
        ("DELETE", "/v2/models/digits", 405),
    ],
)
def test_wrong_paths_and_methods_are_told_so(service: Service, method: str, path: str, status: int) -> None:
    found, headers, answer = service.ask(method, path, one_input() if method == "POST" else None)
    assert found == status and answer["error"]
    assert ("Allow" in headers) == (status == 405)


@pytest.fixture(scope="module")
def hurried(
    digits: Path, predictor: Predictor, images: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One that waits for a body no longer than a second."""
    flags = (*FLAGS, *ALONE, "--read-timeout", "1s")
    with Service(digits, tmp_path_factory.mktemp("hurried") / "log", *flags) as running:
        yield running
        assert_right(running, predictor, images)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{", b"408"),
        (f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 50}\r\n\r\n{{", b"413"),
        (f"{CHUNKED}zz\r\n", b"400"),
        (
            f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n"
            + " " * (MOST_BODY + 1),
            b"413",
        ),
        ("POST /v2/none HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"404"),
        ("GET /v2/health/live HTTP/1.1\r\nHost:", b""),
        ("GET /v2/health/live HTTP/1.1\r\nHost: x\r\nX: " + "x" * (1 << 16), b"431"),
    ],
    ids=["slow", "huge", "malformed", "endless", "slow and lost", "slow header", "huge header"],
)
def test_a_slow_or_endless_client_is_let_go(hurried: Service, head: str, status: bytes) -> None:
    line, _, _ = received(hurried.send(head.encode())).partition(b"\r\n")
    assert line.split(b" ")[1:2] == ([status] if status else [])


@pytest.mark.usefixtures("right")
def test_a_client_that_leaves_is_forgotten(service: Service) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(one_input())}\r\n\r\n".encode()
    service.send(head + one_input()[:10]).close()
    service.send(head + one_input()).close()
    for connection in [service.send(head) for _ in range(20)]:
        connection.close()


@pytest.mark.usefixtures("right")
def test_a_request_may_ask_for_less_time(service: Service, images: np.ndarray) -> None:
    with service.client() as client, pytest.raises(InferenceServerException) as caught:
        infer(client, np.resize(images, (MANY, 1, 8, 8)), timeout=1)
    assert caught.value.status() == "504"


def under_load(service: Service, images: np.ndarray) -> list[np.ndarray]:
    """Ask for every image in turn from 16 threads, 50 times each; return the answers in order."""

    def many(thread: int) -> list[np.ndarray]:
        with service.client() as client:
            rows = [images[[(50 * thread + call) % len(images)]] for call in range(50)]
            return [infer(client, one).as_numpy("probabilities") for one in rows]

    with ThreadPoolExecutor(16) as pool:
        return [answer for answers in pool.map(many, range(16)) for answer in answers]


def test_under_load_each_gets_its_own_answer(
    digits: Path, service: Service, predictor: Predictor, images: np.ndarray, tmp_path: Path
) -> None:
    expected = [predictor.predict(images[[index % len(images)]])["probabilities"] for index in range(800)]
    alone = under_load(service, images)
    assert b"".join(one.tobytes() for one in alone) == b"".join(one.tobytes() for one in expected)
    # Joined rows are what the manifest promises of batch-mates: `close`.
    with Service(digits, tmp_path / "log", *FLAGS) as running:
        joined = under_load(running, images)
        assert running.metric("run_rows_sum") == 800 > running.metric("run_rows_count")
    assert all(
        compare(one, other, Tolerance("close")).ok for one, other in zip(joined, expected, strict=True)
    )


def test_a_full_queue_is_said_to_be_full(digits: Path, images: np.ndarray, tmp_path: Path) -> None:
    flags = (*FLAGS, *ALONE, "--workers", "1", "--queue", "1")
    full = Event()
    image = triton.InferInput("image", [MANY, 1, 8, 8], "FP32")
    image.set_data_from_numpy(np.resize(images, (MANY, 1, 8, 8)))
    body, length = triton.InferenceServerClient.generate_request_body([image])
    headers = {"Inference-Header-Content-Length": str(length)}

    def press(running: Service) -> list[tuple[int, str | None]]:
        found: list[tuple[int, str | None]] = []
        while not full.is_set() and len(found) < 200:
            status, answered, _ = running.ask("POST", INFER, body, headers)
            found.append((status, answered.get("Retry-After")))
            if status == 503:
                full.set()
        return found

    with Service(digits, tmp_path / "log", *flags) as running:
        with ThreadPoolExecutor(8) as pool:
            statuses = Counter(one for found in pool.map(press, [running] * 8) for one in found)
        assert set(statuses) == {(200, None), (503, "1")}
        with running.client() as client:
            infer(client, images[:1])


def test_bodies_that_wait_have_a_limit_together(digits: Path, images: np.ndarray, tmp_path: Path) -> None:
    flags = (*FLAGS, "--max-pending", str(MOST_BODY))
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {MOST_BODY}\r\n\r\n".encode()
    with Service(digits, tmp_path / "log", *flags) as running:
        with running.send(head):
            running.wait_for_metric("requests_in_flight", 1)
            status, headers, _ = running.ask("POST", INFER, one_input())
            assert (status, headers["Retry-After"]) == (503, "1")
        running.wait_for_metric('requests_total{status="400"}', 1)
        with running.client() as client:
            infer(client, images[:1])


def test_a_reload_under_load_drops_no_request(
    digits: Path, predictor: Predictor, images: np.ndarray, tmp_path: Path
) -> None:
    link, folders = tmp_path / "current", [digits, with_version(digits, tmp_path / "next", "2.0.0")]
    expected = predictor.predict(images[:1])["probabilities"]
    over = Event()
    point(link, digits)

    def keep_asking(running: Service) -> Counter[str]:
        versions: Counter[str] = Counter()
        with running.client() as client:
            while not over.is_set():
                answer = infer(client, images[:1])
                assert compare(answer.as_numpy("probabilities"), expected, Tolerance("close")).ok
                versions[answer.get_response()["model_version"]] += 1
        return versions

    with Service(link, tmp_path / "log", *FLAGS) as running, ThreadPoolExecutor(8) as pool:
        try:
            askers = [pool.submit(keep_asking, running) for _ in range(8)]
            for count in range(1, 7):
                point(link, folders[count % 2])
                running.reload()
                running.wait_for("reloaded", count)
            refused_reload(running, link, with_version(digits, tmp_path / "other", "3.0.0", name="other"))
        finally:
            over.set()
        versions = sum((asker.result() for asker in askers), Counter())
    assert set(versions) == {"1.0.0", "2.0.0"}


def refused_reload(running: Service, link: Path, folder: Path) -> None:
    """A bundle that cannot take the place of the one that is served leaves it there."""
    point(link, folder)
    running.reload()
    assert "other" in running.wait_for("not reloaded")["error"]
    assert running.metric('reloads_total{result="failed"}') == 1
    assert running.metric('reloads_total{result="replaced"}') == 6
    with running.client() as client:
        assert client.is_model_ready("digits")


def test_what_is_in_flight_is_answered_before_the_end(
    digits: Path, images: np.ndarray, tmp_path: Path
) -> None:
    # Requests wait for others to join them, so that the signal finds them in flight.
    flags = (*FLAGS, "--batch-window", "4s", "--drain", "1s")
    with Service(digits, tmp_path / "log", *flags) as running, ThreadPoolExecutor(4) as pool:

        def one(index: int) -> np.ndarray:
            with running.client() as client:
                return infer(client, images[[index]]).as_numpy("probabilities")

        answers = [pool.submit(one, index) for index in range(4)]
        running.wait_for_metric("requests_in_flight", 4)
        running.terminate()
        running.wait_for("stopping")
        assert running.ask("GET", "/v2/health/ready")[0] == 503
        assert running.ask("GET", "/v2/health/live")[0] == 200
        assert [answer.result().argmax() for answer in answers] == list(labels()[:4])
        assert running.process.wait(timeout=60) == 0
        assert running.lines()[-1]["msg"] == "stopped"


def labels() -> np.ndarray:
    return np.load(ROOT / "examples" / "digits" / "golden.npz")["labels"]
